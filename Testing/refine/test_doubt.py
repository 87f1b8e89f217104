"""Doubtful slices: where, in which order, on any grid, and without what was marked."""

import numpy as np
import pytest

from PancreasSegLib.refine.doubt import axial_axis, doubtful_slices
from PancreasSegLib.volume import Box, Geometry, Volume

TILT = np.deg2rad(15)
TILTED = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
GRIDS = {
    "axial": np.eye(3),
    "upside down": np.diag([1.0, 1.0, -1.0]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]),
    "oblique": TILTED,
    "oblique sagittal": TILTED[:, [1, 2, 0]],
}


def crop(direction, slices):
    """A sure organ with some slices of another probability; slices run towards the head."""
    geometry = Geometry((24, 24, 24), (3.0, 3.0, 3.0), (10.0, -20.0, 300.0), tuple(direction.ravel()))
    axis = axial_axis(geometry)
    voxels = np.zeros((24, 24, 24), np.float16)
    voxels[4:20, 4:20, 4:20] = 1
    along = np.moveaxis(voxels, 2 - axis, 0)
    upwards = geometry.matrix[2, axis] > 0
    for number, value in slices.items():
        part = along[number if upwards else 23 - number]
        part[part > 0] = value
    return Volume(voxels, geometry)


def heights(probability, found):
    """Numbers of the slices, counted towards the head."""
    axis = axial_axis(probability.geometry)
    upwards = probability.geometry.matrix[2, axis] > 0
    index = [probability.geometry.lps_to_index(place.position_lps)[axis] for place in found]
    return [round(float(i if upwards else 23 - i), 3) for i in index]


@pytest.mark.parametrize("name", GRIDS)
def test_most_doubtful_first_on_any_grid(name):
    probability = crop(GRIDS[name], {6: 0.9, 11: 0.5, 17: 0.75})
    found = doubtful_slices(probability)
    assert heights(probability, found) == [11, 17, 6]
    assert [place.doubt for place in found] == sorted((place.doubt for place in found), reverse=True)
    assert all(0 < place.doubt < 1 for place in found)
    for place in found:
        assert place.normal_lps[2] > 0.9 and np.linalg.norm(place.normal_lps) == pytest.approx(1)
        index = probability.geometry.lps_to_index(place.position_lps)
        others = np.delete(index, axial_axis(probability.geometry))
        assert np.allclose(others, 11.5, atol=0.01)  # the middle of the doubt


def test_doubt_as_large_as_the_organ_counts_half():
    (place,) = doubtful_slices(crop(np.eye(3), {11: 0.5}))
    assert place.doubt == pytest.approx(0.5, abs=0.02)


def test_slices_next_to_a_worse_one_are_not_listed():
    probability = crop(np.eye(3), {10: 0.6, 11: 0.5, 12: 0.6})
    assert heights(probability, doubtful_slices(probability)) == [11]
    assert heights(probability, doubtful_slices(probability, apart_mm=3.0)) == [11, 10, 12]


@pytest.mark.parametrize("name", GRIDS)
def test_what_was_marked_is_seen(name):
    probability = crop(GRIDS[name], {6: 0.9, 11: 0.5, 17: 0.75})
    first = doubtful_slices(probability)[0]
    ct = Geometry(
        (90, 90, 90), (1.0, 1.0, 1.0), probability.geometry.origin_lps, probability.geometry.direction_lps
    )
    at = np.round(ct.lps_to_index(first.position_lps)).astype(int)
    marks = np.zeros(ct.shape_zyx, np.uint8)
    marks[at[2], at[1], at[0]] = 2
    box = Box(tuple(at - 2), tuple(at + 3))
    seen = Volume(marks[box.slices_zyx], box.geometry(ct))
    assert heights(probability, doubtful_slices(probability, marks=seen)) == [17, 6]


def test_a_sure_model_has_no_doubt():
    assert doubtful_slices(crop(np.eye(3), {})) == []
    empty = crop(np.eye(3), {})
    assert doubtful_slices(Volume(np.zeros_like(empty.voxels), empty.geometry)) == []


def test_no_more_than_asked_for():
    probability = crop(np.eye(3), {4: 0.6, 8: 0.5, 12: 0.6, 16: 0.7})
    assert len(doubtful_slices(probability)) == 4 and len(doubtful_slices(probability, most=2)) == 2


@pytest.mark.parametrize("grid", GRIDS)
def test_a_slice_across_was_not_looked_at_in_every_axial_slice(grid):
    """One confirmed in the coronal or sagittal view leaves the doubtful axial slices to be looked at."""
    probability = crop(GRIDS[grid], {7: 0.5, 15: 0.5})
    geometry = probability.geometry
    axis = axial_axis(geometry)
    across = next(a for a in range(3) if a != axis)
    marks = np.zeros(geometry.shape_zyx, np.uint8)
    np.moveaxis(marks, 2 - across, 0)[12] = 2
    found = doubtful_slices(probability, marks=Volume(marks, geometry))
    assert sorted(heights(probability, found)) == [7, 15]
    drawn = np.zeros(geometry.shape_zyx, np.uint8)
    upwards = geometry.matrix[2, axis] > 0
    np.moveaxis(drawn, 2 - axis, 0)[7 if upwards else 16] = 1
    assert heights(probability, doubtful_slices(probability, marks=Volume(drawn, geometry))) == [15]
