"""Learning from the marks, without Qt: one step that changes segment and probability, previewed or at once."""

import numpy as np
import pytest
from lessons import as_learnt, asked, fail, given, teach
from strokes import ELSEWHERE, OUTSIDE, answer, edit_elsewhere, marked, now, paint, stroke
from test_segment_writing import add_neighbour

from PancreasSegLib.errors import MarkError, ModelPackageError
from PancreasSegLib.volume import Box, Volume
from PancreasSegLib.worker import CorrectionChange

# ---------------------------------------------------------------------- one step


def test_it_outlines_the_organ_anew_and_the_marks_stay(begun, logic, client, grid):
    session = begun(grid)
    before, kept = now(session), [marked(session), marked(session, "Exclude")]
    steps = []
    session.learn(steps.append)
    request = client.last
    assert session.busy and session.queued == 1 and session.learning.under_way and request.method == "learn"
    assert request.options["session"] == asked(client, "refine")[-1].options["session"]
    assert np.array_equal(now(session), before)
    teach(logic, client)
    after = now(session)
    assert np.array_equal(after, as_learnt(request, grid)) and (after & ~before).any() and (before & ~after).any()
    assert after[kept[0]].all() and not after[kept[1]].any()
    assert np.array_equal(marked(session), kept[0]) and np.array_equal(marked(session, "Exclude"), kept[1])
    assert steps == [session.last] and not session.busy and not session.learning.wanted
    volume_ml = grid.voxel_volume_ml
    assert session.last.added_ml == pytest.approx((after & ~before).sum() * volume_ml)
    assert session.last.removed_ml == pytest.approx((before & ~after).sum() * volume_ml)
    assert session.sentence.startswith("Learnt from the marks: ") and "mL added" in session.sentence


def test_the_worker_is_given_all_that_was_marked(begun, client, axial):
    session = begun(axial)
    paint(session, stroke(session, (30, 20, 20), radius_mm=4))
    session.learn()
    mask, marks = client.last.options["state"].within(Box.whole(axial))
    assert np.array_equal(mask > 0, now(session)) and marked(session, "Painted").any()
    assert np.array_equal(marks == 1, marked(session) | marked(session, "Painted"))
    assert np.array_equal(marks == 2, marked(session, "Exclude"))


def test_a_line_is_too_little_and_a_slice_that_is_right_is_enough(begun, client, axial, monkeypatch):
    from PancreasSegLib.adaptation.settings import enough

    session = begun(axial)
    monkeypatch.setattr("PancreasSegPanel.correction.learning.enough", enough)
    with pytest.raises(MarkError, match="Too little is marked") as refused:
        session.learn()
    assert "slice" in refused.value.hint and not asked(client) and not session.learning.wanted
    middle = int(np.argwhere(now(session)).mean(axis=0)[0])
    session.confirm_slice(2, middle)  # it waits for its turn, and counts
    session.learn()
    assert session.learning.wanted


def test_undo_is_exact_and_brings_the_former_probability_and_redo_the_learnt_one(begun, logic, client, grid):
    session = begun(grid)
    before, found = now(session), given(session, client)
    session.learn()
    assert client.last.options["state"].probability is found
    teach(logic, client)
    after, learnt_one = now(session), asked(client)[-1].result.probability
    assert given(session, client) is learnt_one
    for _ in range(2):
        assert session.undo() and np.array_equal(now(session), before)
        assert given(session, client) is found
        assert session.redo() and np.array_equal(now(session), after)
        assert given(session, client) is learnt_one


