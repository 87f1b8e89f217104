"""The figures against numbers worked out by hand."""

import math

import pytest

from PancreasSegLib.evaluation.correction_benchmark import CorrectionScore
from PancreasSegLib.evaluation.correction_curves import groups_of, series_of, summarise


def case(name, dices, *, method="m", painted=None, seconds=None, marks=None, nsd=None, wrong=0.0, learnt=None):
    """Scores of one case from its Dice after 0, 1, 2... corrections."""
    scores = []
    for number, dice in enumerate(dices):
        made = number > 0 and (marks is None or marks[number])
        scores.append(
            CorrectionScore(
                name,
                method,
                number,
                mark="include" if made else "",
                dice=dice,
                nsd_1mm=0.5 * dice,
                nsd_2mm=nsd[number] if nsd else dice,
                nsd_3mm=dice,
                rim_dice=1.0,
                volume_ml=90.0 + number,
                reference_ml=92.0,
                volume_error_ml=number - 2.0,
                marked_ml=1.0 if made else 0.0,
                changed_ml=4.0 if made else 0.0,
                wrongly_changed_ml=wrong if made else 0.0,
                dice_painted=painted[number] if painted else dice,
                dice_all_painted=dice,
                seconds=(seconds[number] if seconds else 0.1) if made else math.nan,
                learning_seconds=learnt[number] if learnt and made else math.nan,
            )
        )
    return scores


SCORES = [
    *case("a", [0.50, 0.60, 0.86, 0.91], seconds=[0, 0.1, 0.2, 0.3]),
    *case("b", [0.58, 0.70, 0.65, 0.85], seconds=[0, 0.4, 0.5, 0.6]),
    *case("c", [0.70, 0.72, 0.74, 0.76], seconds=[0, 0.7, 0.8, 0.9]),
    *case("d", [0.90, 0.89, 0.90, 0.92], painted=[0.90, 0.905, 0.90, 0.92], seconds=[0, 1.0, 1.1, 1.2]),
]


def test_groups_by_the_dice_of_the_first_mask():
    groups = groups_of(series_of(SCORES)["m"])
    assert groups == {
        "all": ["a", "b", "c", "d"],
        "below 0.6": ["a", "b"],
        "worst third": ["a", "b"],  # a third of four, rounded up
        "rest": ["c", "d"],
    }
    good = series_of(case("x", [0.8, 0.9]) + case("y", [0.7, 0.8]) + case("z", [0.9, 0.9]))["m"]
    assert groups_of(good) == {"all": ["x", "y", "z"], "worst third": ["y"], "rest": ["x", "z"]}


def test_curves_are_spreads_over_the_cases_of_a_group():
    every = summarise(SCORES)["methods"]["m"]["groups"]["all"]["curves"]
    assert [point["median"] for point in every["dice"]] == pytest.approx([0.64, 0.71, 0.80, 0.88])
    assert [point["mean"] for point in every["dice"]] == pytest.approx([0.67, 0.7275, 0.7875, 0.86])
    assert every["dice"][0] == pytest.approx(
        {"mean": 0.67, "median": 0.64, "q1": 0.56, "q3": 0.75, "min": 0.5, "max": 0.9}
    )
    assert [point["median"] for point in every["absolute_volume_error_ml"]] == [2.0, 1.0, 0.0, 1.0]
    assert every["nsd_1mm"][3]["max"] == pytest.approx(0.46)
    bad = summarise(SCORES)["methods"]["m"]["groups"]["worst third"]
    assert bad["cases"] == 2
    assert [point["median"] for point in bad["curves"]["dice"]] == pytest.approx([0.54, 0.65, 0.755, 0.88])


def test_corrections_that_are_needed():
    groups = summarise(SCORES)["methods"]["m"]["groups"]
    needed = groups["all"]["to_reach"]
    assert needed["0.85"]["by_case"] == {"a": 2, "b": 3, "c": None, "d": 0}
    assert needed["0.85"] | {"by_case": 0} == {"by_case": 0, "reached": 3, "median": 2.5}
    assert needed["0.90"]["by_case"] == {"a": 3, "b": None, "c": None, "d": 0}
    assert needed["0.90"]["median"] is None  # half of the cases never get there
    assert groups["rest"]["to_reach"]["0.85"]["median"] is None
    assert groups["worst third"]["to_reach"]["0.85"]["median"] == 2.5


