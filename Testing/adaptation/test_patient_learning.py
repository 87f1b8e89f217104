"""A copy of a model learns one patient from the marks of a reader."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_model import GRID, dice, make_patient, make_segmenter, modules_of, with_confirmed_slices

from PancreasSegLib.adaptation import PatientLearner
from PancreasSegLib.adaptation.lesson import TARGETS, Lesson
from PancreasSegLib.adaptation.loss import lesson_loss, organ_log_odds
from PancreasSegLib.adaptation.settings import LearningSettings
from PancreasSegLib.errors import CancelledError, MarkError, ModelPackageError, OutOfMemoryError
from PancreasSegLib.models import Stage
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.networks.imported import TORCHSCRIPT
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.refine import Correction
from PancreasSegLib.volume import AxisMap, Geometry, Volume

QUICK = LearningSettings(steps=20, learning_rate=2e-2)
UNMARKED = [7, 9, 10, 13, 15, 16]


@pytest.fixture(scope="module")
def patient():
    return make_patient()


@pytest.fixture(scope="module")
def marked(patient):
    return with_confirmed_slices(*patient, 6, 11, 17)


def on_ct(probability: Volume, geometry: Geometry) -> np.ndarray:
    """Nearest values on the CT's grid, found by position alone."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.size_ijk), indexing="ij"), -1)
    own = np.round(probability.geometry.lps_to_index(geometry.index_to_lps(index))).astype(int)
    inside = ((own >= 0) & (own < probability.geometry.size_ijk)).all(-1)
    values = np.zeros(geometry.size_ijk)
    values[inside] = probability.voxels[tuple(own[inside][:, ::-1].T)]
    return values.transpose(2, 1, 0)


@pytest.mark.slow
def test_slices_that_nobody_marked_are_found_after_learning(patient, marked):
    ct, organ = patient
    segmenter = make_segmenter(activation="sigmoid", axes="RAS")
    learner = PatientLearner(segmenter, settings=LearningSettings(steps=40, learning_rate=1e-2))
    found = on_ct(learner.learn(ct, marked.mask, marked.marks), ct.geometry) > 0.5
    assert dice(found[UNMARKED], organ[UNMARKED]) > 0.7
    untaught = PatientLearner(segmenter, settings=LearningSettings(steps=1, learning_rate=1e-9))
    before = on_ct(untaught.learn(ct, marked.mask, marked.marks), ct.geometry) > 0.5
    assert dice(before[UNMARKED], organ[UNMARKED]) < 0.4


def test_what_was_learnt_outlines_the_organ_anew(patient):
    ct, organ = patient
    correction = with_confirmed_slices(ct, organ, 6, 11, 17)
    mask, marks = correction.mask.copy(), correction.marks.copy()
    probability = PatientLearner(make_segmenter(), settings=QUICK).learn(ct, mask, marks)
    change = correction.outline_anew(probability)
    after = correction.mask.copy()
    assert dice(after, organ) > dice(mask, organ) + 0.15
    assert change.added_ml > 1 and change.removed_ml == 0
    assert (after[marks == 1]).all() and not (after[marks == 2]).any()
    assert (correction.marks == marks).all() and correction.probability is probability


def test_the_model_itself_stays_as_it_is_and_the_same_marks_give_the_same(patient, marked):
    ct, _ = patient
    segmenter = make_segmenter(members=2)
    network = segmenter.networks["segmenter"]
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in modules_of(network)]
    learner = PatientLearner(segmenter, settings=LearningSettings(steps=3, learning_rate=1e-2))
    one, other = (learner.learn(ct, marked.mask, marked.marks) for _ in range(2))
    np.testing.assert_array_equal(one.voxels, other.voxels)
    for member, state in zip(modules_of(network), before, strict=True):
        assert all(torch.equal(value, state[key]) for key, value in member.state_dict().items())
    assert one.voxels.dtype == np.float16 and one.voxels.min() >= 0 and one.voxels.max() <= 1


