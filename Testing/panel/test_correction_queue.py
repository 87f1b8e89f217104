"""Strokes on their way: waiting, previewed, taken back, and a worker that dies with them."""

import numpy as np
import pytest
from strokes import ELSEWHERE, INSIDE, OUTSIDE, answer, edit_elsewhere, marked, now, paint, stroke, whole
from test_segment_writing import expected

from PancreasSegLib.errors import MarkError, OutOfMemoryError, WorkerError
from PancreasSegLib.refine import Correction
from PancreasSegLib.volume import Box, Volume


def asked(client):
    return [request for request in client.requests if request.method == "refine"]


def by_the_library(session, scan, groups, probability):
    """The mask after groups of marks."""
    correction = Correction(Volume(np.array(scan.voxels), scan.geometry), expected(scan.geometry), probability)
    for marks in groups:
        correction.add(marks)
    return correction.mask


def test_strokes_wait_for_the_button_and_become_one_step(start, logic, client, axial):
    session = start(axial)
    before = now(session)
    session.auto_update = False
    marks = [stroke(session, OUTSIDE), stroke(session, INSIDE, include=False)]
    seen = []
    for mark in marks:
        session.add([mark], seen.append)
    assert not asked(client) and session.queued == 2 and not session.busy
    assert np.array_equal(marked(session), whole(marks[0], axial))
    session.apply()
    assert len(asked(client)) == 1 and session.busy
    answer(logic, client)
    state = client.last.options["state"]
    assert np.array_equal(now(session), by_the_library(session, client.last.scan, [marks], state.probability))
    assert len(seen) == 2 and seen[0] is seen[1] is session.last
    session.undo()
    assert np.array_equal(now(session), before) and not session.can_undo


def test_a_waiting_stroke_can_be_taken_back_and_brought_back(start, client, axial):
    session = start(axial)
    session.auto_update = False
    session.add([stroke(session, OUTSIDE)])
    session.add([stroke(session, ELSEWHERE)])
    both = marked(session)
    assert session.undo() and session.queued == 1
    assert np.array_equal(marked(session), whole(stroke(session, OUTSIDE), axial))
    assert session.redo() and np.array_equal(marked(session), both)
    session.undo()
    session.add([stroke(session, INSIDE)])
    assert not session.can_redo and session.queued == 2 and not asked(client)


def test_strokes_made_while_one_is_computed_follow_in_order(start, logic, client, axial):
    session = start(axial)
    marks = [stroke(session, OUTSIDE), stroke(session, INSIDE, include=False), stroke(session, ELSEWHERE)]
    for mark in marks:
        session.add([mark])
    assert len(asked(client)) == 1 and session.queued == 3
    for _ in marks:
        assert session.busy
        answer(logic, client)
    state = asked(client)[0].options["state"]
    groups = [[mark] for mark in marks]
    assert np.array_equal(now(session), by_the_library(session, client.last.scan, groups, state.probability))
    assert not session.busy
    for _ in marks:
        session.undo()
    assert np.array_equal(now(session), expected(axial)) and not marked(session).any()


def test_a_stroke_taken_back_while_it_is_computed_changes_nothing(start, logic, client, axial):
    session = start(axial)
    before = now(session)
    session.add([stroke(session, OUTSIDE)])
    late = client.last
    session.undo()
    assert not session.busy and not marked(session).any()
    session.add([stroke(session, INSIDE, include=False)])
    assert len(asked(client)) == 2
    client.correct(late)
    logic.poll()
    assert np.array_equal(now(session), before) and session.busy
    answer(logic, client)
    assert (before & ~now(session)).any() and not (now(session) & ~before).any()


def test_a_preview_is_seen_and_the_segment_stays(start, logic, client, axial):
    session = start(axial)
    before = now(session)
    session.preview = True
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    session.add([stroke(session, INSIDE, include=False)])
    answer(logic, client)
    assert session.has_preview and np.array_equal(now(session), before)
    proposed = marked(session, "Preview")
    groups = [request.options["marks"] for request in asked(client)]
    probability = client.last.options["state"].probability
    assert np.array_equal(proposed, by_the_library(session, client.last.scan, groups, probability))
    session.accept()
    assert np.array_equal(now(session), proposed)
    assert not session.has_preview and not marked(session, "Preview").any()
    session.undo()  # both strokes are one step
    assert np.array_equal(now(session), before) and not session.can_undo


def test_a_rejected_preview_goes_with_its_marks(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, ELSEWHERE)])
    answer(logic, client)
    mask, marks = now(session), marked(session)
    session.preview = True
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    session.reject()
    assert not session.has_preview and not marked(session, "Preview").any()
    assert np.array_equal(now(session), mask) and np.array_equal(marked(session), marks)
    session.undo()
    assert np.array_equal(now(session), expected(axial))


def test_undo_within_a_preview(start, logic, client, axial):
    session = start(axial)
    session.preview = True
    proposed = []
    for centre in (OUTSIDE, ELSEWHERE):
        session.add([stroke(session, centre)])
        answer(logic, client)
        proposed.append(marked(session, "Preview"))
    session.undo()
    assert np.array_equal(marked(session, "Preview"), proposed[0])
    session.redo()
    assert np.array_equal(marked(session, "Preview"), proposed[1])
    session.undo()
    session.undo()
    assert not session.has_preview and not marked(session).any()
    session.redo()
    assert session.has_preview and np.array_equal(marked(session, "Preview"), proposed[0])
    assert np.array_equal(now(session), expected(axial))