def test_gain_and_harm_of_a_correction():
    found = summarise(SCORES)["methods"]["m"]
    assert found["groups"]["all"]["gain"] == {
        "mean_a_correction": pytest.approx((0.41 + 0.27 + 0.06 + 0.02) / 12),
        "corrections": 12,
    }
    assert found["harm"] == {
        "corrections": 12,
        "worse": 2,
        "share": pytest.approx(2 / 12),
        "mean_loss": pytest.approx(0.03),
        "largest_loss": pytest.approx(0.05),
        "largest_at": {"case": "b", "correction": 2},
        "wrongly_changed_share": 0.0,
    }


def test_a_method_that_ruins_is_reported_as_such():
    found = summarise(case("a", [0.8, 0.4, 0.1], painted=[0.8, 0.81, 0.42], wrong=3.0))["methods"]["m"]
    assert found["harm"]["share"] == 1.0
    assert found["harm"]["largest_loss"] == pytest.approx(0.4)
    assert found["harm"]["wrongly_changed_share"] == pytest.approx(0.75)
    assert found["groups"]["all"]["gain"]["mean_a_correction"] == pytest.approx(-0.35)
    assert found["against_painting"]["this_mark"] == {
        "corrections": 2,
        "worse": 2,
        "mean_difference": pytest.approx((0.41 + 0.32) / 2),
        "largest_difference": pytest.approx(0.41),
        "largest_at": {"case": "a", "correction": 1},
    }


def test_exceptions_against_painting_are_counted_and_sized():
    found = summarise(SCORES)["methods"]["m"]["against_painting"]
    assert found["this_mark"]["worse"] == 1
    assert found["this_mark"]["largest_difference"] == pytest.approx(0.015)
    assert found["this_mark"]["largest_at"] == {"case": "d", "correction": 1}
    assert found["all_marks"]["worse"] == 0


def test_the_time_of_learning_is_told_apart():
    found = summarise([*SCORES, *case("a", [0.5, 0.6, 0.7], method="learn", learnt=[0, 8.0, 10.0])])["methods"]
    assert found["m"]["learning_s"] == {"corrections": 0, "median": None, "p95": None, "max": None}
    assert found["learn"]["learning_s"]["median"] == pytest.approx(9.0)
    assert found["learn"]["latency_s"]["median"] == pytest.approx(0.1)


def test_latency_is_over_the_corrections_that_were_made():
    found = summarise(SCORES)["methods"]["m"]["latency_s"]
    assert found["corrections"] == 12
    assert found["median"] == pytest.approx(0.65)
    assert found["p95"] == pytest.approx(1.1 + 0.45 * 0.1)
    assert found["max"] == pytest.approx(1.2)


def test_corrections_that_were_not_needed_count_nowhere():
    scores = case("a", [0.8, 1.0, 1.0, 1.0], marks=[0, 1, 0, 0])
    found = summarise(scores)["methods"]["m"]
    assert found["groups"]["all"]["gain"] == {"mean_a_correction": pytest.approx(0.2), "corrections": 1}
    assert found["harm"]["corrections"] == found["latency_s"]["corrections"] == 1
    assert [point["median"] for point in found["groups"]["all"]["curves"]["dice"]] == [0.8, 1.0, 1.0, 1.0]
    untouched = summarise(case("a", [1.0, 1.0], marks=[0, 0]))["methods"]["m"]
    assert untouched["latency_s"]["median"] is None
    assert untouched["harm"]["share"] is None


def test_a_method_that_covers_some_cases_is_compared_in_the_groups_of_all():
    scores = [*SCORES, *case("b", [0.58, 0.9, 0.9, 0.9], method="learned")]
    found = summarise(scores)
    assert found["groups"]["all"] == ["a", "b", "c", "d"]
    learned = found["methods"]["learned"]["groups"]
    assert set(learned) == {"all", "below 0.6", "worst third"}
    assert learned["all"]["cases"] == 1


def test_every_method_has_a_colour_of_its_own():
    from PancreasSegLib.evaluation.correction_method import METHODS
    from PancreasSegLib.evaluation.correction_plot import colour_of

    assert len({colour_of(name, number) for number, name in enumerate(METHODS)}) == len(METHODS)
