"""Bootstrap intervals: coverage on a toy, patients as units, degenerate samples."""

import numpy as np
import pytest

from PancreasSegLib.evaluation.intervals import mean_interval


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        values = rng.beta(6, 2, 40)  # skewed, as Dice is; its mean is 0.75
        found = mean_interval(values, resamples=300, seed=seed)
        covered += found.low <= 0.75 <= found.high
    assert 176 <= covered <= 199  # 95 % of 200, give or take what 200 draws and 40 patients leave open


def test_scans_of_one_patient_are_no_independent_observations():
    rng = np.random.default_rng(1)
    patients = np.repeat(np.arange(12), 5)
    values = rng.normal(0.8, 0.1, 12)[patients] + rng.normal(0, 0.01, 60)
    by_patient, by_scan = mean_interval(values, patients), mean_interval(values)
    assert by_patient.high - by_patient.low > 1.7 * (by_scan.high - by_scan.low)
    assert by_patient.low < values.mean() < by_patient.high


def test_a_patient_with_many_scans_weighs_as_many():
    values, patients = [0.8] * 6 + [0.2, 0.21, 0.19, 0.2, 0.22, 0.18], ["a"] * 6 + list("bcdefg")
    one_a_patient = mean_interval(values[5:], patients[5:])
    assert mean_interval(values, patients).high > one_a_patient.high + 0.1


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(2).uniform(0.5, 0.9, 14)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_degenerate_samples():
    assert mean_interval([]) is None
    assert mean_interval([0.7]) is None
    assert mean_interval([0.5, 0.6, 0.7, 0.8]) is None  # four patients say next to nothing
    assert mean_interval([0.7, 0.8, 0.9, 0.8, 0.7], ["p"] * 5) is None
    same = mean_interval([0.7] * 5)
    assert (same.low, same.high) == (pytest.approx(0.7), pytest.approx(0.7))
    one_off = mean_interval([1.0] * 9 + [0.0])
    assert 0 <= one_off.low < 0.9 < one_off.high <= 1


def test_a_wider_level_is_a_wider_interval():
    values = np.random.default_rng(5).uniform(0.5, 0.9, 20)
    narrow, wide = mean_interval(values, level=0.8), mean_interval(values, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
