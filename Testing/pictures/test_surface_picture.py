"""Organs in three dimensions: what is drawn, where, and in which colour."""

import numpy as np
import pytest
from drawn import pixels_of

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.phantom import make_phantom
from PancreasSegLib.pictures import write_surface_picture
from PancreasSegLib.volume import Geometry

PANELS = slice(60, 660)
ORGANS = {"liver": 1, "spleen": 2, "pancreas": 3}


def blocks() -> tuple[np.ndarray, Geometry]:
    """Return a liver on the patient's right, a spleen on the left, and a pancreas behind the liver."""
    mask = np.zeros((30, 50, 60), np.uint8)
    mask[5:25, 10:20, 5:25] = 1
    mask[5:25, 10:30, 40:55] = 2
    mask[10:20, 30:40, 10:20] = 3
    return mask, Geometry((60, 50, 30), (2.0, 2.0, 2.0))


def hue(pixels: np.ndarray) -> np.ndarray:
    from matplotlib.colors import rgb_to_hsv

    hsv = rgb_to_hsv(pixels)
    return np.where((hsv[..., 2] > 0.2) & (hsv[..., 1] > 0.3), hsv[..., 0] * 360, np.nan)


def where_hue(pixels, low, high):
    """Return the columns at which a range of hue (degrees) is seen often."""
    found = hue(pixels)
    return np.flatnonzero(((found > low) & (found < high)).sum(axis=0) > 20)


BLUE, YELLOW, ORANGE = (190, 220), (50, 65), (30, 45)


def test_organs_stand_on_their_sides_and_hide_each_other(tmp_path):
    mask, geometry = blocks()
    write_surface_picture(tmp_path / "s.png", mask, geometry, ORGANS, title="blocks")
    pixels = pixels_of(tmp_path / "s.png")[PANELS]
    front, behind = pixels[:, :640], pixels[:, 640:]
    assert (
        where_hue(front, *BLUE).max() < where_hue(front, *YELLOW).min()
    )  # liver left, spleen right of the picture
    assert where_hue(behind, *BLUE).min() > where_hue(behind, *YELLOW).max()
    assert where_hue(front, *ORANGE).size == 0  # behind the liver
    assert where_hue(behind, *ORANGE).size > 50


def test_one_looks_through_glass(tmp_path):
    mask, geometry = blocks()
    write_surface_picture(tmp_path / "s.png", mask, geometry, ORGANS, glass=["liver"], views=["front"])
    solid = tmp_path / "solid.png"
    write_surface_picture(solid, mask, geometry, ORGANS, views=["front"])
    seen, hidden = (hue(pixels_of(path)[PANELS]) for path in (tmp_path / "s.png", solid))
    warm = [((found > 20) & (found < 110)).sum() for found in (seen, hidden)]
    assert warm[0] > warm[1] + 2000


def test_the_same_for_any_axes(tmp_path):
    for code in ("LPS", "SAR"):
        phantom = make_phantom(2, spacing_mm=(6, 6, 8), range_mm=(-90, 90), orientation=code)
        labels = {"spleen": 1, "pancreas": 8}
        write_surface_picture(tmp_path / f"{code}.png", phantom.labels.voxels, phantom.ct.geometry, labels)
    assert np.array_equal(pixels_of(tmp_path / "LPS.png"), pixels_of(tmp_path / "SAR.png"))


def test_empty_masks_and_wrong_grids(tmp_path):
    mask, geometry = blocks()
    write_surface_picture(tmp_path / "e.png", np.zeros_like(mask), geometry, ORGANS)
    assert pixels_of(tmp_path / "e.png").shape[1] == 1280
    with pytest.raises(GeometryError, match="grid"):
        write_surface_picture(tmp_path / "w.png", mask[1:], geometry, ORGANS)