def test_later_strokes_are_corrected_with_what_was_learnt(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    teach(logic, client)
    learnt_one = asked(client)[-1].result.probability
    for centre in (ELSEWHERE, (30, 24, 20)):
        session.add([stroke(session, centre)])
        assert client.last.options["state"].probability is learnt_one  # the same object is not sent again
        answer(logic, client)
    session.undo()
    assert given(session, client) is learnt_one  # a stroke learns nothing


def test_each_learning_begins_from_the_one_before(begun, logic, client, axial):
    session = begun(axial)
    seen = [given(session, client)]
    for _ in range(3):
        session.learn()
        assert client.last.options["state"].probability is seen[-1]
        teach(logic, client)
        seen.append(asked(client)[-1].result.probability)
    for probability in seen[-2::-1]:
        assert session.undo() and given(session, client) is probability


def test_a_new_probability_is_a_step_though_no_voxel_changes(begun, logic, client, axial):
    session = begun(axial)
    before, found = now(session), given(session, client)
    probability = Volume(found.voxels * 0.5, found.geometry)
    session.learn()
    client.answer(CorrectionChange.nothing(3.0, probability), asked(client)[-1])
    logic.poll()
    assert session.sentence == "Learnt from the marks: the segment stays as it is."
    assert given(session, client) is probability and np.array_equal(now(session), before)
    assert session.undo() and given(session, client) is found
    assert session.redo() and given(session, client) is probability
    assert np.array_equal(now(session), before) and marked(session).any()


def test_the_segment_editors_own_undo_takes_it_back_too(begun, logic, client, axial):
    session = begun(axial)
    before, marks, found = now(session), marked(session), given(session, client)
    session.learn()
    teach(logic, client)
    assert (now(session) != before).any()
    edit_elsewhere(session, before)
    session.add([stroke(session, ELSEWHERE, radius_mm=3)])
    state = client.last.options["state"]
    assert state.probability is found
    assert np.array_equal(state.within(Box.whole(axial))[1] == 1, marks)  # it is not taken for painting


def test_doubtful_slices_are_those_of_what_was_learnt(begun, logic, client, axial):
    session = begun(axial)
    found = given(session, client)
    session.clear_marks()
    paint(session, stroke(session, (2, 2, 30), radius_mm=3))
    voxels = np.full(found.voxels.shape, 0.999, np.float16)
    voxels[4] = 0.5
    session.learn()
    client.answer(CorrectionChange.nothing(3.0, Volume(voxels, found.geometry)), asked(client)[-1])
    before = [place.position_ras for place in session.doubtful_slices()]
    logic.poll()
    (place,) = session.doubtful_slices()
    assert place.position_ras[2] == pytest.approx(found.geometry.index_to_lps((0, 0, 4))[2])
    session.undo()
    assert [place.position_ras for place in session.doubtful_slices()] == before != [place.position_ras]


def test_a_model_that_knows_several_organs_outlines_that_of_the_segment(begun, logic, client, axial):
    session = begun(axial)
    session.learn()
    assert client.last.options["label"] is None  # the pancreas is every model's main organ
    name = add_neighbour(session.segmentation, axial, Box((24, 14, 12), (30, 30, 25)))
    session.segmentation.GetSegmentation().GetSegment(name).SetTag("PancreasSeg.Label", "spleen")
    other = logic.correct(session.segmentation, name)
    paint(other, stroke(other, ELSEWHERE))
    other.learn()
    assert client.last.options["label"] == "spleen"


# ---------------------------------------------------------------------- what it needs


def test_nothing_marked_is_said_and_nothing_asked(start, logic, client, axial):
    session = start(axial)
    assert not session.learning.possible
    with pytest.raises(MarkError, match="Nothing is marked"):
        session.learn()
    assert not asked(client) and session.queued == 0
    session.add([stroke(session, OUTSIDE)])
    assert session.learning.possible  # it only waits
    answer(logic, client)
    session.clear_marks()
    assert not session.learning.possible
    session.confirm_slice(2, 14)
    answer(logic, client)
    assert session.learning.possible


def test_the_worker_that_finds_nothing_to_learn_is_heard_and_blocks_nothing(begun, logic, client, axial):
    session = begun(axial)
    before = now(session)
    session.learn()
    fail(logic, client, MarkError("Nothing is marked near the organ.", "Mark something there."))
    assert session.sentence.startswith("Nothing is marked near") and not session.can_retry and session.queued == 0
    assert np.array_equal(now(session), before)
    session.add([stroke(session, ELSEWHERE)])
    answer(logic, client)
    assert session.error is None and not session.busy


def test_model_and_device_are_those_of_the_moment_when_it_is_sent(begun, logic, client, axial):
    session = begun(axial)
    session.learning.model, session.learning.device = "other", "cuda:1"
    session.learn()
    assert [client.last.options[name] for name in ("model", "device")] == ["other", "cuda:1"]
    fail(logic, client, ModelPackageError("The model other cannot be read.", "Choose another one."))
    assert "The model other cannot be read." in session.sentence and session.can_retry
    session.learning.model = "default"
    session.retry()
    assert client.last.options["model"] == "default"
    teach(logic, client)
    assert session.error is None and session.last.learnt


# ---------------------------------------------------------------------- preview


def test_a_preview_is_seen_and_accepting_writes_segment_and_probability_as_one_step(begun, logic, client, axial):
    session = begun(axial)
    before, found = now(session), given(session, client)
    session.preview = True
    session.learn()
    request = client.last
    teach(logic, client)
    assert session.has_preview and np.array_equal(now(session), before)
    assert np.array_equal(marked(session, "Preview"), as_learnt(request, axial))
    session.add([stroke(session, ELSEWHERE)])
    assert client.last.options["state"].probability is request.result.probability
    answer(logic, client)
    proposed = marked(session, "Preview")
    session.accept()
    assert np.array_equal(now(session), proposed) and given(session, client) is request.result.probability
    assert session.undo() and np.array_equal(now(session), before) and given(session, client) is found
    assert session.redo() and np.array_equal(now(session), proposed)
    assert given(session, client) is request.result.probability


def test_a_rejected_preview_takes_what_was_learnt_with_it(begun, logic, client, axial):
    session = begun(axial)
    before, found, marks = now(session), given(session, client), marked(session)
    session.preview = True
    session.learn()
    teach(logic, client)
    assert given(session, client) is not found
    session.reject()
    assert np.array_equal(now(session), before) and given(session, client) is found
    assert np.array_equal(marked(session), marks) and not session.has_preview


def test_undo_within_a_preview(begun, logic, client, axial):
    session = begun(axial)
    found = given(session, client)
    session.preview = True
    session.add([stroke(session, ELSEWHERE)])
    answer(logic, client)
    stroked = marked(session, "Preview")
    session.learn()
    teach(logic, client)
    learnt_one, proposed = asked(client)[-1].result.probability, marked(session, "Preview")
    session.undo()
    assert np.array_equal(marked(session, "Preview"), stroked) and given(session, client) is found
    session.redo()
    assert np.array_equal(marked(session, "Preview"), proposed) and given(session, client) is learnt_one


def test_a_previewed_probability_alone_is_accepted_too(begun, logic, client, axial):
    session = begun(axial)
    before, found = now(session), given(session, client)
    probability = Volume(found.voxels * 0.5, found.geometry)
    session.preview = True
    session.learn()
    client.answer(CorrectionChange.nothing(3.0, probability), asked(client)[-1])
    logic.poll()
    assert session.has_preview
    session.accept()
    assert not session.has_preview and given(session, client) is probability
    assert session.undo() and given(session, client) is found and np.array_equal(now(session), before)
