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
        Cases that both have scored, and their patients; the unit of the test is the patient.
    infinite : int
        Those in which a distance is infinite for one or both, since a mask is empty. They cannot enter the mean;
        in the test, the median and the count such a difference is larger than any other, and none if both are
        infinite.
    mean_difference, median_difference : float or None
        Over cases, and over patients; None where it is not finite.
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
    infinite: int
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
        As for `mean_interval`.
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
    differences = np.array([_difference(one[case][0], other[case][0]) for case in shared])
    patients = [one[case][1] for case in shared]
    finite = np.array(
        [math.isfinite(one[case][0]) and math.isfinite(other[case][0]) for case in shared], dtype=bool
    )
    measured = differences[finite]
    gains = differences if HIGHER_IS_BETTER.get(measure, True) else -differences
    sums, counts = patient_sums(differences, patients)
    by_patient = np.nan_to_num(sums / counts, nan=0.0, posinf=math.inf, neginf=-math.inf)
    test = signed_rank(by_patient) if shared else None
    median = float(np.median(by_patient)) if shared else math.nan
    return PairedComparison(
        label,
        measure,
        first,
        second,
        len(shared),
        len(sums),
        int((~finite).sum()),
        float(measured.mean()) if measured.size else None,
        median if math.isfinite(median) else None,
        mean_interval(
            measured,
            [p for p, known in zip(patients, finite, strict=True) if known],
            resamples=resamples,
            seed=seed,
        ),
        int((gains > 0).sum()),
        int((gains < 0).sum()),
        int((gains == 0).sum()),
        None if test is None else test.p,
        test is not None and test.exact,
    )


def _difference(first: float, second: float) -> float:
    """Return second minus first; none between two infinite values."""
    return 0.0 if first == second else second - first


def _by_case(cohort: Cohort, measure: str) -> dict[str, tuple[float, str]]:
    """Return value and patient by case."""
    values = cohort.values(measure)
    return {
        score.case: (value, score.patient or score.case)
        for score, value in zip(cohort.scores, values, strict=True)
        if not math.isnan(value)
    }