def test_painting_goes_into_segment_and_preview(start, logic, client, axial):
    session = start(axial)
    session.preview = True
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    hand = stroke(session, ELSEWHERE)
    paint(session, hand)
    assert np.array_equal(now(session), expected(axial) | whole(hand, axial))
    assert marked(session, "Preview")[whole(hand, axial)].all()
    proposed = marked(session, "Preview")
    session.accept()
    assert np.array_equal(now(session), proposed)


def test_a_dead_worker_loses_no_stroke(start, logic, client, axial):
    session = start(axial)
    marks = [stroke(session, OUTSIDE), stroke(session, INSIDE, include=False)]
    for mark in marks:
        session.add([mark])
    client.fail(WorkerError("The worker stopped unexpectedly (killed)."))
    logic.poll()
    assert len(asked(client)) == 2 and session.error is None and session.busy  # sent again by itself
    first, again = asked(client)
    assert again.options["marks"] == first.options["marks"]
    client.fail(WorkerError("The worker stopped unexpectedly (killed).", "Try again."))
    logic.poll()
    assert "stopped unexpectedly" in session.sentence and session.error is not None and not session.busy
    assert session.queued == 2 and np.array_equal(now(session), expected(axial))
    assert np.array_equal(marked(session, "Include"), whole(marks[0], axial))
    session.add([stroke(session, ELSEWHERE)])  # drawing goes on, nothing is sent
    assert len(asked(client)) == 2 and session.queued == 3
    with pytest.raises(WorkerError):
        session.wait()
    session.retry()
    for _ in range(3):
        answer(logic, client)
    assert session.error is None and session.queued == 0
    groups = [[marks[0]], [marks[1]], [stroke(session, ELSEWHERE)]]
    probability = first.options["state"].probability
    assert np.array_equal(now(session), by_the_library(session, client.last.scan, groups, probability))


def test_another_error_waits_for_a_retry(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    client.fail(OutOfMemoryError("There is not enough memory for this."))
    logic.poll()
    assert session.queued == 1 and session.error.code == "out-of-memory" and not session.busy
    assert session.undo()  # instead of trying again
    assert session.queued == 0 and session.error is None and not marked(session).any()


def test_a_mark_that_the_library_refuses_does_not_block_the_others(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)])
    session.add([stroke(session, ELSEWHERE)])
    client.fail(MarkError("A mark does not lie on this CT."))
    logic.poll()
    assert "does not lie" in session.sentence and session.busy
    answer(logic, client)
    assert session.queued == 0
    assert np.array_equal(marked(session), whole(stroke(session, ELSEWHERE), axial))


def test_a_fault_while_writing_loses_no_stroke(start, logic, client, axial, monkeypatch):
    import PancreasSegPanel.scene.corrected_segment as module

    session = start(axial)

    def broken(*_arguments):
        raise ValueError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_segment", broken)
        session.add([stroke(session, OUTSIDE)])
        answer(logic, client)
    assert session.queued == 1 and session.error is not None and np.array_equal(now(session), expected(axial))
    session.retry()
    answer(logic, client)
    assert now(session)[whole(stroke(session, OUTSIDE), axial)].all()


def test_ending_the_worker_on_purpose_keeps_the_strokes(scene, add_ct, axial):
    import fake_worker
    from test_segment_writing import segment

    from PancreasSegPanel.logic import PanelLogic

    made = []

    def make():
        made.append(fake_worker.FakeClient())
        return made[-1]

    logic = PanelLogic(make)
    ct = add_ct(axial)
    logic.jobs.ask_devices(lambda request: None)
    session = logic.correct(segment(logic, made[0], ct).segmentation)
    session.add([stroke(session, OUTSIDE)])
    logic.close()  # packages were installed
    assert session.queued == 1 and not session.ended
    session.add([stroke(session, INSIDE, include=False)])
    for _ in range(2):
        made[1].correct()
        logic.poll()
    assert session.queued == 0 and now(session)[whole(stroke(session, OUTSIDE), axial)].all()


def test_a_callback_that_fails_stops_nothing(start, logic, client, axial):
    session = start(axial)
    session.add([stroke(session, OUTSIDE)], lambda step: 1 / 0)
    answer(logic, client)
    assert session.queued == 0 and now(session)[whole(stroke(session, OUTSIDE), axial)].all()


def test_whoever_listens_hears_of_every_change(start, logic, client, axial):
    session = start(axial)
    heard = []
    session.on_change.append(lambda: heard.append((session.queued, session.busy, session.can_undo)))
    session.add([stroke(session, OUTSIDE)])
    answer(logic, client)
    assert heard[0] == (1, True, True) and heard[-1] == (0, False, True)
    session.undo()
    assert heard[-1] == (0, False, False)


def test_a_script_waits(scene, client, add_ct, axial):
    from test_segment_writing import segment

    from PancreasSegPanel.logic import PanelLogic

    logic = PanelLogic(lambda: client, lambda: [client.correct(r) for r in asked(client) if not r.done])
    session = logic.correct(segment(logic, client, add_ct(axial)).segmentation)
    session.add([stroke(session, OUTSIDE)])
    session.add([stroke(session, ELSEWHERE)])
    assert session.wait() is session.last and session.queued == 0
    edit_elsewhere(session, np.zeros(axial.shape_zyx, bool))
    session.add([stroke(session, INSIDE)])
    session.wait()
    assert now(session)[whole(stroke(session, INSIDE), axial)].all()
    assert Box.of_mask(now(session)) != Box.of_mask(expected(axial))
