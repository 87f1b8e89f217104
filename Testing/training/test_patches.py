import numpy as np
import pytest
import torch

from PancreasSegLib.training.cache import PreparedCase
from PancreasSegLib.training.contrast_phase import ContrastPhases
from PancreasSegLib.training.intensity import augment_intensity, gaussian_blur
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.recipe import AugmentationRecipe, StageRecipe
from PancreasSegLib.volume import Geometry

OFF = {name: 0.0 for name in AugmentationRecipe.model_fields if name.endswith("_probability")}
SPATIAL = {"rotation_probability": 1.0, "scale_probability": 1.0, "elastic_probability": 1.0}


def case(seed=0, shape=(30, 40, 50)):
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    label[10:20, 12:28, 15:35] = 1
    label[22:28, 5:15, 5:20] = 2
    image = np.where(label == 1, 200, np.where(label == 2, 90, rng.integers(20, 30, shape))).astype(np.uint8)
    return PreparedCase("c", image, label, Geometry(shape[::-1], (2.0, 2.0, 3.0)))


def stage(augmentation, **sampling):
    return StageRecipe(
        spacing_mm=(2.0, 2.0, 3.0), patch_ijk=(24, 20, 12), augmentation=augmentation, sampling=sampling
    )


def sampler(augmentation, seed=0, **sampling):
    return PatchSampler([case()], stage(augmentation, **sampling), 1, torch.device("cpu"), seed)


def test_a_step_always_gives_the_same_batch():
    one, two = sampler({}), sampler({})
    two.batch(3)
    for a, b in zip(one.batch(7)[:2], two.batch(7)[:2], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.batch(8)[0], one.batch(7)[0])
    assert not torch.equal(sampler({}, seed=1).batch(7)[0], one.batch(7)[0])


# Mean, standard deviation and voxels of each organ in the first patches, as version 2.1 drew them.
AS_EVER = [
    (-1.23875, 1.7322, 1243, 0),
    (-0.70519, 1.49965, 1774, 93),
    (-0.7018, 1.48079, 1730, 0),
    (-1.39489, 1.36188, 1210, 0),
    (-0.61278, 1.43316, 1429, 8),
    (-1.38714, 0.6277, 0, 600),
]


def test_a_seed_draws_what_it_drew_in_earlier_versions():
    s = PatchSampler([case(0), case(1)], stage({}, batch_size=1), 1, torch.device("cpu"), 3)
    for step, (mean, deviation, organ, decoy) in enumerate(AS_EVER):
        image, label, _ = s.batch(step)
        assert float(image.mean()) == pytest.approx(mean, abs=1e-3)
        assert float(image.std()) == pytest.approx(deviation, abs=1e-3)
        assert int((label == 1).sum()) == pytest.approx(organ, abs=3)
        assert int((label == 2).sum()) == pytest.approx(decoy, abs=3)


def test_samples_of_a_batch_can_be_drawn_apart():
    """As several processes do, and batches that are computed in parts."""
    s = sampler({}, batch_size=4)
    whole = s.batch(5)
    parts = [s.batch(5, numbers) for numbers in ([0], [1, 2], [3])]
    for index in range(2):
        assert torch.equal(whole[index], torch.cat([part[index] for part in parts]))
    assert s.read_in(5, range(4)) == whole[2]
    assert not torch.equal(whole[0][0], whole[0][1])


def test_shapes_and_normalisation():
    image, label, read = sampler({}, batch_size=3).batch(0)
    assert read == [None] * 3
    assert image.shape == (3, 1, 12, 20, 24)
    assert label.shape == (3, 12, 20, 24)
    s = stage({})
    assert image.min() >= (s.window_hu[0] - s.mean_hu) / s.std_hu - 1e-4
    assert image.max() <= (s.window_hu[1] - s.mean_hu) / s.std_hu + 1e-4


