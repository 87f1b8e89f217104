"""Corrections: they mend, are bounded, hard where the user spoke, exact to undo, and repeat."""

import numpy as np
import pytest
from refine.belly import belly, dice
from volume.random_grids import AXIS_ORDERS, rotation

from PancreasSegLib.errors import MarkError
from PancreasSegLib.refine import EXCLUDED, INCLUDED, Correction, Mark
from PancreasSegLib.refine.propagation import REACH_MM
from PancreasSegLib.volume import Box, Geometry, Volume

CENTRE = np.array([30.0, -40.0, 200.0])


def include(case, start=(12, 0, 0), end=(38, 0, 0), radius=2.0):
    points = [CENTRE + start, CENTRE + end]
    return Mark.stroke(points, case.ct.geometry, include=True, radius_mm=radius)


def exclude(case, radius=2.0):
    points = [CENTRE + np.array([14, 30, 0]), CENTRE + np.array([38, 30, 0])]
    return Mark.stroke(points, case.ct.geometry, include=False, radius_mm=radius)


@pytest.fixture(scope="module")
def case():
    return belly()


def test_two_strokes_mend_what_is_missing_and_what_is_too_many(case):
    correction = Correction(case.ct, case.mask, case.probability)
    start = dice(correction.mask, case.organ)
    grown = correction.add([include(case)])
    missing = dice(correction.mask, case.organ)
    cut = correction.add([exclude(case)])
    assert start < 0.6 and missing > start + 0.1
    assert dice(correction.mask, case.organ) > missing + 0.08
    assert grown.added_ml > 4 and grown.removed_ml == 0
    assert cut.removed_ml > 4 and cut.added_ml == 0


def test_far_more_is_mended_than_was_painted(case):
    correction = Correction(case.ct, case.mask, case.probability)
    change = correction.add([include(case)])
    painted = include(case).voxels.sum() * case.ct.geometry.voxel_volume_ml
    assert change.added_ml > 5 * painted


@pytest.mark.parametrize("number", range(0, 48, 5))
def test_the_same_marks_do_the_same_in_every_orientation(number):
    cases = [belly(direction, (1.6, 1.6, 1.6)) for direction in (np.eye(3), AXIS_ORDERS[number])]
    corrections = [Correction(case.ct, case.mask, case.probability) for case in cases]
    for case, correction in zip(cases, corrections, strict=True):
        correction.add([include(case)])
        correction.add([exclude(case)])
    plain, turned = corrections
    assert turned.mask.sum() == pytest.approx(plain.mask.sum(), rel=0.03)
    scores = [dice(c.mask, case.organ) for c, case in zip(corrections, cases, strict=True)]
    assert scores[1] == pytest.approx(scores[0], abs=0.015) and scores[0] > 0.8


def test_an_oblique_ct_with_a_probability_on_another_grid_is_corrected(case):
    oblique = belly(rotation((0.2, -0.15, 0.3)), spacing=(0.9, 0.9, 4.0))
    correction = Correction(oblique.ct, oblique.mask, case.probability)
    correction.add([include(oblique)])
    correction.add([exclude(oblique)])
    assert dice(correction.mask, oblique.organ) > dice(oblique.mask, oblique.organ) + 0.2


def test_a_mask_without_a_probability_and_no_mask_at_all_can_be_corrected(case):
    correction = Correction(case.ct, case.mask)
    correction.add([include(case)])
    correction.add([exclude(case)])
    assert dice(correction.mask, case.organ) > dice(case.mask, case.organ) + 0.18
    empty = Correction(case.ct)
    for x in (-32, -8, 16):
        empty.add([include(case, (x, 0, 0), (x + 16, 0, 0), 3.0)])
    assert dice(empty.mask, case.organ) > 0.6


def test_nothing_changes_beyond_the_reach_and_unchanged_voxels_stay(case):
    correction = Correction(case.ct, case.mask, case.probability)
    mark = include(case)
    before = correction.mask.copy()
    change = correction.add([mark])
    changed = np.argwhere(correction.mask != before)
    allowed = mark.box.grown(REACH_MM, case.ct.geometry)
    assert (changed[:, ::-1] >= allowed.lower_ijk).all() and (changed[:, ::-1] < allowed.upper_ijk).all()
    assert np.array_equal(correction.mask[change.box.slices_zyx], change.voxels)
    outside = np.ones(before.shape, bool)
    outside[change.box.slices_zyx] = False
    assert np.array_equal(correction.mask[outside], before[outside])


def test_marks_are_hard_and_a_later_mark_overrules_an_earlier_one(case):
    correction = Correction(case.ct, case.mask, case.probability)
    # plainly wrong, but the user says so
    fat = Mark.point(
        CENTRE + np.array([0, 15, 0]), case.ct.geometry, include=True
    )  # plainly wrong, but the user says so
    correction.add([fat])
    assert correction.mask[fat.box.slices_zyx][fat.voxels].all()
    for _ in range(3):
        correction.add([exclude(case), include(case)])
    assert correction.mask[fat.box.slices_zyx][fat.voxels].all()
    correction.add([Mark("point", False, fat.box, fat.voxels)])
    assert not correction.mask[fat.box.slices_zyx][fat.voxels].any()
    assert (correction.marks[fat.box.slices_zyx][fat.voxels] == EXCLUDED).all()


def test_a_region_changes_exactly_its_voxels(case):
    correction = Correction(case.ct, case.mask, case.probability)
    before = correction.mask.copy()
    box = Box((40, 40, 20), (46, 47, 23))
    correction.add([Mark("region", True, box, np.ones((3, 7, 6), bool))])
    expected = before.copy()
    expected[box.slices_zyx] = True
    assert np.array_equal(correction.mask, expected)