def test_statistics_of_batches_are_not_learnt(patient, marked):
    """One patient is no batch: a network with batch normalisation keeps what it learnt of many."""
    ct, _ = patient
    segmenter = make_segmenter(norm="batch")
    taught = []
    member = segmenter.trainable().members[0]
    changed = member.changed
    member.changed = lambda change: taught.append(changed(change)) or taught[-1]
    PatientLearner(segmenter, settings=LearningSettings(steps=2)).learn(ct, marked.mask, marked.marks)
    means = {k: v for k, v in taught[0].network.state_dict().items() if k.endswith("running_mean")}
    assert means and not any(value.any() for value in means.values())


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)])
def test_the_order_of_the_cts_axes_does_not_matter(patient, marked, order):
    ct, _ = patient
    settings = LearningSettings(steps=2, learning_rate=1e-2)
    wanted = PatientLearner(make_segmenter(), settings=settings).learn(ct, marked.mask, marked.marks)
    axes = AxisMap(tuple(order), (True, False, True), AxisMap.to_canonical(ct.geometry).source, ct.geometry)
    matrix = np.asarray(ct.geometry.direction_lps).reshape(3, 3)
    turned, origin = matrix[:, list(order)] * [-1, 1, -1], [0, 0, 0]
    for axis, flipped in zip(order, (True, False, True), strict=True):
        origin[axis] = ct.geometry.size_ijk[axis] - 1 if flipped else 0
    grid = Geometry(
        tuple(ct.geometry.size_ijk[a] for a in order),
        tuple(ct.geometry.spacing_mm[a] for a in order),
        tuple(ct.geometry.index_to_lps(origin)),
        tuple(turned.ravel()),
    )

    def turn(array: np.ndarray) -> np.ndarray:
        moved = array.transpose(*(2 - a for a in order[::-1]))
        return np.ascontiguousarray(moved[::-1, :, ::-1])

    assert axes.order == order
    learner = PatientLearner(make_segmenter(), settings=settings)
    found = learner.learn(Volume(turn(ct.voxels), grid), turn(marked.mask), turn(marked.marks))
    assert found.geometry.matches(wanted.geometry)
    np.testing.assert_allclose(found.voxels, wanted.voxels, atol=2e-3)


def test_a_large_lesson_is_shown_in_windows_around_the_marks(patient, marked, monkeypatch):
    ct, _ = patient
    segmenter = make_segmenter(patch_ijk=(24, 24, 12))
    seen = []
    forward = type(modules_of(segmenter.networks["segmenter"])[0]).forward
    monkeypatch.setattr(
        type(modules_of(segmenter.networks["segmenter"])[0]),
        "forward",
        lambda self, x: (torch.is_grad_enabled() and seen.append(tuple(x.shape[2:]))) or forward(self, x),
    )
    PatientLearner(segmenter, settings=LearningSettings(steps=4)).learn(ct, marked.mask, marked.marks)
    assert seen.count((12, 24, 24)) == 4


def test_a_network_of_one_size_sees_nothing_else(patient, marked, monkeypatch):
    ct, _ = patient
    segmenter = make_segmenter()
    seen = []
    kind = type(modules_of(segmenter.networks["segmenter"])[0])
    forward = kind.forward
    monkeypatch.setattr(Stage, "keeps_patch", True)
    monkeypatch.setattr(
        kind,
        "forward",
        lambda self, x: (torch.is_grad_enabled() and seen.append(tuple(x.shape[2:]))) or forward(self, x),
    )
    PatientLearner(segmenter, settings=LearningSettings(steps=3)).learn(ct, marked.mask, marked.marks)
    assert seen == [(20, 32, 32)] * 3


def test_progress_is_true_and_ends(patient, marked):
    ct, _ = patient
    events = []
    learner = PatientLearner(make_segmenter(), settings=LearningSettings(steps=4))
    learner.learn(ct, marked.mask, marked.marks, progress=events.append)
    fractions = [event.fraction for event in events]
    assert events[0].stage == "learn" and events[-1].stage == "segment"
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_cancel_is_obeyed_between_steps_and_the_model_works_on(patient, marked):
    ct, _ = patient
    token, steps = CancelToken(), []

    def stop(event) -> None:
        steps.append(event)
        token.cancel()

    learner = PatientLearner(make_segmenter(), settings=LearningSettings(steps=500))
    with pytest.raises(CancelledError):
        learner.learn(ct, marked.mask, marked.marks, progress=stop, cancel=token)
    assert len(steps) == 1
    learner.settings = LearningSettings(steps=1)
    learner.learn(ct, marked.mask, marked.marks)


