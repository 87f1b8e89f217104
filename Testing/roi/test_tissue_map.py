"""The tissue map and the soft-tissue mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trunk import CREST_Z, Trunk

from PancreasSegLib.roi import TISSUE_LABELS, soft_tissue_mask, tissue_map
from PancreasSegLib.volume import AxisMap, Geometry, Volume


def label_at(trunk: Trunk, tissues: np.ndarray, *lps: float) -> str:
    i, j, k = np.round(trunk.geometry.lps_to_index(lps)).astype(int)
    names = {value: name for name, value in TISSUE_LABELS.items()} | {0: "outside"}
    return names[int(tissues[k, j, i])]


PLACES = {
    (-78.0, 0.0, 450.0): "lung",
    (78.0, 20.0, 450.0): "lung",
    (40.0, -70.0, 280.0): "gas",
    (0.0, 60.0, 300.0): "spine",
    (0.0, -116.0, 300.0): "fat",
    (0.0, 0.0, 250.0): "soft_tissue",
    (30 + 0.9 * (CREST_Z - 20 - 50), 60.0, CREST_Z - 20): "bone",
    (0.0, 150.0, 300.0): "outside",  # the table
    (-200.0, -200.0, 10.0): "outside",
}


@pytest.mark.parametrize("clip", [None, (-125, 275)])
def test_every_tissue_in_its_place(clip):
    trunk = Trunk(spacing=(2.0, 2.0, 5.0), extras=("lungs", "spine", "wings", "table", "bowel gas"))
    volume = trunk.volume()
    if clip:
        volume = Volume(np.clip(volume.voxels, *clip), volume.geometry)
    tissues = tissue_map(volume)
    assert tissues.dtype == np.uint8 and tissues.shape == volume.voxels.shape
    assert {place: label_at(trunk, tissues, *place) for place in PLACES} == PLACES


def test_bone_is_found_in_a_scan_that_is_clipped_below_it():
    trunk = Trunk(spacing=(2.0, 2.0, 5.0), extras=("lungs", "spine", "wings"))
    tissues = tissue_map(Volume(np.clip(trunk.volume().voxels, -125, 180), trunk.geometry))
    places = {place: name for place, name in PLACES.items() if name == "bone"}
    assert {place: label_at(trunk, tissues, *place) for place in places} == places


def test_noise_in_clipped_fat_is_not_gas():
    trunk = Trunk(spacing=(2.0, 2.0, 5.0), extras=("lungs", "spine"))
    noise = np.random.default_rng(1).normal(0, 15, trunk.geometry.shape_zyx)
    voxels = np.clip(trunk.volume().voxels + noise, -125, 275).astype(np.int16)
    tissues = tissue_map(Volume(voxels, trunk.geometry))
    x, y, z = trunk.grid()
    radius = (x / 170) ** 2 + (y / 120) ** 2
    rim = (radius > 0.88) & (radius < 0.95) & (z < 300)
    assert np.mean(tissues[rim] == TISSUE_LABELS["gas"]) < 0.01
    assert np.mean(tissues[rim] == TISSUE_LABELS["fat"]) > 0.9


def test_the_map_lies_on_the_volumes_own_grid():
    volume = Trunk(extras=("lungs", "spine", "wings")).volume()
    expected = tissue_map(volume)
    g = volume.geometry
    turned = Geometry(
        (g.size_ijk[2], g.size_ijk[0], g.size_ijk[1]),
        (g.spacing_mm[2], g.spacing_mm[0], g.spacing_mm[1]),
        tuple(g.index_to_lps((0, g.size_ijk[1] - 1, 0))),
        (0, 1, 0, 0, 0, -1, 1, 0, 0),
    )
    axes = AxisMap.to_canonical(turned)
    np.testing.assert_array_equal(axes.apply(tissue_map(Volume(axes.invert(volume.voxels), turned))), expected)


def test_air_alone_is_outside():
    geometry = Geometry((32, 32, 16), (4.0, 4.0, 5.0))
    assert not tissue_map(Volume(np.full(geometry.shape_zyx, -1000, np.int16), geometry)).any()


@given(st.lists(st.integers(-2000, 3000), min_size=1, max_size=50), st.integers(-200, 0), st.integers(1, 400))
def test_soft_tissue_is_what_lies_in_the_window(values, low, high):
    array = np.array(values, dtype=np.int16)
    mask = soft_tissue_mask(array, (low, high))
    assert mask.dtype == bool and mask.shape == array.shape
    assert mask.tolist() == [low <= v <= high for v in array.tolist()]


def test_soft_tissue_mask_takes_any_shape_and_no_nan():
    mask = soft_tissue_mask(np.array([[[[np.nan, 40.0], [-1000.0, 500.0]]]]))
    assert mask.tolist() == [[[[False, True], [False, False]]]]
