"""The expected Dice of a mask at other temperatures of its probabilities, and the temperature that fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.postprocess import expected_dice
from PancreasSegLib.volume import AxisMap, Geometry, Volume, resample

TEMPERATURES: tuple[float, ...] = tuple(float(t) for t in np.geomspace(0.5, 2.0, 17))
"""At which a curve is sampled; 1 (the middle) leaves the probabilities as the model gave them."""

_NEGLIGIBLE = 1e-3  # a large crop of such voxels would outweigh the organ at a high temperature


def expected_dice_curve(mask: NDArray[np.bool_], ct: Geometry, probability: Volume) -> tuple[float, ...]:
    """Return the expected Dice of a mask at each of `TEMPERATURES`.

    The log-odds of every voxel are divided by the temperature (Guo et al., ICML 2017, arXiv:1706.04599); a voxel
    below 0.001 stays as it is. The mask does not change: 0.5 stays 0.5.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The mask on the CT's grid.
    ct : Geometry
        The CT's grid.
    probability : Volume
        Foreground probability of the label, 0 to 1, on a grid parallel to the CT's canonical axes.

    Returns
    -------
    tuple of float
        Zeros for an empty mask.
    """
    axes = AxisMap.to_canonical(ct)
    inside = resample(axes.apply(mask), axes.target, probability.geometry, order=0)
    p = np.clip(probability.voxels.astype(np.float32), 0, 1)
    p[(p >= 0.5) & ~inside] = 0.0  # pieces that the clean-up took away
    counted = inside | (p >= _NEGLIGIBLE)
    near, kept = np.clip(p[counted], 1e-4, 1 - 1e-4), inside[counted]
    log_odds = np.log(near / (1 - near))
    return tuple(float(expected_dice(kept, 1 / (1 + np.exp(-log_odds / t)))) for t in TEMPERATURES)


def fit_temperature(curves: Sequence[Sequence[float]], dices: ArrayLike) -> float:
    """Return the temperature at which expected and true Dice differ least, by the sum of squares.

    Parameters
    ----------
    curves : sequence of sequence of float
        Of each case, as `expected_dice_curve` gives them.
    dices : array of float
        True Dice of the same cases.
    """
    fine = np.geomspace(TEMPERATURES[0], TEMPERATURES[-1], 161)
    expected = np.array([expected_at(curve, fine) for curve in curves])
    errors = ((expected - np.asarray(dices, dtype=np.float64)[:, None]) ** 2).sum(axis=0)
    return float(fine[int(np.argmin(errors))])


def expected_at(curve: Sequence[float], temperature: ArrayLike) -> NDArray[np.float64]:
    """Return the expected Dice between the samples of a curve, linear in the temperature's logarithm."""
    return np.interp(np.log(temperature), np.log(TEMPERATURES), np.asarray(curve, dtype=np.float64))
