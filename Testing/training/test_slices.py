"""Stages that learn slices: what is drawn, what is learnt, how a whole case is predicted."""

import numpy as np
import pytest
import torch
from small_networks import PLANAR, STAGE, rows

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.prediction import predicted_array
from PancreasSegLib.training.prepared import PreparedCase
from PancreasSegLib.training.recipe import AugmentationRecipe, StageRecipe, load_recipe
from PancreasSegLib.training.run import train_networks
from PancreasSegLib.volume import Geometry

OFF = {name: 0.0 for name in AugmentationRecipe.model_fields if name.endswith("_probability")}
SPATIAL = {"rotation_probability": 1.0, "scale_probability": 1.0, "elastic_probability": 1.0}


def case(depth=20):
    """Each slice has a value of its own, so that a patch tells where it is from; an organ in slices 5 to 11."""
    image = np.repeat(np.arange(depth, dtype=np.uint8)[:, None, None] * 10 + 5, 30, 1).repeat(40, 2)
    label = np.zeros(image.shape, np.uint8)
    label[5:12, 10:20, 12:28] = 1
    return PreparedCase("c", image, label, Geometry((40, 30, depth), (2.0, 2.0, 5.0)))


def planar(augmentation=OFF, cases=None, **sampling):
    stage = StageRecipe(
        spacing_mm=(2.0, 2.0, 5.0),
        patch_ijk=(24, 20, 1),
        arguments={"spatial_dims": 2},
        augmentation=augmentation,
        sampling={"batch_size": 3, **sampling},
    )
    return PatchSampler(cases or [case()], stage, 1, torch.device("cpu"), 0), stage


def test_a_patch_is_a_piece_of_one_slice_whatever_turns_and_bends_it():
    sampler, stage = planar(OFF | SPATIAL)
    for step in range(8):
        image, label, read = sampler.batch(step)
        assert image.shape == (3, 1, 20, 24)
        assert label.shape == (3, 20, 24)
        assert read == [None] * 3
        hu = image * stage.std_hu + stage.mean_hu
        levels = (hu + 125) * 255 / 400
        for sample in levels:
            inside = sample[0, 8:12, 10:14]
            slices = (inside - 5) / 10
            assert torch.allclose(slices, slices.mean().round(), atol=0.01)  # no mixture of two slices


def test_the_shares_are_kept_by_slices():
    sampler, _ = planar(organ_share=1.0)
    assert all((sampler.batch(step)[1] == 1).any(dim=(1, 2)).all() for step in range(10))
    anywhere, _ = planar(organ_share=0.0, label_share=0.0)
    levels = {int(v) for step in range(60) for v in anywhere.batch(step)[0].amax(dim=(1, 2, 3)) * 100}
    assert len(levels) > 14  # nearly every slice is met


@pytest.mark.parametrize("name", sorted(OFF))
def test_every_augmentation_works_on_a_slice(name):
    plain, _ = planar(OFF, organ_share=1.0)
    changed, stage = planar(OFF | {name: 1.0}, organ_share=1.0)
    differs = False
    for step in range(4):
        before, after = plain.batch(step)[0], changed.batch(step)[0]
        hu = after * stage.std_hu + stage.mean_hu
        assert torch.isfinite(after).all()
        assert stage.window_hu[0] - 1e-3 <= hu.min() and hu.max() <= stage.window_hu[1] + 1e-3
        differs |= not torch.equal(before, after)
    assert differs or name in ("sharpen_probability", "blur_probability", "low_resolution_probability")


def test_a_case_of_a_single_slice_can_be_learnt_from():
    sampler, _ = planar(OFF | SPATIAL, cases=[case(depth=20), case(depth=1)], organ_share=0.0)
    for step in range(10):
        assert torch.isfinite(sampler.batch(step)[0]).all()


class Threshold(torch.nn.Module):
    """Calls bright pixels class 1; takes slices only."""

    def forward(self, x):
        assert x.ndim == 4
        return torch.cat([-x, x], 1)


def test_a_case_is_predicted_slice_by_slice_on_its_own_grid():
    _, stage = planar()
    rng = np.random.default_rng(0)
    for shape in ((37, 50, 61), (1, 10, 12)):  # larger than the patch, and smaller
        image = rng.integers(0, 255, shape).astype(np.uint8)
        one = PreparedCase("c", image, np.zeros(shape, np.uint8), Geometry(shape[::-1], (2.0, 2.0, 5.0)))
        found = predicted_array(Threshold(), one, stage, torch.device("cpu"), torch.float32)
        hu = image / 255 * 400 - 125
        assert found.shape == shape
        assert np.array_equal(found, hu > stage.mean_hu)


def test_a_network_of_slices_learns(recipe_file):
    recipe = load_recipe(
        recipe_file,
        [
            *PLANAR,
            "fold=0",
            f"{STAGE}.patch_ijk=[32, 24, 1]",
            f"{STAGE}.arguments.filters=[8, 16, 16]",
            f"{STAGE}.steps=80",
            f"{STAGE}.validate_every=80",
            f"{STAGE}.optimizer.ema=0.8",
        ],
    )
    train_networks(recipe)
    assert float(rows(recipe, "validation.csv")[-1]["pancreas"]) > 0.7


def test_a_thick_patch_for_slices_is_refused(recipe_file):
    with pytest.raises(RecipeError, match=r"patches of \[16, 16, 1\]"):
        load_recipe(recipe_file, [*PLANAR, f"{STAGE}.patch_ijk=[16, 16, 4]"])
