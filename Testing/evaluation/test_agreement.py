"""Bland-Altman against figures that were worked out by hand."""

import math

import numpy as np
import pytest
from scipy.stats import t

from PancreasSegLib.evaluation.agreement import bland_altman


def test_figures_by_hand():
    # differences 1, 3, 2, -2: mean 1, squares of the rest 0 + 4 + 1 + 9 = 14, SD sqrt(14 / 3) = 2.1602
    found = bland_altman([11, 23, 32, 38], [10, 20, 30, 40])
    assert found.bias == 1
    assert found.sd == pytest.approx(2.160247)
    assert found.lower == pytest.approx(1 - 1.96 * 2.160247)
    assert found.upper == pytest.approx(5.234084)
    # t(3, 0.975) = 3.182446; error of the bias 2.160247 / 2
    assert found.bias_interval.high == pytest.approx(1 + 3.182446 * 1.0801235)
    # variance of a limit: 14/3 (1/4 + 1.96^2 / 6) = 4.154578
    assert found.upper_interval.high - found.upper == pytest.approx(3.182446 * math.sqrt(4.154578), rel=1e-5)
    assert found.lower - found.lower_interval.low == pytest.approx(found.upper_interval.high - found.upper)


def test_an_error_that_grows_with_the_organ_shows_as_slope():
    reference = np.arange(40.0, 120.0, 5)
    found = bland_altman(1.2 * reference - 10 + np.sin(reference), reference)
    assert found.slope == pytest.approx(0.2 / 1.1, abs=0.02)
    assert found.slope_interval.low > 0
    steady = bland_altman(reference + np.sin(7 * reference), reference)
    assert steady.slope_interval.low < 0 < steady.slope_interval.high


def test_few_pairs():
    assert bland_altman([], []) is None
    one = bland_altman([5], [3])
    assert (one.cases, one.bias, one.sd, one.lower) == (1, 2, None, None)
    two = bland_altman([5, 7], [3, 3])
    assert two.slope is None
    assert two.bias_interval.high - 3 == pytest.approx(t.ppf(0.975, 1) * two.sd / math.sqrt(2))
    same = bland_altman([4, 4, 4], [4, 4, 4])
    assert (same.bias, same.sd, same.slope) == (0, 0, None)