def test_without_augmentation_a_patch_is_a_shifted_piece_of_the_case():
    s = sampler(OFF, organ_share=1.0)
    image, label, _ = s.batch(0)
    hu = image[0, 0] * s.stage.std_hu + s.stage.mean_hu
    inside = torch.nn.functional.avg_pool3d((label == 1).float()[None], 3, 1, 1)[0, 0] > 0.999
    assert inside.sum() > 50
    assert torch.allclose(hu[inside], torch.tensor(-125 + 200 / 255 * 400), atol=1.0)


def test_the_label_follows_the_image_through_every_deformation():
    s = sampler(OFF | SPATIAL, organ_share=1.0)
    agreements = []
    for step in range(12):
        image, label, _ = s.batch(step)
        hu = image[0, 0] * s.stage.std_hu + s.stage.mean_hu
        bright = hu > 100  # between the organ and the decoy
        organ = label[0] == 1
        agreements.append(float(2 * (bright & organ).sum() / (bright.sum() + organ.sum())))
    assert min(agreements) > 0.85
    assert np.mean(agreements) > 0.92


def test_organ_patches_hold_the_organ():
    s = sampler({}, organ_share=1.0)
    assert all((s.batch(step)[1] == 1).any() for step in range(20))


@pytest.mark.parametrize("name", sorted(OFF))
def test_each_augmentation_changes_the_patch_and_stays_in_the_window(name):
    plain, changed = sampler(OFF, organ_share=1.0), sampler(OFF | {name: 1.0}, organ_share=1.0)
    low, high = plain.stage.window_hu
    differs = False
    for step in range(3):
        before, after = plain.batch(step)[0], changed.batch(step)[0]
        hu = after * plain.stage.std_hu + plain.stage.mean_hu
        assert torch.isfinite(after).all()
        assert hu.min() >= low - 1e-3
        assert hu.max() <= high + 1e-3
        differs |= not torch.allclose(before, after, atol=1e-3)
    assert differs


def test_air_stays_at_the_floor_whatever_the_noise():
    hu = torch.full((8, 16, 16), -125.0)
    hu[:, 8:] = 50.0
    s = stage(OFF | {"noise_probability": 1.0, "noise_hu": 50.0, "intensity_probability": 1.0})
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(hu.shape, dtype=torch.int64)
    out, _ = augment_intensity(hu, label, s, ContrastPhases([]), np.random.default_rng(0), generator)
    assert (out[:, :8] == -125).all()
    assert out[:, 8:].std() > 1


def test_blur_keeps_the_mean_and_agrees_with_scipy():
    from scipy.ndimage import gaussian_filter

    image = torch.randn(12, 20, 24)
    expected = gaussian_filter(image.numpy().astype(float), (0.8, 1.5, 1.5), mode="nearest", truncate=4)
    result = gaussian_blur(image, (0.8, 1.5, 1.5)).numpy()
    assert np.abs(result - expected).max() < 0.03


@pytest.mark.parametrize("use", ["none", "mask", "channel"])
def test_the_soft_tissue_mask_is_used_as_inference_uses_it(use):
    from PancreasSegLib.inference.preparation import network_input
    from PancreasSegLib.models import Stage
    from PancreasSegLib.training.channels import input_channels
    from PancreasSegLib.volume import Volume

    recipe = stage(OFF).model_copy(update={"hu_mask": use})
    grid = Geometry((8, 7, 6), recipe.spacing_mm)
    hu = np.random.default_rng(0).integers(-125, 275, grid.shape_zyx).astype(np.int16)
    package = Stage(
        "segmenter", "fcn", {}, ("w.safetensors",), recipe.spacing_mm, recipe.window_hu, recipe.mean_hu,
        recipe.std_hu, (8, 8, 8), (1, 1, 1), {"pancreas": 1}, use,
    )  # fmt: skip
    trained = input_channels(torch.from_numpy(hu).float(), recipe).numpy()
    assert trained.shape[0] == (2 if use == "channel" else 1)
    assert np.allclose(trained, network_input(Volume(hu, grid), grid, package), atol=1e-5)
