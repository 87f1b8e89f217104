"""Two and more models on the same cases, and parts of a cohort."""

import numpy as np
import pytest
from score_cases import score

from PancreasSegLib.evaluation import Cohort
from PancreasSegLib.evaluation.paired import compare_models
from PancreasSegLib.evaluation.signed_rank import signed_rank
from PancreasSegLib.evaluation.strata import stratify
from PancreasSegLib.evaluation.traits import Traits

RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.6, 0.85, 10)


def cohort(dices, **fields):
    return Cohort(tuple(score(f"c{n}", d, **fields) for n, d in enumerate(dices)), {})


def test_the_better_model_shows():
    gains = np.linspace(0.01, 0.05, 10)
    found = {c.measure: c for c in compare_models({"old": cohort(BASE), "new": cohort(BASE + gains)}, "pancreas")}
    dice, hd = found["dice"], found["hd95_mm"]
    assert dice.mean_difference == pytest.approx(0.03)
    assert dice.interval.low < 0.03 < dice.interval.high
    assert dice.interval.low > 0.015
    assert (dice.better, dice.worse, dice.equal) == (10, 0, 0)
    assert dice.p == dice.p_holm == pytest.approx(2 / 2**10)
    assert hd.mean_difference < 0
    assert hd.better == 10  # a smaller distance is better


def test_three_models_are_corrected_for_three_pairs():
    models = {"a": cohort(BASE), "b": cohort(BASE + np.linspace(-0.01, 0.03, 10)), "c": cohort(BASE + 0.05)}
    pairs = [c for c in compare_models(models, "pancreas") if c.measure == "dice"]
    assert [(c.first, c.second) for c in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(c.p_holm >= c.p for c in pairs)
    assert min(c.p_holm for c in pairs) == pytest.approx(3 * min(c.p for c in pairs))


def test_patients_are_the_units_and_only_shared_cases_count():
    first = Cohort(tuple(score(f"c{n}", 0.7, patient=f"p{n // 2}") for n in range(6)), {})
    second = Cohort(tuple(score(f"c{n}", 0.7 + 0.01 * n, patient=f"p{n // 2}") for n in range(1, 8)), {})
    found = next(c for c in compare_models({"a": first, "b": second}, "pancreas") if c.measure == "dice")
    assert (found.cases, found.patients) == (5, 3)
    assert found.p == signed_rank([0.01, 0.025, 0.045]).p


def test_an_infinite_distance_is_the_largest_difference_but_in_no_mean():
    lost = score("c0", 0.0, hd95_mm=float("inf"), volume_ml=0.0)
    one, other = cohort([0.8, 0.7, 0.9]), Cohort((lost, *cohort([0.8, 0.75, 0.92]).scores[1:]), {})
    found = {c.measure: c for c in compare_models({"a": one, "b": other}, "pancreas")}
    assert (found["hd95_mm"].cases, found["hd95_mm"].infinite) == (3, 1)
    assert found["hd95_mm"].mean_difference == pytest.approx(-0.7)
    assert (found["hd95_mm"].better, found["hd95_mm"].worse) == (2, 1)
    assert found["hd95_mm"].p == signed_rank([1000, -1.0, -0.4]).p
    assert (found["dice"].cases, found["dice"].infinite) == (3, 0)
    both = {c.measure: c for c in compare_models({"a": other, "b": other}, "pancreas")}["hd95_mm"]
    assert (both.equal, both.p, both.infinite) == (3, 1, 1)


def test_the_same_model_twice():
    found = compare_models({"a": cohort(BASE), "b": cohort(BASE)}, "pancreas")[0]
    assert (found.mean_difference, found.p, found.equal) == (0, 1, 10)
    assert (found.interval.low, found.interval.high) == (0, 0)


def test_nothing_in_common():
    other = Cohort((score("z", 0.5),), {})
    found = compare_models({"a": cohort(BASE), "b": other}, "pancreas")[0]
    assert (found.cases, found.p, found.mean_difference, found.interval) == (0, None, None, None)


def with_traits(slices, volumes=None, phase=""):
    return [
        score(f"c{n}", 0.6 + 0.02 * n, reference_ml=volume, traits=Traits(mm, 0.8, 90.0 + n, 20.0, phase))
        for n, (mm, volume) in enumerate(
            zip(slices, volumes or [80.0 + n for n in range(len(slices))], strict=True)
        )
    ]


def test_parts_are_disjoint_and_whole():
    slices = [1.0, 1.0, 2.5, 2.5, 3.5, 5.0, 5.0, 2.5, 1.0]
    found = stratify(with_traits(slices, [60.0 + 10 * n for n in range(9)]))
    parts = {trait: [s for s in found if s.trait == trait] for trait in {s.trait for s in found}}
    assert [(s.name, s.cases) for s in parts["slice spacing"]] == [
        ("below 1.5 mm", 3),
        ("1.5 to 3.5 mm", 3),
        ("3.5 mm and more", 3),
    ]
    assert all(sum(s.cases for s in strata) == 9 for strata in parts.values())
    assert [s.cases for s in parts["reference volume"]] == [3, 3, 3]
    # all have the same pixels and the same rim: nothing to divide by
    assert {"pixel spacing", "contrast with its rim", "contrast phase"}.isdisjoint(parts)


def test_few_cases_are_halved_or_left_whole():
    assert [s.cases for s in stratify(with_traits([2.5] * 5)) if s.trait == "reference volume"] == [2, 3]
    assert stratify(with_traits([2.5] * 3)) == []


def test_an_absent_organ_is_in_no_part():
    scores = with_traits([1.0, 5.0, 5.0, 5.0, 5.0], [0.0, 70.0, 80.0, 90.0, 100.0])
    found = stratify(scores)
    assert [s.cases for s in found if s.trait == "reference volume"] == [2, 2]
    assert not [s for s in found if s.trait == "slice spacing"]
