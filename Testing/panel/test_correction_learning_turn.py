"""Learning takes its turn among the strokes; it is given up, fails and is asked again, and ends with the scene."""

import gc
import weakref

import numpy as np
import pytest
from lessons import as_learnt, asked, fail, given, teach
from strokes import ELSEWHERE, OUTSIDE, answer, complete, marked, now, paint, stroke, whole
from test_patient_axes import move
from test_segment_writing import add_neighbour, expected, on_ct, segment

from PancreasSegLib.errors import ModelPackageError, WorkerError
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.volume import Box

STOPPED = WorkerError("The worker stopped unexpectedly (killed).")


def figures_told(logic):
    """Wait for the figures, which another thread measures and which are told as well."""
    while logic.jobs.background.open:
        logic.turn()


# ---------------------------------------------------------------------- among the strokes


def test_it_waits_for_the_strokes_before_it_and_those_behind_it_follow(begun, logic, client, axial):
    session = begun(axial)
    first, later = stroke(session, ELSEWHERE), stroke(session, (30, 24, 20))
    session.add([first])
    session.learn()
    assert session.queued == 2 and not asked(client) and session.learning.wanted and not session.learning.under_way
    answer(logic, client)
    request = client.last
    assert request.method == "learn" and session.learning.under_way
    assert (request.options["state"].within(first.box)[1][first.voxels] == 1).all()
    session.add([later])
    assert client.last is request and session.queued == 2 and marked(session)[whole(later, axial)].all()
    teach(logic, client)
    after = now(session)
    assert np.array_equal(after, as_learnt(request, axial))
    assert client.last.method == "refine" and client.last.options["marks"] == (later,)
    assert client.last.options["state"].probability is request.result.probability
    answer(logic, client)
    assert now(session)[whole(later, axial)].all() and session.queued == 0
    session.undo()
    assert np.array_equal(now(session), after)


def test_strokes_that_wait_for_update_are_applied_before_it(begun, client, axial, logic):
    session = begun(axial)
    session.auto_update = False
    mark = stroke(session, ELSEWHERE)
    session.add([mark])
    session.learn()
    assert client.last.method == "refine" and client.last.options["marks"] == (mark,)
    answer(logic, client)
    assert client.last.method == "learn"