def test_the_same_marks_give_the_same_mask_also_when_the_state_is_handed_over(case):
    marks = [include(case), exclude(case), include(case, (20, 0, 5), (30, 0, 5))]
    whole = Correction(case.ct, case.mask, case.probability)
    mask, map_of_marks = case.mask, None
    for mark in marks:
        whole.add([mark])
        part = Correction(case.ct, mask, case.probability, marks=map_of_marks)
        part.add([mark])
        mask, map_of_marks = part.mask.copy(), part.marks.copy()
    assert np.array_equal(whole.mask, mask) and np.array_equal(whole.marks, map_of_marks)


def test_what_the_user_changed_elsewhere_is_truth(case):
    correction = Correction(case.ct, case.mask, case.probability)
    box = Box((60, 45, 20), (70, 55, 28))
    edited = np.zeros((8, 10, 10), bool)
    edited[2:6, 3:7, 3:7] = True
    before = correction.mask[box.slices_zyx].copy()
    correction.edit(box, edited)
    changed = edited != before
    assert changed.any()
    correction.add([include(case)])
    correction.add([exclude(case)])
    assert np.array_equal(correction.mask[box.slices_zyx][changed], edited[changed])


def test_a_stroke_across_the_whole_belly_is_taken_piece_by_piece(case):
    correction = Correction(case.ct, np.zeros_like(case.mask), case.probability)
    correction.add([include(case, (-45, 0, 0), (45, 0, 0), 3.0)])
    assert dice(correction.mask, case.organ) > 0.75


def test_a_failing_method_leaves_everything_as_it_was(case):
    class Broken:
        reach_mm = 10.0

        def __call__(self, *_):
            raise MemoryError

    correction = Correction(case.ct, case.mask, case.probability, propagation=Broken())
    with pytest.raises(MemoryError):
        correction.add([include(case)])
    assert np.array_equal(correction.mask, case.mask) and not correction.marks.any()


def test_what_does_not_fit_is_refused(case):
    with pytest.raises(MarkError, match="does not fit"):
        Correction(case.ct, case.mask[:-1])
    correction = Correction(case.ct, case.mask)
    with pytest.raises(MarkError, match="Nothing is marked"):
        correction.add([])
    far = Geometry((300, 300, 300), (1.0, 1.0, 1.0))
    with pytest.raises(MarkError, match="does not lie on this CT"):
        correction.add([Mark.point([250, 250, 250], far, include=True)])


def test_floats_and_whole_numbers_of_hu_mean_the_same(case):
    as_float = Volume(case.ct.voxels.astype(np.float32), case.ct.geometry)
    results = []
    for ct in (case.ct, as_float):
        correction = Correction(ct, case.mask, case.probability)
        correction.add([include(case)])
        results.append(correction.mask.copy())
    assert np.array_equal(*results)
    assert (correction.marks == INCLUDED).any()


def spoilt_in_a_slab(case):
    """The organ, shifted by 6 mm towards the belly's front in a slab of slices: where to look, and the mask."""
    return np.roll(case.organ, 5, axis=1)


def confirmed_slice(case, mask, index):
    mended = mask.copy()
    mended[index] = case.organ[index]
    return Mark.of_slice(mended, case.ct.geometry, axis=2, index=index)


def test_a_slice_that_is_right_mends_its_neighbours_both_ways_and_nothing_far_away(case):
    mask = spoilt_in_a_slab(case)
    probability = Volume(np.where(mask, 0.8, 0.1).astype(np.float32), case.ct.geometry)
    correction = Correction(case.ct, mask, probability)
    slices = np.flatnonzero(case.organ.any(axis=(1, 2)))
    middle = int(slices[len(slices) // 2])
    before = mask.copy()
    change = correction.add([confirmed_slice(case, mask, middle)])
    assert np.array_equal(correction.mask[middle], case.organ[middle])
    for near in (middle - 1, middle + 1):
        assert dice(correction.mask[near], case.organ[near]) > dice(mask[near], case.organ[near]) + 0.1
    assert change.added_ml > 1 and change.removed_ml > 1
    reach = int(np.ceil(REACH_MM / case.ct.geometry.spacing_mm[2])) + 1
    assert np.array_equal(correction.mask[: middle - reach], before[: middle - reach])


@pytest.mark.parametrize("number", range(0, 48, 7))
def test_a_slice_does_the_same_whatever_the_order_of_the_axes(number):
    scores = []
    for direction in (np.eye(3), AXIS_ORDERS[number]):
        made = belly(direction, (1.6, 1.6, 1.6))
        across = int(np.argmax(np.abs(made.ct.geometry.matrix[2])))  # the grid's axis along the patient's
        mask = np.roll(made.organ, 4, axis=2 - int(np.argmax(np.abs(made.ct.geometry.matrix[1]))))
        inside = np.flatnonzero(made.organ.any(axis=tuple(a for a in range(3) if a != 2 - across)))
        index = int(inside[len(inside) // 2])
        mended = mask.copy()
        place = tuple(index if a == 2 - across else slice(None) for a in range(3))
        mended[place] = made.organ[place]
        correction = Correction(made.ct, mask)
        correction.add([Mark.of_slice(mended, made.ct.geometry, axis=across, index=index)])
        scores.append(dice(correction.mask, made.organ) - dice(mended, made.organ))
    assert scores[0] > 0.05 and scores[1] > 0.5 * scores[0]
