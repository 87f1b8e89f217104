"""The grid of the work, and the two solvers on it, against what can be known otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volume.random_grids import AXIS_ORDERS, grids, voxel_positions

from PancreasSegLib.refine.evidence import CHANNELS, Evidence, Window
from PancreasSegLib.refine.random_walk import random_walk
from PancreasSegLib.refine.travel_time import travel_time
from PancreasSegLib.refine.work_grid import MULTIPLE_IJK, WorkGrid
from PancreasSegLib.volume import Box, Geometry, Volume


@settings(max_examples=25)
@given(grids(max_size=9, max_angle=0.5), st.data())
def test_a_linear_field_survives_the_way_there_and_back_in_every_orientation(geometry, data):
    lower = [data.draw(st.integers(0, n - 1)) for n in geometry.size_ijk]
    upper = [data.draw(st.integers(low + 1, n)) for low, n in zip(lower, geometry.size_ijk, strict=True)]
    box = Box(tuple(lower), tuple(upper))
    grid = WorkGrid.around(box, geometry, 5.0)
    assert all(n % m == 0 for n, m in zip(grid.geometry.size_ijk, MULTIPLE_IJK, strict=True))
    field = voxel_positions(grid.geometry) @ (0.3, -0.2, 0.5)
    back = grid.restored(field.astype(np.float32), box)
    expected = (voxel_positions(geometry) @ (0.3, -0.2, 0.5))[box.slices_zyx]
    # Along thick voxels the way back averages, which a linear field bears.
    assert back.shape == expected.shape
    assert np.abs(back - expected).max() < 0.02 * max(1.0, np.abs(expected).max()) + 0.2
    covered = grid.covered()
    assert np.all(np.less_equal(covered.lower_ijk, box.lower_ijk))
    assert np.all(np.greater_equal(covered.upper_ijk, box.upper_ijk))


@pytest.mark.parametrize("number", [0, 7, 19, 33, 47])
def test_a_volume_of_other_axes_lands_where_it_lies_and_is_zero_outside(number):
    own = Geometry((40, 30, 20), (2.0, 2.0, 3.0), (5.0, 5.0, 5.0), tuple(AXIS_ORDERS[number].ravel()))
    ct = Geometry((80, 80, 50), (1.0, 1.0, 2.5), tuple(own.index_to_lps((20, 15, 10)) - (40, 40, 60)))
    grid = WorkGrid.around(Box((35, 35, 20), (45, 45, 30)), ct, 10.0)
    found = grid.sampled_volume(Volume(np.ones(own.shape_zyx, np.float16), own))
    index = own.lps_to_index(voxel_positions(grid.geometry))
    deep = ((index > 0.5) & (index < np.array(own.size_ijk) - 1.5)).all(-1)
    outside = ((index < -0.51) | (index > np.array(own.size_ijk) - 0.49)).any(-1)
    assert deep.any() and outside.any()
    assert np.allclose(found[deep], 1.0, atol=1e-3) and not found[outside].any()


def test_a_thin_stroke_is_not_lost_on_the_work_grid():
    geometry = Geometry((200, 200, 40), (0.5, 0.5, 1.0))
    marks = np.zeros(geometry.shape_zyx, np.uint8)
    marks[20, 100, 80:120] = 1
    marks[20, 120, 100] = 2
    grid = WorkGrid.around(Box((80, 100, 20), (120, 121, 21)), geometry, 20.0)
    found = grid.sampled_marks(marks)
    assert (found == 1).sum() >= 12 and (found == 2).sum() >= 1


def test_a_front_at_speed_one_measures_distance():
    speed = np.ones((20, 40, 40), np.float32)
    start = np.zeros(speed.shape, bool)
    start[10, 20, 20] = True
    spacing = (3.0, 1.5, 1.5)
    times = travel_time(speed, start, spacing, 100.0)
    z, y, x = np.indices(speed.shape)
    distance = np.sqrt(((z - 10) * 3.0) ** 2 + ((y - 20) * 1.5) ** 2 + ((x - 20) * 1.5) ** 2)
    assert np.abs(times - distance).max() < 0.06 * distance.max() + 1 and times[10, 20, 20] == 0
    assert travel_time(speed, start, spacing, 9.0).max() == 9.0


def test_a_front_goes_round_a_wall():
    speed = np.ones((12, 40, 40), np.float32)
    speed[:, 20, :35] = 1e-3
    start = np.zeros(speed.shape, bool)
    start[6, 10, 5] = True
    times = travel_time(speed, start, (1.0, 1.0, 1.0), 500.0)
    assert times[6, 30, 5] > 60  # straight ahead it would be 20


def test_the_random_walk_solves_its_equations():
    rng = np.random.default_rng(3)
    prior, hu = rng.random((6, 7, 8)).astype(np.float32), rng.normal(0, 20, (6, 7, 8)).astype(np.float32)
    fixed = rng.random(prior.shape) < 0.1
    spacing, weight, edge = (3.0, 1.5, 1.5), 0.5, 25.0
    found = random_walk(prior, fixed, hu, spacing, weight=weight, edge_hu=edge)
    size = prior.size
    number = np.arange(size).reshape(prior.shape)
    matrix = np.eye(size) * weight
    for axis, scale in enumerate(((1.5 / 3) ** 2, 1.0, 1.0)):
        a, b = np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()
        bond = (np.exp(-((np.diff(hu, axis=axis).ravel() / edge) ** 2)) + 0.01) * scale
        matrix[a, a] += bond
        matrix[b, b] += bond
        matrix[a, b] -= bond
        matrix[b, a] -= bond
    free = ~fixed.ravel()
    right = weight * prior.ravel() - matrix[:, ~free] @ prior.ravel()[~free]
    exact = prior.ravel().astype(float)
    exact[free] = np.linalg.solve(matrix[np.ix_(free, free)], right[free])
    assert np.abs(found.ravel() - exact).max() < 6e-3
    assert np.array_equal(found[fixed], prior[fixed])


def test_without_new_marks_the_score_is_that_of_network_and_mask():
    shape = (24, 64, 64)
    nothing = np.zeros(shape, np.uint8)
    p = np.full(shape, 0.9, np.float32)
    window = Window(np.zeros(shape, np.float32), p, np.ones(shape, np.float32), nothing, nothing, (3.0, 1.5, 1.5))
    evidence = Evidence.of(window)
    assert evidence.images.shape == (CHANNELS, *shape)
    assert np.allclose(evidence.score, 0.5 * np.log(0.901 / 0.101) + 1, atol=1e-3)
    assert not evidence.images[3:].any()


def test_a_thin_slice_that_is_right_is_not_eroded_on_a_coarser_grid():
    """Where pixels of both kinds meet in one voxel of the work grid, the more numerous kind is kept."""
    grid = Geometry((120, 120, 60), (0.7, 0.7, 1.0))
    marks = np.zeros(grid.shape_zyx, np.uint8)
    marks[30, 20:100, 20:100] = 2
    marks[30, 40:80, 40:80] = 1
    work = WorkGrid.around(Box((20, 20, 20), (100, 100, 40)), grid, 0.0)
    seen = work.sampled_marks(marks)
    assert len(np.unique(np.nonzero(seen)[0])) == 1
    height, width = (np.ptp(places) + 1 for places in np.nonzero(seen == 1)[1:])
    assert 28 / 1.5 <= height <= 28 / 1.5 + 1.5 and 28 / 1.5 <= width <= 28 / 1.5 + 1.5
