"""How far the confidence of a run can be trusted: does it rank masks, and does it mean what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.temperature import TEMPERATURES, expected_at, fit_temperature

FAILURE_DICE = 0.7
"""A mask below this Dice is a failure that a low confidence should announce."""


@dataclass(frozen=True)
class Calibration:
    """Expected against true Dice.

    Attributes
    ----------
    mean_expected, mean_true : float
        Over the cases.
    bias : float
        Mean of expected minus true; positive when the model is too sure of itself.
    mae : float
        Mean absolute difference.
    """

    mean_expected: float
    mean_true: float
    bias: float
    mae: float


@dataclass(frozen=True)
class ConfidenceQuality:
    """Ranking and calibration of the confidence over a cohort.

    Attributes
    ----------
    cases : int
        Cases with a confidence.
    spearman : float or None
        Rank correlation of confidence and true Dice; None where one is constant or there are under 3 cases.
    pearson : float or None
        Linear correlation, likewise.
    failures : int
        Cases below `failure_dice`.
    failure_dice : float
        What counts as a failure.
    auroc : float or None
        Chance that a failure has a lower confidence than another mask (ties count half); None where all or none
        failed.
    reported : Calibration
        Of the confidence as the model reports it.
    left_out : Calibration or None
        Of the expected Dice at a temperature that was fitted to all *other* patients, case by case; None where the
        probabilities are not known or there are under 3 patients.
    temperatures : tuple of float
        The lowest and highest temperature of those fits.
    left_out_expected : tuple of float
        The expected Dice of each case after such a fit, in the order of `names`; empty without fits.
    names : tuple of str
        The cases.
    """

    cases: int
    spearman: float | None
    pearson: float | None
    failures: int
    failure_dice: float
    auroc: float | None
    reported: Calibration
    left_out: Calibration | None = None
    temperatures: tuple[float, ...] = ()
    left_out_expected: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)


def confidence_quality(
    scores: Sequence[CaseScore], failure_dice: float = FAILURE_DICE
) -> ConfidenceQuality | None:
    """Compare the confidence of runs with the true Dice.

    A run that was refused reports no confidence; it counts with 0, since the user was told that nothing was found.

    Parameters
    ----------
    scores : sequence of CaseScore
        Of one model and label.
    failure_dice : float
        Masks below it are failures.

    Returns
    -------
    ConfidenceQuality or None
        None where no case has a confidence.
    """
    if not any(math.isfinite(score.confidence) for score in scores):
        return None
    known = [score for score in scores if math.isfinite(score.confidence) or score.error]
    dices = np.array([score.dice for score in known])
    sure = np.array([score.confidence if math.isfinite(score.confidence) else 0.0 for score in known])
    failed = dices < failure_dice
    expected, temperatures = _left_out_fits(known, dices)
    return ConfidenceQuality(
        len(known),
        _correlation(sure, dices, ranks=True),
        _correlation(sure, dices, ranks=False),
        int(failed.sum()),
        failure_dice,
        auroc(-sure, failed),
        _calibration(sure, dices),
        None if expected is None else _calibration(expected, dices),
        (min(temperatures), max(temperatures)) if temperatures else (),
        () if expected is None else tuple(float(value) for value in expected),
        tuple(score.case for score in known),
    )


def auroc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve: the chance that a positive has a higher value than a negative.

    Ties count half (Mann and Whitney's U over the number of pairs). None where there is no pair.

    Examples
    --------
    >>> auroc(np.array([0.9, 0.4, 0.6, 0.1]), np.array([True, True, False, False]))
    0.75
    """
    from scipy.stats import rankdata

    count = int(positive.sum())
    others = positive.size - count
    if not count or not others:
        return None
    return float((rankdata(values)[positive].sum() - count * (count + 1) / 2) / (count * others))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64], *, ranks: bool) -> float | None:
    from scipy.stats import rankdata

    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    if ranks:
        a, b = rankdata(a), rankdata(b)
    return float(np.corrcoef(a, b)[0, 1])


def _calibration(expected: NDArray[np.float64], dices: NDArray[np.float64]) -> Calibration:
    difference = expected - dices
    return Calibration(
        float(expected.mean()), float(dices.mean()), float(difference.mean()), float(np.abs(difference).mean())
    )


def _left_out_fits(
    scores: Sequence[CaseScore], dices: NDArray[np.float64]
) -> tuple[NDArray[np.float64] | None, list[float]]:
    """Return each case's expected Dice at the temperature that fits the other patients, and those temperatures."""
    patients = [score.patient or score.case for score in scores]
    with_curve = [score.confidence_curve or score.error for score in scores]
    if len(set(patients)) < 3 or not all(with_curve):
        return None, []
    curves = [score.confidence_curve or (0.0,) * len(TEMPERATURES) for score in scores]
    expected = np.zeros(len(scores))
    temperatures = {}
    for patient in dict.fromkeys(patients):
        others = [n for n, name in enumerate(patients) if name != patient]
        temperatures[patient] = fit_temperature([curves[n] for n in others], dices[others])
    for n, patient in enumerate(patients):
        expected[n] = float(expected_at(curves[n], temperatures[patient]))
    return expected, list(temperatures.values())
