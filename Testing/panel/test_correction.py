"""Correction without Qt: strokes become steps of one segment, and nothing else changes."""

import numpy as np
import pytest
from strokes import ELSEWHERE, INSIDE, OUTSIDE, answer, edit_elsewhere, marked, now, paint, stroke, whole
from test_segment_writing import add_neighbour, expected, on_ct

from PancreasSegLib.errors import MarkError
from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.volume import Box, Geometry, Volume


def test_a_stroke_changes_the_segment_as_the_library_says(start, logic, client, grid):
    session = start(grid)
    before = now(session)
    mark = stroke(session, OUTSIDE)
    steps = []
    session.add([mark], steps.append)
    assert session.busy and session.queued == 1
    answer(logic, client)
    ct = Volume(np.array(client.last.scan.voxels), session.geometry)
    correction = Correction(ct, before, client.last.options["state"].probability)
    change = correction.add([mark])
    assert np.array_equal(now(session), correction.mask)
    assert now(session)[mark.box.slices_zyx][mark.voxels].all()
    assert not session.busy and session.queued == 0
    assert steps == [session.last] and session.last.added_ml == pytest.approx(change.added_ml)
    assert "added" in session.sentence


def test_undo_and_redo_are_exact_and_keep_other_segments(start, logic, client, grid):
    session = start(grid)
    other = add_neighbour(session.segmentation, grid, Box((20, 12, 10), (30, 30, 25)))
    untouched = on_ct(session.segmentation, other, grid)
    masks, marks = [now(session)], [marked(session)]
    for centre, include in ((OUTSIDE, True), (INSIDE, False), (ELSEWHERE, True)):
        session.add([stroke(session, centre, include)])
        answer(logic, client)
        masks.append(now(session))
        marks.append(marked(session))
    assert all((a != b).any() for a, b in zip(masks[1:], masks, strict=False))
    for mask, mark in zip(masks[-2::-1], marks[-2::-1], strict=True):
        assert session.undo()
        assert np.array_equal(now(session), mask) and np.array_equal(marked(session), mark)
    assert not session.can_undo and not session.undo()
    for mask, mark in zip(masks[1:], marks[1:], strict=True):
        assert session.redo()
        assert np.array_equal(now(session), mask) and np.array_equal(marked(session), mark)
    assert not session.redo()
    assert np.array_equal(on_ct(session.segmentation, other, grid), untouched)


def test_after_an_undo_the_worker_is_given_what_the_user_sees(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    session.undo()
    before = now(session)
    session.add([stroke(session, INSIDE, include=False)])
    state = client.last.options["state"]
    mask, marks = state.within(Box.whole(axial))
    assert np.array_equal(mask > 0, before) and not marks.any()
    assert not session.can_redo


def test_marks_are_seen_before_the_answer_and_where_they_were_made(start, grid):
    session = start(grid)
    assert session.marks_node is None
    yes, no = stroke(session, OUTSIDE), stroke(session, INSIDE, include=False)
    session.add([yes, no])
    assert np.array_equal(marked(session, "Include"), whole(yes, grid))
    assert np.array_equal(marked(session, "Exclude"), whole(no, grid))
    assert session.marks_volume().geometry.size_ijk == yes.box.union(no.box).size_ijk


def test_what_is_marked_holds_against_later_strokes(start, logic, client, axial):
    session = start(axial)
    kept = stroke(session, OUTSIDE, radius_mm=4)
    session.add([kept])
    answer(logic, client)
    session.add([stroke(session, (26, 21, 14), include=False, radius_mm=4)])
    answer(logic, client)
    assert now(session)[whole(kept, axial)].all()
    assert np.array_equal(marked(session, "Include"), whole(kept, axial))


def test_what_the_segment_editor_paints_is_a_step_without_the_worker(start, client, grid):
    session = start(grid)
    before, asked = now(session), len(client.requests)
    added, removed = stroke(session, OUTSIDE), stroke(session, INSIDE, include=False)
    paint(session, added)
    paint(session, removed)
    after = now(session)
    assert np.array_equal(after, (before | whole(added, grid)) & ~whole(removed, grid))
    assert len(client.requests) == asked
    session.undo()
    assert np.array_equal(now(session), before | whole(added, grid))
    session.undo()
    assert np.array_equal(now(session), before) and not session.can_undo
    session.redo()
    session.redo()
    assert np.array_equal(now(session), after)
    other = whole(stroke(session, ELSEWHERE), grid)
    edit_elsewhere(session, now(session) ^ other)  # nobody has told the session of it
    session.undo()
    assert np.array_equal(now(session), after)


def test_smoothing_keeps_marks_and_can_be_undone(start, logic, client, axial):
    session = start(axial)
    lonely = np.zeros(axial.shape_zyx, bool)
    lonely[14, 6, 30] = True
    edit_elsewhere(session, now(session) | lonely)
    session.clear_marks()
    thin = Mark.stroke([axial.index_to_lps((30, 18, 14))], axial, include=True, radius_mm=0.1)
    paint(session, thin)
    before = now(session)
    session.smooth(radius_mm=4.0)
    session.wait()
    assert now(session)[whole(thin, axial)].all()  # marked
    assert not now(session)[lonely].any()  # no mark speaks for it any more
    session.undo()
    assert np.array_equal(now(session), before)


def test_clearing_marks_leaves_the_segment(start, logic, client, axial):
    session = start(axial)
    for centre in (OUTSIDE, ELSEWHERE):
        session.add([stroke(session, centre)])
        answer(logic, client)
    mask, marks = now(session), marked(session)
    session.clear_marks()
    assert np.array_equal(now(session), mask) and not marked(session).any() and session.marks_volume() is None
    session.undo()
    assert np.array_equal(marked(session), marks)


def test_a_mark_that_is_none_is_refused_and_nothing_is_recorded(start, axial):
    session = start(axial)
    large = Geometry((80, 80, 80), (3.0, 3.0, 4.0))
    off = Mark.of_array(np.ones((2, 2, 2)), large, include=True, box=Box((60, 60, 60), (62, 62, 62)))
    for marks in ([], [off]):
        with pytest.raises(MarkError):
            session.add(marks)
    assert session.queued == 0 and np.array_equal(now(session), expected(axial))


def test_one_session_a_segment(start, logic):
    session = start(Geometry((40, 36, 32), (3.0, 3.0, 4.0)))
    assert logic.correct(session.segmentation) is session
    assert logic.correct(session.segmentation, session.segment_id, session.ct) is session
