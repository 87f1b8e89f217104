"""Confidence intervals of means by the bootstrap, with patients as the units that are drawn."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 5000
LEVEL = 0.95
LEAST_PATIENTS = 5
"""With fewer, drawing them again and again says next to nothing of others."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high : float
        Its ends.
    level : float
        Its confidence, such as 0.95.
    """

    low: float
    high: float
    level: float = LEVEL

    def to_json(self) -> dict[str, float]:
        """Return the ends and the level."""
        return {"low": self.low, "high": self.high, "level": self.level}


def mean_interval(
    values: Sequence[float] | NDArray,
    patients: Sequence[Hashable] | None = None,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of a mean over cases by the bias-corrected and accelerated bootstrap (BCa).

    Patients are drawn with replacement, each with all of its cases, since scans of one patient are no independent
    observations (Efron, J Am Stat Assoc 82:171, 1987, by way of `scipy.stats.bootstrap`). With few patients
    (below 20 or so) such an interval is somewhat too narrow, as any bootstrap is.

    Parameters
    ----------
    values : sequence of float
        One a case; finite.
    patients : sequence, optional
        The patient of each case; every case is a patient of its own without it.
    level : float
        Confidence of the interval.
    resamples : int
        How often patients are drawn.
    seed : int
        The same seed, values and patients give the same interval.

    Returns
    -------
    Interval or None
        None with fewer than five patients.

    Examples
    --------
    >>> found = mean_interval([0.7, 0.8, 0.75, 0.9, 0.6])
    >>> 0.6 < found.low < 0.75 < found.high < 0.9
    True
    """
    from scipy.stats import bootstrap

    sums, counts = patient_sums(values, patients)
    if len(sums) < LEAST_PATIENTS:
        return None
    means = sums / counts
    if np.ptp(means) == 0:
        return Interval(float(means[0]), float(means[0]), level)

    def mean(drawn: NDArray[np.intp], axis: int = -1) -> NDArray[np.float64]:
        return sums[drawn].sum(axis=axis) / counts[drawn].sum(axis=axis)

    for method in ("BCa", "percentile"):  # the first has no answer for a few degenerate samples
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = bootstrap(
                (np.arange(len(sums)),),
                mean,
                vectorized=True,
                confidence_level=level,
                n_resamples=resamples,
                method=method,
                random_state=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite([found.low, found.high]).all():
            break
    return Interval(float(found.low), float(found.high), level)


def patient_sums(
    values: Sequence[float] | NDArray, patients: Sequence[Hashable] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of the values and the number of cases of each patient, in order of first appearance."""
    array = np.asarray(values, dtype=np.float64)
    number_of: dict[Hashable, int] = {}
    units = range(len(array)) if patients is None else patients
    index = np.array([number_of.setdefault(unit, len(number_of)) for unit in units], dtype=np.intp)
    if not len(array):
        return np.zeros(0), np.zeros(0)
    return np.bincount(index, array).astype(np.float64), np.bincount(index).astype(np.float64)
