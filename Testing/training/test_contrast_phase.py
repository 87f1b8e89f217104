"""A patch shown in another contrast phase."""

import numpy as np
import pytest
import torch

from PancreasSegLib.training.contrast_phase import ContrastPhases
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.prepared import PreparedCase
from PancreasSegLib.training.recipe import AugmentationRecipe, StageRecipe
from PancreasSegLib.volume import Geometry

LABELS = ["liver", "aorta", "pancreas"]
PORTAL_HU = {0: 60.0, 1: 110.0, 2: 150.0, 3: 90.0}


def scene():
    """Portal-venous liver, aorta and pancreas in soft tissue, with a vein and a bone that nobody labelled."""
    label = torch.zeros((20, 40, 40), dtype=torch.int64)
    label[:, 2:18, 2:18] = 1
    label[:, 22:30, 22:30] = 2
    label[:, 2:18, 22:38] = 3
    hu = torch.tensor([PORTAL_HU[v] for v in range(4)])[label]
    hu[:, 32:38, 2:8] = 160.0  # vein
    hu[:, 32:38, 12:18] = 275.0  # bone
    return hu, label


def mean_hu(phase, where, draws=40):
    hu, label = scene()
    phases = ContrastPhases(LABELS)
    found = [phases.show(hu, label, phase, np.random.default_rng(seed)) for seed in range(draws)]
    return float(torch.stack(found).mean(0)[where].mean())


VEIN = (slice(2, -2), slice(33, 37), slice(3, 7))
BONE = (slice(2, -2), slice(33, 37), slice(13, 17))
LIVER = (slice(2, -2), slice(5, 15), slice(5, 15))
AORTA = (slice(2, -2), slice(24, 28), slice(24, 28))
PANCREAS = (slice(2, -2), slice(5, 15), slice(25, 35))


def test_without_contrast_medium_vessels_and_organs_are_alike():
    assert mean_hu("native", AORTA) == pytest.approx(40, abs=6)
    assert mean_hu("native", PANCREAS) == pytest.approx(38, abs=6)
    assert mean_hu("native", VEIN) < 75


def test_an_arterial_scan_has_a_bright_aorta_a_pale_liver_and_veins_without_much_iodine():
    assert mean_hu("arterial", AORTA) > 250
    assert mean_hu("arterial", LIVER) < 80
    assert mean_hu("arterial", VEIN) < 110
    assert mean_hu("arterial", PANCREAS) > mean_hu("arterial", LIVER)


@pytest.mark.parametrize("phase", ["native", "arterial", "pancreatic", "portal", "delayed"])
def test_bone_stays(phase):
    assert mean_hu(phase, BONE) == pytest.approx(275, abs=1)


def test_organs_keep_their_texture():
    hu, label = scene()
    hu = hu + torch.randn(hu.shape, generator=torch.Generator().manual_seed(0)) * 10
    native = ContrastPhases(LABELS).show(hu, label, "native", np.random.default_rng(0))
    assert torch.corrcoef(torch.stack([hu[LIVER].ravel(), native[LIVER].ravel()]))[0, 1] > 0.3


def test_fat_between_lobules_stays_fat():
    hu, label = scene()
    hu[PANCREAS] = -90.0
    arterial = ContrastPhases(LABELS).show(hu, label, "arterial", np.random.default_rng(0))
    assert float(arterial[4:-4, 7:13, 27:33].max()) < -85


def test_the_recipe_s_shares_decide_which_patches_are_shown_in_another_phase():
    hu, label = scene()
    image = ((hu + 125) / 400 * 255).to(torch.uint8).numpy()
    case = PreparedCase("c", image, label.to(torch.uint8).numpy(), Geometry((40, 40, 20), (2.0, 2.0, 3.0)))
    off = {name: 0.0 for name in AugmentationRecipe.model_fields if name.endswith("_probability")}

    def batches(**augmentation):
        stage = StageRecipe(
            spacing_mm=(2.0, 2.0, 3.0), patch_ijk=(40, 40, 20), augmentation=off | augmentation, sampling={}
        )
        sampler = PatchSampler([case], stage, 3, torch.device("cpu"), 0, labels=LABELS)
        return [sampler.batch(step)[0] for step in range(6)]

    plain = batches()
    native = batches(contrast_phases={"native": 1.0})
    never = batches(contrast_phases={"native": 0.0})
    assert all(torch.equal(a, b) for a, b in zip(plain, never, strict=True))
    assert all(b.mean() < a.mean() for a, b in zip(plain, native, strict=True))


def test_shares_of_more_than_all_patches_are_refused():
    with pytest.raises(ValueError, match=r"add up to 1\.3"):
        AugmentationRecipe(contrast_phases={"native": 0.7, "arterial": 0.6})