def test_too_little_memory_is_a_sentence(patient, marked, monkeypatch):
    ct, _ = patient

    def full(logits, lesson, weight):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("PancreasSegLib.adaptation.patient_learner.lesson_loss", full)
    with pytest.raises(OutOfMemoryError, match="does not suffice to learn") as refused:
        PatientLearner(make_segmenter()).learn(ct, marked.mask, marked.marks)
    assert "CPU" in refused.value.hint


def test_refusals_say_what_to_do(patient, marked):
    ct, _ = patient
    learner = PatientLearner(make_segmenter())
    stroke = np.zeros_like(marked.marks)
    stroke[11, 20:30, 25:28] = 1
    with pytest.raises(MarkError, match="Too little is marked") as refused:
        learner.learn(ct, marked.mask, stroke)
    assert "slice" in refused.value.hint
    with pytest.raises(MarkError, match="do not lie on this CT"):
        learner.learn(ct, marked.mask[1:], marked.marks)
    with pytest.raises(ModelPackageError, match="does not segment the kidney") as refused:
        PatientLearner(make_segmenter(), "kidney")
    assert "pancreas" in refused.value.hint
    frozen = make_segmenter()
    stage = frozen.networks["segmenter"].stage
    object.__setattr__(stage, "network", TORCHSCRIPT)
    with pytest.raises(ModelPackageError, match="cannot learn a patient"):
        PatientLearner(frozen)


def test_an_empty_correction_cannot_be_outlined_anew(patient):
    ct, _ = patient
    with pytest.raises(MarkError, match="nothing to outline"):
        Correction(ct).outline_anew(Volume(np.zeros((2, 2, 2), np.float16), Geometry((2, 2, 2), (1.0, 1.0, 1.0))))


def test_log_odds_are_those_of_the_activation():
    scores = torch.randn(1, 4, 2, 3, 4)
    soft = torch.softmax(scores, 1)[:, 2]
    torch.testing.assert_close(organ_log_odds(scores, 2, "softmax"), torch.logit(soft))
    torch.testing.assert_close(organ_log_odds(scores, 2, "sigmoid"), scores[:, 1])


def test_marks_count_more_than_the_mask_and_the_unknown_not_at_all():
    targets = torch.zeros(1, TARGETS, 1, 1, 4)
    targets[0, 0, 0, 0, 0] = 1  # included
    targets[0, 1, 0, 0, 1] = 1  # excluded
    targets[0, 3, 0, 0, :3] = 1  # the last voxel is beyond the picture
    logits = torch.zeros(1, 1, 1, 4, requires_grad=True)
    lesson_loss(logits, targets, 0.1).backward()
    pull = -logits.grad[0, 0, 0]
    assert pull[0] > 0.2 and pull[1] < -0.2
    assert -0.1 < pull[2] < -0.04 and pull[3] == 0


def test_a_window_holds_a_mark_and_a_moved_lesson_stays_a_lesson():
    rng = np.random.default_rng(0)
    planes = np.zeros((1 + TARGETS, 10, 12, 14), np.float32)
    planes[0] = rng.normal(0, 1, planes.shape[1:])
    planes[1, 9, 11, 13] = planes[4] = 1
    lesson = Lesson(planes, (3.0, 2.0, 2.0))
    assert lesson.window((4, 4, 4), rng).planes[1].sum() == 1
    assert lesson.window((99, 4, 99), rng).planes.shape == (5, 10, 4, 14)
    moved = lesson.moved(rng, 1.0).planes
    assert moved.shape == planes.shape and moved[0].min() >= planes[0].min() - 1e-4
    assert moved[1:].min() >= 0 and moved[1:].max() <= 1.0001 and moved[4].min() == 0
    assert lesson.on(NetworkAxes("RAS")).shape == (5, 14, 12, 10)


def test_the_grid_reaches_around_mask_and_marks(patient, marked):
    ct, _ = patient
    learner = PatientLearner(make_segmenter(), settings=LearningSettings(steps=1, margin_mm=6.0))
    found = learner.learn(ct, np.zeros_like(marked.mask), marked.marks)
    corners = np.argwhere(marked.marks)[:, ::-1]
    own = found.geometry.lps_to_index(GRID.index_to_lps(corners))
    assert (own >= 0).all() and (own <= np.asarray(found.geometry.size_ijk) - 1).all()
