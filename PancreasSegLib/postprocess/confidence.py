"""How well a mask probably agrees with the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expected_dice(mask: NDArray[np.bool_], probability: NDArray) -> float:
    """Return the Dice that the mask is expected to have, if the probabilities are right.

    With ``m`` the mask, ``y`` the unknown truth and ``p = E[y]`` voxel by voxel,

        E[ 2 sum(m y) / (sum m + sum y) ]  ~  2 sum(m p) / (sum m + sum p)

    the ratio of expectations: the first term of the expansion of the expected ratio, exact as the organ's volume
    in voxels grows. A network's probabilities tend to be too sure of themselves; how this figure compares with
    the true Dice of patients never seen belongs on a model's card.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The mask, on the grid of the probability.
    probability : ndarray, shape (z, y, x)
        Foreground probability, 0 to 1.

    Returns
    -------
    float
        0 to 1; 0 for an empty mask.

    Examples
    --------
    >>> mask = np.array([[[True, True, False, False]]])
    >>> round(expected_dice(mask, np.array([[[0.9, 0.7, 0.2, 0.0]]])), 3)
    0.842
    """
    count = int(mask.sum())
    if count == 0:
        return 0.0
    inside = float(probability[mask].sum(dtype=np.float64))
    total = float(probability.sum(dtype=np.float64))
    return 2.0 * inside / (count + total)
