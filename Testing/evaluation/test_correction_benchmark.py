"""The benchmark's loop: what is measured after each correction is what a reader would find."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from corrections import GRID, Knowing, Noting, Ruinous, plain_dice, small_start

from PancreasSegLib.errors import CancelledError, MarkError, PancreasSegError, TooLittleMarkedError
from PancreasSegLib.evaluation.correction_benchmark import benchmark_corrections, correct_case
from PancreasSegLib.evaluation.correction_method import METHODS, CorrectionMethod, PlainPainting, methods_named
from PancreasSegLib.evaluation.rim import rim_dice
from PancreasSegLib.evaluation.simulated_user import SimulatedUser
from PancreasSegLib.metrics import nsd
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Volume

USER = SimulatedUser()


def method(name, make):
    return CorrectionMethod(name, "for a test", make)


def test_a_perfect_method_needs_one_correction_and_is_then_left_alone():
    start = small_start()
    scores = correct_case(start, "knowing", Knowing(start.reference), USER, 4)
    assert [score.correction for score in scores] == [0, 1, 2, 3, 4]
    assert scores[0].dice == pytest.approx(plain_dice(start.mask, start.reference))
    assert [score.dice for score in scores[1:]] == [1.0] * 4
    assert [score.nsd_1mm for score in scores[1:]] == [1.0] * 4
    assert scores[1].seconds > 0
    assert [score.mark for score in scores] == ["", "include", "", "", ""]
    assert all(math.isnan(score.seconds) for score in (scores[0], *scores[2:]))
    assert scores[1].changed_ml == pytest.approx(
        np.count_nonzero(start.mask ^ start.reference) * GRID.voxel_volume_ml
    )
    assert scores[1].wrongly_changed_ml == 0
    assert scores[1].volume_error_ml == pytest.approx(0)
    assert scores[2].changed_ml == 0


def test_painting_gives_what_the_same_marks_give_when_painted_by_hand():
    start = small_start()
    scores = correct_case(start, "paint", PlainPainting(), USER, 6)
    mask = start.mask.copy()
    for score in scores[1:]:
        mark = USER.mark(mask, start.reference, GRID)
        mask[mark.box.slices_zyx][mark.voxels] = mark.include
        assert score.dice == pytest.approx(plain_dice(mask, start.reference))
        assert score.nsd_2mm == pytest.approx(nsd(mask, start.reference, GRID.spacing_mm, 2))
        assert score.volume_ml == pytest.approx(mask.sum() * GRID.voxel_volume_ml)
        assert score.marked_ml == pytest.approx(mark.voxels.sum() * GRID.voxel_volume_ml)
        assert score.dice_painted == score.dice_all_painted == score.dice
    assert [score.dice for score in scores] == sorted(score.dice for score in scores)


def test_a_method_that_ruins_is_measured_as_such():
    start = small_start()
    scores = correct_case(start, "ruinous", Ruinous(), USER, 1)
    mark = USER.mark(start.mask, start.reference, GRID)
    window = mark.box.grown(12.0, GRID)
    ruined, painted = start.mask.copy(), start.mask.copy()
    ruined[window.slices_zyx] = False
    for mask in (ruined, painted):
        mask[mark.box.slices_zyx][mark.voxels] = mark.include
    assert scores[1].dice == pytest.approx(plain_dice(ruined, start.reference))
    assert scores[1].dice < scores[0].dice < scores[1].dice_painted
    assert scores[1].dice_painted == pytest.approx(plain_dice(painted, start.reference))
    lost = np.count_nonzero(start.mask & start.reference & ~ruined)
    assert scores[1].wrongly_changed_ml == pytest.approx(lost * GRID.voxel_volume_ml)


def test_all_marks_painted_means_on_the_first_mask():
    """What the method destroyed does not count against its marks."""
    start = small_start()
    scores = correct_case(start, "ruinous", Ruinous(), USER, 3)
    assert scores[3].dice_all_painted > scores[0].dice
    assert scores[3].dice_painted < scores[0].dice


def test_a_method_sees_the_present_mask_and_all_marks():
    start, noting = small_start(), Noting()
    scores = correct_case(start, "noting", noting, USER, 3)
    masks, marks = zip(*noting.seen, strict=True)
    assert len(noting.seen) == 3
    for number in range(3):
        assert plain_dice(masks[number], start.reference) == pytest.approx(scores[number].dice)
    assert [np.count_nonzero(m) for m in marks] == sorted(np.count_nonzero(m) for m in marks)
    assert np.count_nonzero(marks[0]) < np.count_nonzero(marks[2])


def test_every_method_starts_from_the_same_mask_and_leaves_it_alone():
    start = small_start()
    before = start.mask.copy()
    methods = [method("ruinous", lambda _: Ruinous()), method("paint", lambda _: PlainPainting())]
    scores = benchmark_corrections([start], methods, corrections=2)
    assert (start.mask == before).all()
    first = [score for score in scores if score.correction == 0]
    assert [score.method for score in first] == ["ruinous", "paint"]
    assert first[0].dice == first[1].dice


def test_a_method_that_cannot_work_on_a_case_is_left_out():
    none = method("learned", lambda start: None)
    scores = benchmark_corrections([small_start()], [none, METHODS["paint"]], corrections=1)
    assert {score.method for score in scores} == {"paint"}


def test_the_same_input_gives_the_same_scores_but_for_the_seconds():
    def run():
        starts = [small_start("a"), small_start("b", seed=1, excess=False)]
        scores = benchmark_corrections(starts, methods_named([]), user=SimulatedUser("stroke"), corrections=1)
        return [{name: value for name, value in asdict(score).items() if name != "seconds"} for score in scores]

    first = run()
    assert len(first) == 2 * len(methods_named([])) * 2
    assert first == run()


def test_what_is_learnt_after_a_mark_outlines_the_organ_anew_and_carries_the_next_mark():
    start = small_start()
    asked = []

    def learner(ct, mask, marks):
        asked.append((mask.copy(), int(np.count_nonzero(marks))))
        return Volume(start.reference.astype(np.float16), ct.geometry)

    plain = correct_case(start, "paint", PlainPainting(), USER, 2)
    scores = correct_case(start, "learn", PlainPainting(), USER, 2, learner=learner)
    assert scores[1].dice > plain[1].dice and scores[1].dice_painted == plain[1].dice
    assert [math.isnan(score.learning_seconds) for score in scores] == [True, False, False]
    assert all(math.isnan(score.learning_seconds) for score in plain)
    assert asked[0][1] < asked[1][1]  # it learns from all marks so far
    assert plain_dice(asked[0][0], start.reference) == pytest.approx(plain[1].dice)  # after the mark was carried
    changed = np.count_nonzero(start.mask != start.reference) * GRID.voxel_volume_ml
    assert scores[1].changed_ml > 0.5 * changed > plain[1].changed_ml


def test_before_there_is_enough_to_learn_from_nothing_is_learnt_and_other_problems_are_told():
    start = small_start()

    def refusing(error):
        def learner(ct, mask, marks):
            raise error

        return learner

    plain = correct_case(start, "paint", PlainPainting(), USER, 1)
    scores = correct_case(start, "learn", PlainPainting(), USER, 1, learner=refusing(TooLittleMarkedError()))
    assert scores[1].dice == plain[1].dice and math.isnan(scores[1].learning_seconds)
    with pytest.raises(MarkError, match="elsewhere"):
        correct_case(start, "learn", PlainPainting(), USER, 1, learner=refusing(MarkError("It lies elsewhere.")))


def test_methods_that_learn_are_made_for_the_case_and_only_by_name():
    start, made = small_start(), []

    def make(case):
        made.append(case.case)
        return lambda ct, mask, marks: Volume(case.reference.astype(np.float16), ct.geometry)

    learning = CorrectionMethod("taught", "for a test", lambda _: PlainPainting(), make)
    scores = benchmark_corrections([start], [learning], corrections=1)
    assert made == [start.case] and scores[1].learning_seconds > 0
    assert "learn" not in [item.name for item in methods_named([])]
    assert [item.name for item in methods_named(["learn"])] == ["learn"]


def test_the_default_method_repairs_more_than_it_was_marked():
    scores = correct_case(small_start(), "refine", METHODS["refine"].make(small_start()), USER, 3)
    assert scores[3].dice > scores[3].dice_all_painted + 0.01


def test_a_right_mask_is_not_touched():
    start = small_start(missing=False, excess=False)
    scores = correct_case(start, "ruinous", Ruinous(), USER, 2)
    assert [score.dice for score in scores] == [1.0] * 3


def test_a_patient_without_the_organ_counts():
    start = small_start()
    start.reference[:] = False
    scores = correct_case(start, "knowing", Knowing(start.reference), USER, 1)
    assert [score.dice for score in scores] == [0.0, 1.0]
    assert scores[0].mark == "" and scores[1].mark == "exclude"


def test_a_failing_method_is_named_with_its_case():
    class Failing:
        reach_mm = 5.0

        def __call__(self, *arguments):
            raise MarkError("Something is odd.", "Do this.")

    with pytest.raises(
        PancreasSegError, match=r"failing failed at correction 1 of a\. Something is odd\. Do this\."
    ):
        correct_case(small_start(), "failing", Failing(), USER, 1)


def test_progress_rises_and_cancel_stops_before_the_next_correction():
    token, events, done = CancelToken(), [], []

    def progress(event):
        events.append(event)
        if len(events) == 6:
            token.cancel()

    with pytest.raises(CancelledError):
        benchmark_corrections(
            [small_start("a"), small_start("b")],
            [METHODS["paint"]],
            corrections=4,
            count=2,
            progress=progress,
            scored=done.extend,
            cancel=token,
        )
    fractions = [event.fraction for event in events]
    assert fractions == [0, 1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8]
    assert events[0].seconds_left is None and events[5].seconds_left >= 0
    assert {score.case for score in done} == {"a"}


def test_an_unknown_method_is_refused():
    with pytest.raises(
        PancreasSegError, match=r"no correction method magic.*refine, learn, weight-free, .*grow-from-seeds, paint"
    ):
        methods_named(["paint", "magic"])
    assert [item.name for item in methods_named(["paint", "refine", "paint"])] == ["paint", "refine"]


def test_the_rim_is_what_is_left_when_all_coarse_errors_are_mended():
    truth = np.zeros((12, 40, 40), bool)
    truth[3:9, 10:30, 10:30] = True
    mask = truth.copy()
    mask[3:9, 10:30, 28:30] = False  # 3.0 mm deep: a matter of the boundary
    mask[3:9, 32:38, 2:38] = True  # 3 to 12 mm off, and beyond
    spacing = (3.0, 1.5, 1.5)
    left = truth.copy()
    left[3:9, 10:30, 28:30] = False
    expected = plain_dice(left, truth)
    assert plain_dice(mask, truth) < 0.8 < expected
    assert rim_dice(mask, truth, spacing) == pytest.approx(expected)
    assert rim_dice(mask, truth, spacing, rim_mm=1.0) == 1.0
    assert rim_dice(~truth & False, ~truth & False, spacing) == 1.0
    assert rim_dice(truth, truth & False, spacing) == 0.0


def test_a_slice_painted_right_counts_what_was_wrong_in_it():
    start = small_start()
    scores = correct_case(start, "paint", PlainPainting(), SimulatedUser("slice"), 3)
    assert [score.mark for score in scores[1:]] == ["slice"] * 3
    wrong = start.mask != start.reference
    sizes = sorted(wrong.sum(axis=(1, 2)) * GRID.voxel_volume_ml)
    assert 0 < scores[1].marked_ml <= sizes[-1] + 1e-9
    assert scores[1].marked_ml == pytest.approx(scores[1].changed_ml)
    dices = [score.dice for score in scores]
    assert dices == sorted(dices) and dices[3] == pytest.approx(scores[3].dice_all_painted)
