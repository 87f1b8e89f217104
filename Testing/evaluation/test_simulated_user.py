import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "volume"))

from random_grids import AXIS_ORDERS

from PancreasSegLib.evaluation.simulated_user import SimulatedUser, largest_region, slice_axis
from PancreasSegLib.volume import AxisMap, Geometry

THIN, THICK = (0.7, 0.7, 0.5), (0.8, 0.8, 5.0)
TOOLS = ["stroke", "point"]


def grid(size_ijk, spacing, direction=np.eye(3)):
    return Geometry(size_ijk, spacing, (10.0, -20.0, 30.0), tuple(np.ravel(direction)))


def placed(mark, shape):
    """Where a mark lies on the whole grid."""
    voxels = np.zeros(shape, bool)
    voxels[mark.box.slices_zyx] = mark.voxels
    return voxels


def blob(shape, centre, radii):
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum(((a - c) / r) ** 2 for a, c, r in zip((z, y, x), centre, radii, strict=True)) <= 1


SHAPE = (20, 40, 60)
REFERENCE = blob(SHAPE, (10, 20, 30), (6, 9, 24))


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_marked_where_nothing_is_wrong(tool):
    user = SimulatedUser(tool)
    assert user.mark(REFERENCE, REFERENCE, grid(SHAPE[::-1], THICK)) is None
    assert user.mark(np.zeros(SHAPE), np.zeros(SHAPE), grid(SHAPE[::-1], THICK)) is None