def test_what_was_painted_meanwhile_stays(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    painted, erased = stroke(session, (34, 30, 3), radius_mm=4), stroke(session, (12, 18, 12), False, 4)
    paint(session, painted)
    gone = whole(erased, axial) & now(session)
    paint(session, erased)
    assert now(session)[whole(painted, axial)].all()
    teach(logic, client)
    assert now(session)[whole(painted, axial)].all() and gone.any() and not now(session)[gone].any()
    assert session.last.learnt and session.last.added_ml > 0


def test_a_locked_neighbour_survives(begun, logic, client, axial):
    session = begun(axial)
    box = Box((21, 12, 11), (24, 22, 18))  # beside the segment, where the new outline goes
    other = add_neighbour(session.segmentation, axial, box)
    complete(session.segmentation, other)
    vein = on_ct(session.segmentation, other, axial)
    session.learn()
    request = client.last
    teach(logic, client)
    assert (as_learnt(request, axial) & vein).any()
    assert np.array_equal(on_ct(session.segmentation, other, axial), vein) and not (now(session) & vein).any()
    assert "protected by" in session.sentence


def test_another_segment_keeps_its_probability(begun, logic, client, axial):
    session = begun(axial)
    name = add_neighbour(session.segmentation, axial, Box((24, 14, 12), (30, 30, 25)))
    session.learn()
    teach(logic, client)
    other = logic.correct(session.segmentation, name)
    other.add([stroke(other, ELSEWHERE)])
    assert client.last.options["state"].probability is None


# ---------------------------------------------------------------------- progress, giving up, failing


def test_progress_is_kept_and_told(begun, logic, client, axial):
    session = begun(axial)
    figures_told(logic)
    session.learn()
    heard = []
    session.on_change.append(lambda: heard.append(session.learning.progress))
    events = [ProgressEvent("load", 0.1), ProgressEvent("learn", 0.4, 5.0)]
    for event in events:
        client.progress(event, asked(client)[-1])
        logic.poll()
    assert heard == events
    fail(logic, client, STOPPED)  # asked again by itself, from the beginning
    assert session.learning.under_way and session.learning.progress is None


def test_cancelled_it_leaves_all_as_it_was_and_the_strokes_behind_it_go_on(begun, logic, client, axial):
    session = begun(axial)
    before, marks, found = now(session), marked(session), given(session, client)
    session.learn()
    request = client.last
    later = stroke(session, ELSEWHERE)
    session.add([later])
    session.cancel_learning()
    assert client.cancelled == [request] and "cancelled" in session.sentence
    assert client.last.method == "refine" and client.last.options["state"].probability is found
    client.teach(request)  # too late
    logic.poll()
    assert np.array_equal(now(session), before) and session.error is None
    answer(logic, client)
    assert now(session)[whole(later, axial)].all() and session.queued == 0
    session.undo()
    assert np.array_equal(now(session), before) and np.array_equal(marked(session), marks)
    assert given(session, client) is found
    session.learn()
    teach(logic, client)
    assert session.last.learnt


def test_cancelled_while_it_waits_it_is_never_asked(begun, logic, client, axial):
    session = begun(axial)
    session.add([stroke(session, ELSEWHERE)])
    session.learn()
    session.cancel_learning()
    answer(logic, client)
    assert session.queued == 0 and not asked(client) and not client.cancelled
    session.cancel_learning()  # there is nothing to cancel
    assert "cancelled" not in session.sentence


def test_undo_gives_it_up_as_well(begun, logic, client, axial):
    session = begun(axial)
    before = now(session)
    session.learn()
    request = client.last
    assert session.undo() and client.cancelled == [request] and not session.busy
    assert np.array_equal(now(session), before) and session.can_undo
    assert session.redo() and client.last.method == "learn" and client.last is not request


def test_a_stroke_that_is_taken_back_is_not_cancelled_in_the_worker(begun, client, axial):
    session = begun(axial)
    session.add([stroke(session, ELSEWHERE)])
    session.undo()
    assert not client.cancelled


def test_a_dead_worker_leaves_it_recorded_and_a_retry_asks_again(begun, logic, client, axial):
    session = begun(axial)
    before = now(session)
    session.learn()
    fail(logic, client, STOPPED)
    assert len(asked(client)) == 2 and session.error is None  # by itself, once
    fail(logic, client, STOPPED)
    assert session.can_retry and session.queued == 1 and "stopped unexpectedly" in session.sentence
    assert session.learning.wanted and not session.learning.under_way and not session.busy
    later = stroke(session, ELSEWHERE)
    session.add([later])
    assert len(asked(client)) == 2 and np.array_equal(now(session), before)
    with pytest.raises(WorkerError):
        session.wait()
    session.retry()
    teach(logic, client)
    answer(logic, client)
    assert session.error is None and session.queued == 0 and now(session)[whole(later, axial)].all()


def test_a_failed_one_can_be_given_up_and_the_strokes_behind_it_go_on(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    later = stroke(session, ELSEWHERE)
    session.add([later])
    fail(logic, client, ModelPackageError("The model is broken."))
    assert session.can_retry and session.queued == 2
    session.cancel_learning()
    assert session.error is None and not session.can_retry and client.last.options["marks"] == (later,)
    answer(logic, client)
    assert now(session)[whole(later, axial)].all() and session.queued == 0


def test_giving_it_up_behind_a_failed_stroke_keeps_that_one(begun, logic, client, axial):
    session = begun(axial)
    session.add([stroke(session, ELSEWHERE)])
    session.learn()
    for _ in range(2):
        fail(logic, client, STOPPED)
    session.cancel_learning()
    assert session.can_retry and session.queued == 1 and session.error is STOPPED
    session.retry()
    answer(logic, client)
    assert session.queued == 0 and not asked(client)


def test_a_fault_while_writing_keeps_it(begun, logic, client, axial, monkeypatch):
    import PancreasSegPanel.scene.corrected_segment as module

    session = begun(axial)
    before, found = now(session), given(session, client)

    def broken(*_arguments):
        raise ValueError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_segment", broken)
        session.learn()
        teach(logic, client)
    assert session.can_retry and session.queued == 1 and np.array_equal(now(session), before)
    session.retry()
    assert client.last.options["state"].probability is found
    teach(logic, client)
    assert session.last.learnt and (now(session) != before).any()


# ---------------------------------------------------------------------- the scene


def test_segmenting_anew_gives_it_up_and_forgets_what_was_learnt(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    teach(logic, client)
    session.learn()
    request = client.last
    segment(logic, client, session.ct, session.segmentation)
    assert client.cancelled == [request] and session.queued == 0 and np.array_equal(now(session), expected(axial))
    session.add([stroke(session, OUTSIDE)])
    assert client.last.options["state"].probability is asked(client, "segment")[-1].result.probability["pancreas"]


def test_a_scene_that_is_closed_cancels_it(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    request = client.last
    logic.scene_closing()
    assert request in client.cancelled and session.ended
    client.teach(request)
    logic.poll()
    assert not logic.pending


def test_what_was_learnt_is_moved_with_the_ct(begun, logic, client, scene, axial):
    session = begun(axial)
    session.learn()
    teach(logic, client)
    learnt_one, after = asked(client)[-1].result.probability, now(session)
    move(scene, session.ct, (7.0, -5.0, 12.0))
    parent = session.ct.GetParentTransformNode()
    for node in (session.segmentation, session.marks_node):
        node.SetAndObserveTransformNodeID(parent.GetID())
    there = given(session, client)
    assert there.voxels is learnt_one.voxels and given(session, client) is there
    first, then = session.geometry, learnt_one.geometry
    shift = np.subtract(first.origin_lps, axial.origin_lps)
    assert np.abs(shift).max() > 5 and np.allclose(np.subtract(there.geometry.origin_lps, then.origin_lps), shift)
    for node in (session.ct, session.segmentation, session.marks_node):
        node.SetAndObserveTransformNodeID(None)
    assert given(session, client) is learnt_one and np.array_equal(now(session), after)


def test_what_is_forgotten_leaves_the_memory(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    teach(logic, client)
    kept = weakref.ref(asked(client)[-1].result.probability)
    client.requests.clear()
    gc.collect()
    assert kept() is not None
    session.undo()
    paint(session, stroke(session, ELSEWHERE))
    figures_told(logic)  # of the state that was
    gc.collect()
    assert kept() is None


def test_a_script_waits_for_it(scene, client, add_ct, axial):
    from PancreasSegPanel.logic import PanelLogic

    def work():
        for request in [*asked(client, "refine"), *asked(client)]:
            if not request.done:
                client.correct(request) if request.method == "refine" else client.teach(request)

    logic = PanelLogic(lambda: client, work)
    session = logic.correct(segment(logic, client, add_ct(axial)).segmentation)
    session.add([stroke(session, OUTSIDE)])
    session.learn()
    assert session.wait() is session.last and session.last.learnt and not session.busy
