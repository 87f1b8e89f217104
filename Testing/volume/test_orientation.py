"""Canonical axes and the way back: exact for every order and flip, left-handed and oblique grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_grids import AXIS_ORDERS, grids, numbered, voxel_positions

from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume


@st.composite
def boxes_in(draw: st.DrawFn, geometry: Geometry) -> Box:
    lower = [draw(st.integers(0, n - 1)) for n in geometry.size_ijk]
    upper = [draw(st.integers(lo + 1, n)) for lo, n in zip(lower, geometry.size_ijk, strict=True)]
    return Box(tuple(lower), tuple(upper))


@pytest.mark.parametrize("direction", AXIS_ORDERS, ids=lambda m: "".join("LPS"[i] for i in np.abs(m).argmax(0)))
def test_every_order_and_flip(direction):
    geometry = Geometry((3, 4, 5), (0.7, 0.9, 2.5), (10.0, -20.0, 30.0), tuple(direction.ravel()))
    volume = Volume(numbered(geometry), geometry)
    canonical, axes = volume.canonical()
    assert np.array_equal(canonical.geometry.matrix, np.eye(3))
    assert np.array_equal(axes.invert(canonical.voxels), volume.voxels)
    # Every voxel is still where it was in the patient.
    places = {
        tuple(np.round(p, 6)): v
        for p, v in zip(voxel_positions(geometry).reshape(-1, 3), volume.voxels.ravel(), strict=True)
    }
    for place, value in zip(
        voxel_positions(canonical.geometry).reshape(-1, 3), canonical.voxels.ravel(), strict=True
    ):
        assert places[tuple(np.round(place, 6))] == value


def test_there_are_48_orders():
    assert len({tuple(m.ravel()) for m in AXIS_ORDERS}) == 48
    assert sum(np.linalg.det(m) < 0 for m in AXIS_ORDERS) == 24


@given(grids())
def test_round_trip_is_exact(geometry):
    voxels = numbered(geometry)
    canonical, axes = Volume(voxels, geometry).canonical()
    back = axes.invert(canonical.voxels)
    assert back.shape == voxels.shape
    assert np.array_equal(back, voxels)
    assert canonical.geometry.shape_zyx == canonical.voxels.shape


@given(grids())
def test_canonical_axes_run_left_posterior_superior(geometry):
    axes = AxisMap.to_canonical(geometry)
    assert (np.diag(axes.target.matrix) > 0).all()
    assert np.linalg.det(axes.target.matrix) > 0
    assert sorted(axes.order) == [0, 1, 2]
    again = AxisMap.to_canonical(axes.target)
    assert again.order == (0, 1, 2)
    assert again.flipped == (False, False, False)


@given(grids(max_size=5))
def test_positions_are_kept(geometry):
    positions = voxel_positions(geometry)
    axes = AxisMap.to_canonical(geometry)
    moved = np.stack([axes.apply(positions[..., n]) for n in range(3)], axis=-1)
    assert np.allclose(moved, voxel_positions(axes.target), atol=1e-3)


@given(st.data())
def test_boxes_move_as_their_voxels(data):
    geometry = data.draw(grids())
    box = data.draw(boxes_in(geometry))
    axes = AxisMap.to_canonical(geometry)
    mask = np.zeros(geometry.shape_zyx, bool)
    mask[box.slices_zyx] = True
    moved = axes.apply_box(box)
    assert Box.of_mask(axes.apply(mask)) == moved
    assert axes.invert_box(moved) == box
    assert np.array_equal(axes.apply(mask)[moved.slices_zyx], axes.apply(mask[box.slices_zyx]))


@given(grids())
def test_reordering_copies_nothing(geometry):
    voxels = numbered(geometry)
    axes = AxisMap.to_canonical(geometry)
    assert np.shares_memory(axes.apply(voxels), voxels)
