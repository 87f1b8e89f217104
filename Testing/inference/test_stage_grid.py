"""The grid of a stage: covers its region, fits the network, stays in the scan where it can."""

from __future__ import annotations

import numpy as np
from fake_model import make_stage
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.inference.stage_grid import stage_grid
from PancreasSegLib.volume import Box, Geometry

SPACING = st.floats(0.5, 7)


@st.composite
def boxes(draw) -> tuple[Box, Geometry]:
    size = draw(st.tuples(*[st.integers(4, 120)] * 3))
    spacing = draw(st.tuples(SPACING, SPACING, SPACING))
    lower = [draw(st.integers(0, n - 1)) for n in size]
    upper = [draw(st.integers(low + 1, n)) for low, n in zip(lower, size, strict=True)]
    return Box(tuple(lower), tuple(upper)), Geometry(size, spacing, (10.0, -20.0, 30.0))


@given(boxes(), st.booleans())
def test_grid_covers_the_box_in_multiples(case, whole_patch):
    box, ct = case
    stage = make_stage("segmenter")
    grid = stage_grid(box, ct, stage, whole_patch=whole_patch)
    assert all(n % m == 0 for n, m in zip(grid.size_ijk, stage.multiple_ijk, strict=True))
    assert grid.spacing_mm == stage.spacing_mm
    faces = np.array([np.array(box.lower_ijk) - 0.5, np.array(box.upper_ijk) - 0.5])
    inside = grid.lps_to_index(ct.index_to_lps(faces))
    assert (inside[0] >= -0.5 - 1e-6).all()
    assert (inside[1] <= np.array(grid.size_ijk) - 0.5 + 1e-6).all()


@given(boxes())
def test_grid_leaves_the_scan_only_where_it_is_larger(case):
    box, ct = case
    grid = stage_grid(box, ct, make_stage("segmenter"))
    scan = ct.lps_to_index(grid.index_to_lps(np.array([[-0.5] * 3, np.array(grid.size_ijk) - 0.5])))
    for axis in range(3):
        fits = grid.extent_mm[axis] <= ct.extent_mm[axis] + 1e-6
        if fits:
            assert scan[0, axis] >= -0.5 - 1e-6 and scan[1, axis] <= ct.size_ijk[axis] - 0.5 + 1e-6
        else:
            assert scan[0, axis] <= -0.5 + 1e-6 and scan[1, axis] >= ct.size_ijk[axis] - 0.5 - 1e-6


def test_a_small_region_grows_to_the_patch():
    ct = Geometry((200, 200, 100), (1.0, 1.0, 2.0))
    stage = make_stage("segmenter")
    assert stage_grid(Box((90, 90, 45), (100, 100, 50)), ct, stage).size_ijk == stage.patch_ijk
    assert stage_grid(Box((90, 90, 45), (100, 100, 50)), ct, stage, whole_patch=False).size_ijk == (8, 8, 4)