@pytest.mark.parametrize("across", range(3))
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.9, 4.0)])
@pytest.mark.parametrize("tool", [*TOOLS, "slice"])
def test_a_reader_of_all_views_takes_the_one_in_which_the_error_is_largest(tool, spacing, across):
    """A flat error is seen as a large one only in the view that shows its face."""
    shape = (60, 60, 60)
    face = [22.0 / s for s in spacing[::-1]]  # about as many mm along both of its axes
    face[across] = 2.0
    error = blob(shape, (30, 30, 30), face)
    mask = np.zeros(shape, bool)
    geometry = grid(shape[::-1], spacing)
    mark = SimulatedUser(tool, views="all").mark(mask, error, geometry)
    assert mark.box.size_ijk[2 - across] == 1
    axial = SimulatedUser(tool).mark(mask, error, geometry)
    assert axial.box.size_ijk[2 - slice_axis(geometry)] == 1
    if tool == "slice":
        assert mark.voxels.sum() == error.sum(axis=tuple(a for a in range(3) if a != across)).max()


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_right_is_never_marked(tool, seed):
    """Whatever the errors look like, the brush stays inside one wrong region, in one slice, and says the truth."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=SHAPE)
    rough = REFERENCE ^ (np.abs(noise) > (1.0, 1.5, 2.5, 3.5)[seed % 4])
    mask = rough & ~blob(SHAPE, (10, 20, 20 + seed), (5, 6, 8))
    mark = SimulatedUser(tool, radius_mm=float(rng.uniform(0.5, 8))).mark(
        mask, REFERENCE, grid(SHAPE[::-1], THICK if seed % 2 else THIN)
    )
    voxels = placed(mark, SHAPE)
    assert voxels.any()
    assert mark.kind == ("scribble" if tool == "stroke" else "point")
    assert (REFERENCE[voxels] == mark.include).all()
    assert (mask[voxels] != mark.include).all()
    assert np.count_nonzero(voxels.any((1, 2))) == 1
    missed, excess = (largest_region(wrong) for wrong in (REFERENCE & ~mask, mask & ~REFERENCE))
    region = missed[0] if mark.include else excess[0]
    assert region[voxels].all()
    assert region.sum() == max(missed[1], excess[1])


@settings(max_examples=60)
@given(st.data())
def test_any_two_masks(data):
    """Also where a region is one voxel, a line, or all there is."""
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    bits = st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
    mask, reference = (np.reshape(data.draw(bits), shape) for _ in range(2))
    spacing = data.draw(st.tuples(*[st.sampled_from([0.5, 1.0, 4.0])] * 3))
    mark = SimulatedUser(data.draw(st.sampled_from(TOOLS))).mark(mask, reference, grid(shape[::-1], spacing))
    if (mask == reference).all():
        assert mark is None
        return
    voxels = placed(mark, shape)
    assert voxels.any()
    assert (reference[voxels] == mark.include).all()
    assert (mask[voxels] != mark.include).all()


def test_the_largest_error_comes_first_whether_missed_or_in_excess():
    large, small = blob(SHAPE, (10, 20, 15), (4, 5, 6)), blob(SHAPE, (10, 20, 45), (2, 3, 3))
    for missing, excess, include in ((large, small, True), (small, large, False)):
        reference = REFERENCE & ~excess
        mark = SimulatedUser().mark((reference & ~missing) | excess, reference, grid(SHAPE[::-1], THICK))
        assert mark.include is include
        assert (missing if include else excess)[placed(mark, SHAPE)].all()


def test_the_slice_in_which_the_error_is_largest_is_marked():
    missing = blob(SHAPE, (7, 20, 30), (4, 8, 9))
    reference = REFERENCE | missing
    mark = SimulatedUser().mark(reference & ~missing, reference, grid(SHAPE[::-1], THICK))
    assert mark.box.lower_ijk[2] == 7


def test_a_stroke_follows_the_region_and_is_not_longer_than_a_reader_draws():
    spacing = (1.0, 1.0, 5.0)
    missing = np.zeros((3, 30, 120), bool)
    missing[1, 12:19, 5:115] = True
    user = SimulatedUser(length_mm=40.0, radius_mm=2.0)
    mark = user.mark(np.zeros_like(missing), missing, grid((120, 30, 3), spacing))
    length, width, depth = mark.box.size_ijk
    assert depth == 1
    assert 40 <= length <= 40 + 2 * (2 + 1)
    assert width <= 5
    middle = 0.5 * (mark.box.lower_ijk[1] + mark.box.upper_ijk[1] - 1)
    assert abs(middle - 15) <= 1


def test_a_point_is_a_dab_at_the_thickest_place():
    missing = np.zeros((3, 40, 80), bool)
    missing[1, 18:22, 5:75] = True
    missing[1] |= blob((1, 40, 80), (0, 20, 60), (1, 10, 10))[0]
    mark = SimulatedUser("point", radius_mm=3.0).mark(
        np.zeros_like(missing), missing, grid((80, 40, 3), (1.0, 1.0, 3.0))
    )
    centre = np.add(mark.box.lower_ijk, np.subtract(mark.box.size_ijk, 1) / 2)
    assert np.abs(centre - (60, 20, 1)).max() <= 1.5
    assert max(mark.box.size_ijk) <= 7


def test_the_same_errors_get_the_same_mark():
    mask = REFERENCE & ~blob(SHAPE, (10, 20, 20), (5, 6, 8))
    first, second = (SimulatedUser().mark(mask, REFERENCE, grid(SHAPE[::-1], THIN)) for _ in range(2))
    assert first.box == second.box
    assert (first.voxels == second.voxels).all()


@pytest.mark.parametrize("spacing", [THIN, (0.7, 0.7, 0.7), (0.7, 0.75, 1.0), THICK])
def test_axial_slices_are_marked_whatever_the_order_of_the_axes(spacing):
    """Thin slices too: voxels that are a little longer in the plane do not make a reader page sideways."""
    for direction in AXIS_ORDERS:
        canonical = np.argmax(np.abs(direction), axis=0)  # patient axis of each of i, j, k
        geometry = grid((30, 31, 32), tuple(spacing[axis] for axis in canonical), direction)
        axis = slice_axis(geometry)
        assert abs(geometry.matrix[2, 2 - axis]) == 1


def test_a_coronal_reconstruction_is_marked_in_its_own_slices():
    assert slice_axis(grid((30, 10, 32), (0.8, 5.0, 0.8))) == 1
    assert slice_axis(grid((10, 30, 32), (5.0, 0.8, 0.9))) == 2


@pytest.mark.parametrize("tool", TOOLS)
def test_the_patient_counts_and_not_the_order_of_the_voxels(tool):
    """A scan stored with other axes gets a mark in the same axial slice of the same patient, saying the same."""
    mask = REFERENCE & ~blob(SHAPE, (12, 18, 20), (5, 6, 8))
    plain = grid(SHAPE[::-1], (0.9, 0.9, 3.0))
    expected = SimulatedUser(tool).mark(mask, REFERENCE, plain)
    height = plain.index_to_lps(expected.box.lower_ijk)[2]
    for direction in AXIS_ORDERS[::5]:
        canonical = np.argmax(np.abs(direction), axis=0)
        size = tuple(SHAPE[::-1][axis] for axis in canonical)
        spacing = tuple((0.9, 0.9, 3.0)[axis] for axis in canonical)
        flipped = [direction[axis, a] < 0 for a, axis in enumerate(canonical)]
        far = np.asarray(plain.size_ijk) - 1
        corner = [0.0] * 3
        for a, axis in enumerate(canonical):
            corner[axis] = far[axis] if flipped[a] else 0
        stored = Geometry(size, spacing, tuple(plain.index_to_lps(corner)), tuple(np.ravel(direction)))
        axes = AxisMap.to_canonical(stored)
        assert axes.target.matches(plain)
        mark = SimulatedUser(tool).mark(axes.invert(mask), axes.invert(REFERENCE), stored)
        assert mark.include is expected.include
        assert stored.index_to_lps(mark.box.lower_ijk)[2] == pytest.approx(height)
        assert np.count_nonzero(mark.voxels) == pytest.approx(np.count_nonzero(expected.voxels), rel=0.35)


def test_largest_region():
    mask = np.zeros((4, 6, 6), bool)
    assert largest_region(mask) == (pytest.approx(mask), 0)
    mask[0, 0, :2] = mask[2, 2:4, 2:4] = True
    region, size = largest_region(mask)
    assert size == 4
    assert region[2, 2:4, 2:4].all() and region.sum() == 4


@pytest.mark.parametrize("axis", [0, 2])
def test_a_slice_is_painted_right_where_the_largest_error_is_largest(axis):
    """The reader opens the slice in which most is wrong and says all about it, on grids of any axes."""
    mask = REFERENCE & ~blob(SHAPE, (12, 20, 40), (3, 6, 9))
    order = np.eye(3) if axis == 0 else np.eye(3)[:, [2, 1, 0]]
    shape = SHAPE if axis == 0 else SHAPE[::-1]
    spacing = THICK if axis == 0 else THICK[::-1]
    one, other = (a if axis == 0 else np.transpose(a) for a in (mask, REFERENCE))
    mark = SimulatedUser("slice").mark(one, other, grid(shape[::-1], spacing, order))
    assert mark.kind == "slice" and mark.box.size_ijk[2 - axis] == 1
    missed = (other & ~one).sum(axis=tuple(a for a in range(3) if a != axis))
    assert mark.box.lower_ijk[2 - axis] == int(np.argmax(missed))
    truth = other[mark.box.slices_zyx]
    assert np.array_equal(mark.values == 1, truth) and np.array_equal(mark.values == 2, ~truth)
    outside = np.ones(other.shape, bool)
    outside[mark.box.slices_zyx] = False
    place = tuple(mark.box.lower_ijk[2 - axis] if a == axis else slice(None) for a in range(3))
    assert not (other | one)[place][outside[place]].any()
