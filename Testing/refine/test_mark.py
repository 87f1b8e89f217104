"""Marks: what a brush, a point or an array covers on the CT's own grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from volume.random_grids import grids, voxel_positions

from PancreasSegLib.errors import MarkError
from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Box, Geometry

GRID = Geometry((60, 60, 30), (1.0, 1.0, 2.0))


def whole(mark: Mark, geometry: Geometry) -> np.ndarray:
    array = np.zeros(geometry.shape_zyx, bool)
    array[mark.box.slices_zyx] = mark.voxels
    return array


def test_a_dab_of_a_sphere_brush_has_the_volume_of_the_sphere():
    fine = Geometry((60, 60, 60), (0.5, 0.5, 0.5))
    mark = Mark.stroke([[15, 15, 15]], fine, include=True, radius_mm=10)
    assert mark.voxels.sum() * 0.125 == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.02)


def test_a_disc_brush_stays_in_its_slice():
    mark = Mark.stroke([[20, 20, 20], [35, 30, 20]], GRID, include=False, radius_mm=4, normal_lps=(0, 0, -1))
    assert mark.box.size_ijk[2] == 1 and mark.box.lower_ijk[2] == 10 and not mark.include


@given(grids(max_size=12, max_angle=0.6), st.data())
def test_marks_cover_the_voxels_near_the_line_in_every_orientation(geometry, data):
    ends = [geometry.index_to_lps([data.draw(st.floats(0, n - 1)) for n in geometry.size_ijk]) for _ in range(2)]
    mark = Mark.stroke(ends, geometry, include=True, radius_mm=3.0)
    positions = voxel_positions(geometry)
    along = ends[1] - ends[0]
    share = ((positions - ends[0]) @ along) / max(along @ along, 1e-9)
    distance = np.linalg.norm(positions - ends[0] - np.clip(share, 0, 1)[..., None] * along, axis=-1)
    marked = whole(mark, geometry)
    half_voxel = np.linalg.norm(geometry.spacing_mm) / 2
    assert marked.any()
    assert (distance[marked] <= max(3.0, half_voxel) + 1e-6).all()  # the voxels under the line, and those near it
    assert marked[distance <= 3.0 - 1e-6].all()


@pytest.mark.parametrize("turned", [0.0, 20.0, 55.0])
def test_a_disc_in_a_turned_slice_is_what_the_slice_passes_through(turned):
    angle = np.radians(turned)
    normal, across = np.array([0, np.sin(angle), np.cos(angle)]), np.array([0, np.cos(angle), -np.sin(angle)])
    middle = np.array([30.0, 30.0, 30.0])
    ends = middle - 8 * across, middle + 8 * across
    mark = Mark.stroke(ends, GRID, include=True, radius_mm=4, normal_lps=tuple(3 * normal))
    offset = voxel_positions(GRID) - middle
    height, along = offset @ normal, np.clip(offset @ across, -8, 8)
    beside = np.linalg.norm(offset - height[..., None] * normal - along[..., None] * across, axis=-1)
    thick = 0.5 * np.abs(GRID.matrix.T @ normal * GRID.spacing_mm).sum()
    marked = whole(mark, GRID)
    assert marked[(beside < 3.99) & (np.abs(height) < 0.99 * thick)].all()
    assert not marked[(beside > 4.01) | (np.abs(height) > 1.01 * thick)].any()


def test_nothing_outside_the_ct_is_marked_and_what_is_wholly_outside_is_refused():
    mark = Mark.stroke([[50, 30, 30], [90, 30, 30]], GRID, include=True, radius_mm=2)
    assert mark.box.clipped(GRID) == mark.box and mark.box.upper_ijk[0] == 60
    with pytest.raises(MarkError, match="outside the CT"):
        Mark.point([200, 30, 30], GRID, include=True)


@pytest.mark.parametrize("points", [[], [[1, 2]], [[np.nan, 0, 0]]])
def test_positions_that_are_none_are_refused(points):
    with pytest.raises(MarkError):
        Mark.stroke(points, GRID, include=True, radius_mm=2)


def test_a_brush_of_no_size_and_an_empty_array_are_refused():
    with pytest.raises(MarkError, match="marks nothing"):
        Mark.stroke([[20, 20, 20]], GRID, include=True, radius_mm=0)
    with pytest.raises(MarkError, match="Nothing is marked"):
        Mark.of_array(np.zeros(GRID.shape_zyx), GRID, include=True)
    with pytest.raises(MarkError, match="do not lie"):
        Mark.of_array(np.ones((2, 2, 2)), GRID, include=True)
    with pytest.raises(MarkError, match="cannot be"):
        Mark("lasso", True, Box((0, 0, 0), (1, 1, 1)), np.ones((1, 1, 1), bool))


def test_the_pieces_of_a_long_mark_make_up_the_mark():
    mark = Mark.stroke([[2, 30, 30], [58, 30, 30]], GRID, include=True, radius_mm=3)
    pieces = mark.pieces(GRID, 20.0)
    assert len(pieces) > 2 and all(piece.box.size_ijk[0] <= 20 for piece in pieces)
    together = sum(whole(piece, GRID).astype(int) for piece in pieces)
    assert np.array_equal(together == 1, whole(mark, GRID)) and together.max() == 1


def rod(shape=(12, 40, 50)):
    mask = np.zeros(shape, bool)
    mask[3:9, 15:25, 10:40] = True
    return mask


def test_a_slice_that_is_right_says_all_about_the_organ_s_surroundings():
    grid = Geometry((50, 40, 12), (1.0, 1.0, 3.0))
    mark = Mark.of_slice(rod(), grid, axis=2, index=5, margin_mm=6)
    assert (mark.box.lower_ijk, mark.box.upper_ijk) == ((4, 9, 5), (46, 31, 6))
    assert (mark.values == 1).sum() == 300 and (mark.values == 2).sum() == 42 * 22 - 300
    assert mark.reached(25.0, grid).size_ijk == (42, 22, 12)  # into its neighbours, not sideways
    assert mark.pieces(grid, 10.0) == [mark]


def test_a_slice_without_organ_beside_the_organ_excludes_and_one_far_away_is_refused():
    grid = Geometry((50, 40, 12), (1.0, 1.0, 3.0))
    mark = Mark.of_slice(rod(), grid, axis=2, index=10)
    assert set(np.unique(mark.values)) == {2} and not mark.voxels.any()
    with pytest.raises(MarkError, match="no organ in this slice"):
        Mark.of_slice(rod(), grid, axis=2, index=11)
    with pytest.raises(MarkError, match="beside the CT"):
        Mark.of_slice(rod(), grid, axis=2, index=12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_may_lie_across_any_axis_and_goes_through_an_array(axis):
    grid = Geometry((50, 40, 12), (1.0, 1.0, 3.0))
    mark = Mark.of_slice(rod(), grid, axis=axis, index=(20, 20, 6)[axis])
    assert mark.box.size_ijk[axis] == 1 and mark.voxels.any() and (mark.values == 2).any()
    back = Mark.of_array(mark.voxels, grid, include=True, kind="slice", box=mark.box)
    assert np.array_equal(back.values, mark.values)


def test_a_slice_is_one_voxel_thick():
    with pytest.raises(MarkError, match="one voxel thick"):
        Mark("slice", True, Box((0, 0, 0), (3, 3, 3)), np.ones((3, 3, 3), bool))
