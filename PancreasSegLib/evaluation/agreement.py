"""Agreement of two ways to measure a volume.

Bland and Altman, Lancet 327:307, 1986, and Stat Methods Med Res 8:135, 1999.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from PancreasSegLib.evaluation.intervals import LEVEL, Interval


@dataclass(frozen=True)
class Agreement:
    """Bias and limits of agreement of measured minus reference values.

    Attributes
    ----------
    cases : int
        How many pairs.
    bias : float
        Mean difference; positive where the measurement is too large.
    sd : float or None
        SD of the differences, None of a single pair.
    lower, upper : float or None
        Limits of agreement, bias -+ 1.96 SD: 95 % of differences lie between them if these are normal.
    bias_interval, lower_interval, upper_interval : Interval or None
        Confidence intervals, by Student's t; the variance of a limit is ``sd^2 (1/n + 1.96^2 / (2 (n - 1)))``.
    slope : float or None
        Of the differences against the means of both values, by least squares: how the error grows with size.
    slope_interval : Interval or None
        Its confidence interval.
    """

    cases: int
    bias: float
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    bias_interval: Interval | None = None
    lower_interval: Interval | None = None
    upper_interval: Interval | None = None
    slope: float | None = None
    slope_interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)


def bland_altman(measured: ArrayLike, reference: ArrayLike, level: float = LEVEL) -> Agreement | None:
    """Compare measured with reference values, pair by pair.

    Parameters
    ----------
    measured, reference : array of float, shape (n,)
        In the same unit; finite.
    level : float
        Confidence of the intervals.

    Returns
    -------
    Agreement or None
        None of no pair at all.

    Examples
    --------
    >>> found = bland_altman([10, 12, 14, 16], [9, 12, 15, 14])
    >>> found.bias, round(found.upper, 3)
    (0.5, 3.03)
    """
    from scipy.stats import linregress, t

    a, b = (np.asarray(values, dtype=np.float64) for values in (measured, reference))
    differences, means, n = a - b, (a + b) / 2, a.size
    if n == 0:
        return None
    bias = float(differences.mean())
    if n == 1:
        return Agreement(1, bias)
    sd = float(differences.std(ddof=1))
    quantile = float(t.ppf(0.5 + level / 2, n - 1))
    error_of_bias = quantile * sd / math.sqrt(n)
    error_of_limit = quantile * sd * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    lower, upper = bias - 1.96 * sd, bias + 1.96 * sd
    slope, slope_interval = None, None
    if n > 2 and np.ptp(means) > 0:
        line = linregress(means, differences)
        slope = float(line.slope)
        error = float(t.ppf(0.5 + level / 2, n - 2)) * float(line.stderr)
        slope_interval = Interval(slope - error, slope + error, level)
    return Agreement(
        n,
        bias,
        sd,
        lower,
        upper,
        Interval(bias - error_of_bias, bias + error_of_bias, level),
        Interval(lower - error_of_limit, lower + error_of_limit, level),
        Interval(upper - error_of_limit, upper + error_of_limit, level),
        slope,
        slope_interval,
    )
