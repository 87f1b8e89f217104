"""The small picture of a training report."""

import numpy as np
import pytest
from drawn import pixels_of, where_colour

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.phantom import make_phantom
from PancreasSegLib.pictures import write_case_preview
from PancreasSegLib.pictures.style import OUTLINE, REFERENCE

HEADER = 34


def test_reference_and_prediction_side_by_side(phantom, tmp_path):
    truth = phantom.labels.voxels == 8
    moved = np.roll(truth, 2, axis=2)  # to the patient's left: to the right in the picture
    write_case_preview(tmp_path / "v.png", phantom.ct, truth, moved, "case 1, Dice 0.7")
    pixels = pixels_of(tmp_path / "v.png")[HEADER:]
    blue, orange = where_colour(pixels, REFERENCE), where_colour(pixels, OUTLINE)
    assert blue.sum() > 300 and orange.sum() > 300
    for panel in np.array_split(np.arange(pixels.shape[1]), 5):
        left = np.nonzero(blue[:, panel])[1].min()
        assert np.nonzero(orange[:, panel])[1].min() > left + 3


def test_the_same_for_any_axes(phantom, tmp_path):
    turned = make_phantom(2, spacing_mm=(4, 4, 5), range_mm=(-100, 100), orientation="SAR")
    for name, scan in (("a", phantom), ("b", turned)):
        truth = scan.labels.voxels == 8
        write_case_preview(tmp_path / f"{name}.png", scan.ct, truth, truth, "x")
    assert np.array_equal(pixels_of(tmp_path / "a.png"), pixels_of(tmp_path / "b.png"))


@pytest.mark.parametrize("empty", ["reference", "prediction", "both"])
def test_empty_masks_still_give_a_picture(phantom, tmp_path, empty):
    truth = phantom.labels.voxels == 8
    none = np.zeros_like(truth)
    reference = truth if empty == "prediction" else none
    prediction = truth if empty == "reference" else none
    write_case_preview(tmp_path / "v.png", phantom.ct, reference, prediction, "x", slices=3)
    pixels = pixels_of(tmp_path / "v.png")[HEADER:]
    assert where_colour(pixels, REFERENCE).any() == (empty == "prediction")
    assert where_colour(pixels, OUTLINE).any() == (empty == "reference")


def test_a_mask_of_another_grid_is_refused(phantom, tmp_path):
    truth = phantom.labels.voxels == 8
    with pytest.raises(GeometryError, match="prediction"):
        write_case_preview(tmp_path / "v.png", phantom.ct, truth, truth[1:], "x")
