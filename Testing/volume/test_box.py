"""Boxes of voxels: crops keep their place, and a box on another grid covers the first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_grids import grids, numbered, voxel_positions
from test_orientation import boxes_in

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Box, Geometry, Volume


@given(st.data())
def test_a_crop_keeps_its_place(data):
    geometry = data.draw(grids())
    box = data.draw(boxes_in(geometry))
    volume = Volume(numbered(geometry), geometry)
    part = volume.cropped(box)
    assert np.allclose(voxel_positions(part.geometry), voxel_positions(geometry)[box.slices_zyx], atol=1e-6 * 1000)
    assert np.shares_memory(part.voxels, volume.voxels)
    whole = volume.pasted(part.voxels, box, fill=-1)
    assert np.array_equal(whole[box.slices_zyx], part.voxels)
    assert (whole == -1).sum() == whole.size - part.voxels.size


@given(st.data())
def test_box_on_another_grid_covers_it(data):
    source, target = data.draw(grids()), data.draw(grids(max_size=12))
    # Bring the grids to the same place, or the clipped box is nearly always empty.
    target = Geometry(target.size_ijk, target.spacing_mm, source.origin_lps, target.direction_lps)
    box = data.draw(boxes_in(source))
    cover = box.on_grid(source, target)
    assert cover.clipped(target) == cover
    index = source.lps_to_index(voxel_positions(target))
    inside = np.all((index > np.array(box.lower_ijk) - 0.5) & (index < np.array(box.upper_ijk) - 0.5), axis=-1)
    covered = np.zeros(target.shape_zyx, bool)
    covered[cover.slices_zyx] = True
    assert not (inside & ~covered).any()


@given(st.data())
def test_box_on_its_own_grid_is_itself(data):
    geometry = data.draw(grids())
    box = data.draw(boxes_in(geometry))
    assert box.on_grid(geometry, geometry) == box


@given(st.data(), st.floats(0, 30))
def test_margin_reaches_as_far_as_asked(data, margin):
    geometry = data.draw(grids())
    box = data.draw(boxes_in(geometry))
    grown = box.grown(margin, geometry)
    for axis in range(3):
        spacing, size = geometry.spacing_mm[axis], geometry.size_ijk[axis]
        below = (box.lower_ijk[axis] - grown.lower_ijk[axis]) * spacing
        above = (grown.upper_ijk[axis] - box.upper_ijk[axis]) * spacing
        assert grown.lower_ijk[axis] == 0 or below >= margin - 1e-6
        assert grown.upper_ijk[axis] == size or above >= margin - 1e-6
        assert max(below, above) < margin + spacing + 1e-6


@given(st.data())
def test_json_and_mask_round_trip(data):
    geometry = data.draw(grids())
    box = data.draw(boxes_in(geometry))
    assert Box.from_json(box.to_json()) == box
    mask = np.zeros(geometry.shape_zyx, np.uint8)
    mask[box.slices_zyx] = 3
    assert Box.of_mask(mask) == box
    assert Box.whole(geometry).clipped(geometry) == Box.whole(geometry)


def test_of_an_empty_mask_there_is_no_box():
    assert Box.of_mask(np.zeros((3, 4, 5), bool)) is None


@pytest.mark.parametrize(
    "box",
    [Box((0, 0, 0), (0, 2, 2)), Box((-1, 0, 0), (2, 2, 2)), Box((0, 0, 0), (9, 2, 2)), Box((2, 2, 2), (1, 3, 3))],
)
def test_crop_refuses_empty_and_outside_boxes(box):
    geometry = Geometry((4, 5, 6), (1, 1, 1))
    with pytest.raises(GeometryError):
        Volume(numbered(geometry), geometry).cropped(box)


def test_clipping_a_box_outside_leaves_an_empty_one():
    geometry = Geometry((4, 5, 6), (1, 1, 1))
    assert Box((10, 10, 10), (20, 20, 20)).clipped(geometry).is_empty
    assert Box((-9, -9, -9), (-3, -3, -3)).clipped(geometry).is_empty


def test_volume_refuses_an_array_of_another_shape():
    with pytest.raises(GeometryError, match="does not fit"):
        Volume(np.zeros((4, 5, 6)), Geometry((4, 5, 6), (1, 1, 1)))
