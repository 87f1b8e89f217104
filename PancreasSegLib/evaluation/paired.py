"""Which of two models is better on the same cases, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from PancreasSegLib.evaluation.cohort import Cohort
from PancreasSegLib.evaluation.intervals import RESAMPLES, Interval, mean_interval, patient_sums
from PancreasSegLib.evaluation.signed_rank import holm, signed_rank

COMPARED = ("dice", "nsd_2mm", "hd95_mm", "absolute_volume_error_ml")
HIGHER_IS_BETTER = {"dice": True, "nsd_2mm": True, "hd95_mm": False, "absolute_volume_error_ml": False}


@dataclass(frozen=True)
class PairedComparison:
    """Second minus first model, over the cases that both have scored.

    Attributes
    ----------
    label, measure : str
        What was compared.
    first, second : str
        The models.
    cases, patients : int
        Cases with a finite value from both, and their patients; the unit of the test is the patient.
    left_out : int
        Cases in which a distance is infinite for one of them, since one mask is empty.
    mean_difference, median_difference : float or None
        Over cases, and over patients.
    interval : Interval or None
        Of the mean difference, by bootstrap over patients.
    better, worse, equal : int
        Cases in which the second is better, worse or the same.
    p : float or None
        Wilcoxon's signed-rank test over patients, two-sided.
    exact : bool
        Whether p is exact.
    p_holm : float or None
        Corrected by Holm for all pairs of models of this label and measure.
    """

    label: str
    measure: str
    first: str
    second: str
    cases: int
    patients: int
    left_out: int
    mean_difference: float | None
    median_difference: float | None
    interval: Interval | None
    better: int
    worse: int
    equal: int
    p: float | None
    exact: bool
    p_holm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)


def compare_models(
    cohorts: Mapping[str, Cohort],
    label: str,
    measures: Sequence[str] = COMPARED,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[PairedComparison]:
    """Compare every pair of models on one label.

    Parameters
    ----------
    cohorts : mapping of str to Cohort
        The scores of each model.
    label : str
        The label.
    measures : sequence of str
        What is compared; p values are corrected by Holm within each measure.
    resamples, seed
        As for :func:`mean_interval`.
    """
    found = []
    for measure in measures:
        pairs = [
            _compare(cohorts, first, second, label, measure, resamples, seed)
            for first, second in combinations(cohorts, 2)
        ]
        tested = [pair.p for pair in pairs if pair.p is not None]
        corrected = iter(holm(tested))
        found += [replace(pair, p_holm=None if pair.p is None else next(corrected)) for pair in pairs]
    return found


def _compare(
    cohorts: Mapping[str, Cohort], first: str, second: str, label: str, measure: str, resamples: int, seed: int
) -> PairedComparison:
    one, other = (_by_case(cohorts[name].of_label(label), measure) for name in (first, second))
    shared = [case for case in one if case in other]
    usable = [case for case in shared if math.isfinite(one[case][0]) and math.isfinite(other[case][0])]
    differences = np.array([other[case][0] - one[case][0] for case in usable])
    patients = [one[case][1] for case in usable]
    gains = differences if HIGHER_IS_BETTER.get(measure, True) else -differences
    sums, counts = patient_sums(differences, patients)
    test = signed_rank(sums / counts) if usable else None
    return PairedComparison(
        label,
        measure,
        first,
        second,
        len(usable),
        len(sums),
        len(shared) - len(usable),
        float(differences.mean()) if usable else None,
        float(np.median(sums / counts)) if usable else None,
        mean_interval(differences, patients, resamples=resamples, seed=seed),
        int((gains > 0).sum()),
        int((gains < 0).sum()),
        int((gains == 0).sum()),
        None if test is None else test.p,
        test is not None and test.exact,
    )


def _by_case(cohort: Cohort, measure: str) -> dict[str, tuple[float, str]]:
    """Return value and patient by case."""
    values = cohort.values(measure)
    return {
        score.case: (value, score.patient or score.case)
        for score, value in zip(cohort.scores, values, strict=True)
        if not math.isnan(value)
    }
