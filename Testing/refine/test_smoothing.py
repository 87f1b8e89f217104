"""Smoothing: rougher details go, the volume stays, marks and the rest hold."""

import numpy as np
import pytest

from PancreasSegLib.refine.smoothing import smoothed


@pytest.fixture
def rough():
    """A ball with a ragged surface, on voxels that are not cubes."""
    z, y, x = np.ogrid[:24, :48, :48]
    distance = np.sqrt((2 * (z - 12)) ** 2 + (y - 24) ** 2 + (x - 24) ** 2)
    return distance + np.random.default_rng(0).normal(0, 1.5, (24, 48, 48)) < 15


def roughness(mask):
    """Pairs of neighbours that differ."""
    return sum(np.count_nonzero(np.diff(mask.astype(np.int8), axis=axis)) for axis in range(3))


def test_it_is_smoother_and_as_large(rough):
    result = smoothed(rough, (2, 1, 1), 2.0)
    assert roughness(result) < 0.75 * roughness(rough)
    assert abs(int(result.sum()) - int(rough.sum())) < 0.01 * rough.sum()
    assert not (result ^ rough)[:2].any()


def test_marks_hold(rough):
    marks = np.zeros(rough.shape, np.uint8)
    marks[12, 24, 45], marks[12, 24, 24] = 1, 2
    result = smoothed(rough, (2, 1, 1), 2.0, marks=marks)
    assert result[12, 24, 45] and not result[12, 24, 24]


def test_only_where_it_is_wanted(rough):
    within = np.zeros(rough.shape, bool)
    within[:, :24] = True
    result = smoothed(rough, (2, 1, 1), 2.0, within=within)
    assert np.array_equal(result[:, 24:], rough[:, 24:]) and (result != rough).any()


def test_nothing_stays_nothing_and_a_point_does_not_vanish():
    nothing = np.zeros((5, 6, 7), bool)
    assert not smoothed(nothing, (1, 1, 1)).any()
    nothing[2, 3, 3] = True
    assert smoothed(nothing, (1, 1, 1)).sum() == 1
