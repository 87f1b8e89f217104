"""A confirmed slice, without Qt: the slices beside it follow, and only what was seen counts."""

import numpy as np
import pytest
from strokes import answer, complete, edit_elsewhere, marked, now, paint, stroke
from test_segment_writing import add_neighbour, on_ct

from PancreasSegLib.errors import MarkError, WorkerError
from PancreasSegLib.refine import EXCLUDED, Correction, Mark
from PancreasSegLib.volume import Box, Volume
from PancreasSegPanel.scene.ct_node import voxels_of

ORGAN = Box((10, 10, 8), (24, 26, 24))
K = 16


def organ(geometry, box=ORGAN):
    """What is true: an ellipsoid."""
    z, y, x = np.indices(geometry.shape_zyx)
    middle, half = np.add(box.lower_ijk, box.upper_ijk) / 2 - 0.5, np.asarray(box.size_ijk) / 2
    return sum(((a - m) / h) ** 2 for a, m, h in zip((x, y, z), middle, half, strict=True)) <= 1


def dice(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


@pytest.fixture
def spoilt(start):
    """Begin to correct a segment whose right part is missing, with too much on its left, on a CT that shows it."""

    def begin(geometry):
        session = start(geometry)
        truth = organ(geometry)
        voxels = voxels_of(session.ct)
        voxels[:] = np.where(truth, 110, -80)
        wrong = truth.copy()
        wrong[:, :, 18:] = False
        wrong[ORGAN.lower_ijk[2] : ORGAN.upper_ijk[2], 14:20, 5:12] = True
        edit_elsewhere(session, wrong)
        session._segment.restart()  # the segment as some model left it
        session._probability._network = lambda: None
        return session, truth

    return begin


def disc(session, centre_ijk, include=True, radius_mm=6.0):
    """A dab of the brush in one slice of the CT."""
    grid = session.geometry
    return Mark.stroke(
        [grid.index_to_lps(centre_ijk)],
        grid,
        include=include,
        radius_mm=radius_mm,
        normal_lps=grid.matrix[:, 2],
    )


def mend(session, truth, k=K):
    """Paint and erase in one slice until it is right."""
    wrong = now(session)
    flat = np.zeros_like(truth)
    flat[k] = True
    for include, voxels in ((True, truth & ~wrong & flat), (False, wrong & ~truth & flat)):
        if voxels.any():
            paint(session, Mark.of_array(voxels, session.geometry, include=include))


def test_the_slices_beside_it_follow_both_ways_and_one_undo_brings_all_back(spoilt, logic, client, grid):
    session, truth = spoilt(grid)
    mend(session, truth)
    before = now(session)
    session.confirm_slice(2, K)
    assert session.busy and session.queued == 1
    answer(logic, client)
    after = now(session)
    assert np.array_equal(after[K], before[K])
    assert (after & ~before).any() and (before & ~after).any()
    assert dice(after, truth) > dice(before, truth) + 0.02
    volume_ml = grid.voxel_volume_ml
    assert session.last.added_ml == pytest.approx((after & ~before).sum() * volume_ml)
    assert session.last.removed_ml == pytest.approx((before & ~after).sum() * volume_ml)
    assert "is confirmed; beside it: " in session.sentence
    assert session.undo()
    assert np.array_equal(now(session), before)
    assert session.redo()
    assert np.array_equal(now(session), after)


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_of_the_other_axes(spoilt, logic, client, axial, axis):
    session, _ = spoilt(axial)
    before = now(session)
    session.confirm_slice(axis, (16, 18)[axis])
    answer(logic, client)
    (mark,) = client.last.options["marks"]
    assert mark.box.size_ijk[axis] == 1 and mark.kind == "slice"
    assert np.array_equal(now(session)[mark.box.slices_zyx], before[mark.box.slices_zyx])


def test_what_it_says_is_kept_and_shown_as_an_outline_of_the_organ(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    scribble = stroke(session, (14, 18, K), radius_mm=4)
    session.add([scribble])
    answer(logic, client)
    scribbled = marked(session)
    mend(session, truth)
    seen = now(session)
    session.confirm_slice(2, K)
    for _ in ("while it waits", "when it was answered"):
        assert np.array_equal(marked(session, "Slices")[K], seen[K])
        assert not marked(session, "Slices")[np.arange(axial.size_ijk[2]) != K].any()
        assert np.array_equal(marked(session), scribbled) and not marked(session, "Exclude").any()
        if session.busy:
            answer(logic, client)
    marks = session.marks_volume()
    whole = np.zeros(axial.shape_zyx, np.uint8)
    first = np.round(axial.lps_to_index(marks.geometry.origin_lps)).astype(int)
    whole[tuple(slice(a, a + n) for a, n in zip(first[::-1], marks.voxels.shape, strict=True))] = marks.voxels
    (mark,) = client.last.options["marks"]
    assert np.array_equal(whole[mark.box.slices_zyx], mark.values) and EXCLUDED in mark.values
    display = session.marks_node.GetDisplayNode()
    assert display.GetSegmentOpacity2DFill("Slices") == 0 and not display.GetSegmentVisibility("Erased")


def test_a_later_mark_elsewhere_never_takes_it_back(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    mend(session, truth)
    session.confirm_slice(2, K)
    answer(logic, client)
    for k, include in ((K + 1, False), (K - 1, True)):
        session.add([disc(session, (14, 18, k), include)])
        answer(logic, client)
        assert np.array_equal(now(session)[K], truth[K])


def test_marks_are_read_again_from_the_scene(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    session.add([stroke(session, (14, 18, K), radius_mm=4)])
    answer(logic, client)
    mend(session, truth)
    session.confirm_slice(2, K)
    answer(logic, client)
    node, state = session.marks_node, session._segment.state
    box, marks = session._marks_node.read(axial)
    assert np.array_equal(marks, state.within(box)[1])
    node.GetSegmentation().RemoveSegment("Slices")  # a scene of an earlier version
    box, marks = session._marks_node.read(axial)
    assert np.array_equal(marks & 3, state.within(box)[1] & 3)
    session.confirm_slice(2, K + 1)
    assert marked(session, "Slices").any()


def test_a_locked_neighbour_survives(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    mend(session, truth)
    other = add_neighbour(session.segmentation, axial, Box((20, 12, K + 1), (23, 22, K + 3)))
    complete(session.segmentation, other)
    vein = on_ct(session.segmentation, other, axial)
    session.confirm_slice(2, K)
    answer(logic, client)
    assert np.array_equal(on_ct(session.segmentation, other, axial), vein)
    assert not (now(session) & vein).any() and "protected by" in session.sentence


def test_with_preview_it_is_shown_first(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    mend(session, truth)
    before = now(session)
    session.preview = True
    session.confirm_slice(2, K)
    answer(logic, client)
    assert session.has_preview and np.array_equal(now(session), before)
    shown = marked(session, "Preview")
    other = int(np.flatnonzero((shown != before).any(axis=(1, 2)))[0])
    with pytest.raises(MarkError, match="preview changes"):
        session.confirm_slice(2, other)
    session.confirm_slice(2, K)  # the same in both
    answer(logic, client)
    session.reject()
    assert np.array_equal(now(session), before) and not marked(session, "Slices").any()


def test_a_slice_that_a_stroke_before_it_changes_is_not_taken(spoilt, logic, client, axial):
    session, _ = spoilt(axial)
    session.add([disc(session, (20, 18, K + 1))])
    session.confirm_slice(2, K)  # nothing was drawn in it, but the stroke beside it will spread
    assert len(client.requests) and session.queued == 2
    seen = now(session)
    answer(logic, client)
    assert (now(session)[K] != seen[K]).any()
    assert session.queued == 0 and not session.busy and "has changed since" in session.sentence
    assert not session.can_retry and not marked(session, "Slices").any()
    with pytest.raises(MarkError, match="has changed since"):
        session.wait()
    session.confirm_slice(2, K)  # now it was looked at
    answer(logic, client)
    assert marked(session, "Slices").any() and session.error is None


def test_it_waits_for_a_stroke_elsewhere(spoilt, logic, client, axial):
    session, _ = spoilt(axial)
    session.add([stroke(session, (34, 30, 3), radius_mm=4)])
    session.confirm_slice(2, K)
    seen = now(session)
    for _ in range(2):
        answer(logic, client)
    assert session.queued == 0 and np.array_equal(marked(session, "Slices")[K], seen[K])
    assert np.array_equal(now(session)[K], seen[K])


def test_a_slice_edited_by_hand_while_it_waits_is_not_taken(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    session.add([stroke(session, (34, 30, 3), radius_mm=4)])
    session.confirm_slice(2, K)
    edited = now(session)
    edited[K] = truth[K]
    edit_elsewhere(session, edited)
    answer(logic, client)
    assert "has changed since" in session.sentence and session.queued == 0
    assert now(session)[K][truth[K]].all()


def test_a_slice_with_a_stroke_in_it_that_waits_is_refused(spoilt, logic, client, axial):
    session, _ = spoilt(axial)
    session.auto_update = False
    session.add([stroke(session, (21, 18, K), radius_mm=4)])
    with pytest.raises(MarkError, match="not in the segment yet"):
        session.confirm_slice(2, K)
    assert session.queued == 1
    session.confirm_slice(2, K + 4)
    session.apply()
    answer(logic, client)
    assert session.queued == 0 and len(client.last.options["marks"]) == 2
    assert session.undo() and not session.can_undo  # one step


def test_a_changed_slice_that_waits_for_update_takes_no_stroke_with_it(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    session.auto_update = False
    session.confirm_slice(2, K)
    mend(session, truth)
    session.confirm_slice(2, K)  # the newer word
    mark = stroke(session, (34, 30, 3), radius_mm=4)
    session.add([mark])
    session.apply()
    answer(logic, client)
    assert [m.kind for m in client.last.options["marks"]] == ["slice", "scribble"]
    assert "has changed since" in session.sentence  # the first one
    assert now(session)[mark.box.slices_zyx][mark.voxels].all() and np.array_equal(now(session)[K], truth[K])


def test_what_was_edited_in_the_segment_editor_is_what_is_confirmed(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    edited = now(session)
    edited[K] = truth[K]
    edit_elsewhere(session, edited)
    session.confirm_slice(2, K)
    (mark,) = client.last.options["marks"]
    assert np.array_equal(mark.voxels, truth[mark.box.slices_zyx])
    answer(logic, client)
    assert session.undo() and np.array_equal(now(session), edited)


def test_a_dead_worker_loses_no_slice(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    mend(session, truth)
    before = now(session)
    session.confirm_slice(2, K)
    for _ in range(2):
        client.fail(WorkerError("The worker stopped unexpectedly (killed)."))
        logic.poll()
    assert session.can_retry and session.queued == 1 and np.array_equal(now(session), before)
    assert np.array_equal(marked(session, "Slices")[K], truth[K])
    session.retry()
    answer(logic, client)
    asked, scan = client.last.options, client.last.scan
    known = asked["state"].within(Box.whole(axial))[1]
    twin = Correction(Volume(np.array(scan.voxels), scan.geometry), before, marks=known)
    twin.add(asked["marks"])
    assert np.array_equal(now(session), twin.mask)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [((2, -1), "beside the CT"), ((2, 32), "beside the CT"), ((0, 400), "beside the CT"), ((2, 1), "no organ")],
)
def test_slices_that_say_nothing(spoilt, axial, place, sentence):
    session, _ = spoilt(axial)
    with pytest.raises(MarkError, match=sentence):
        session.confirm_slice(*place)
    assert session.queued == 0 and not session.can_undo


def test_a_slice_beyond_the_end_of_the_organ_says_that_there_is_none(spoilt, logic, client, axial):
    session, truth = spoilt(axial)
    k = ORGAN.upper_ijk[2]
    assert not truth[k].any() and truth[k - 1].any()
    session.confirm_slice(2, k)
    answer(logic, client)
    (mark,) = client.last.options["marks"]
    assert not mark.voxels.any() and (mark.values == EXCLUDED).all() and not now(session)[k].any()
