"""Smooth the outline of a mask without changing how large it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED


def smoothed(
    mask: NDArray,
    spacing_zyx: Sequence[float],
    radius_mm: float = 1.5,
    *,
    marks: NDArray[np.uint8] | None = None,
    within: NDArray | None = None,
) -> NDArray[np.bool_]:
    """Return a mask whose outline is smoother; its volume stays the same but for what is marked.

    Parameters
    ----------
    mask : ndarray, shape (z, y, x)
        Nonzero inside.
    spacing_zyx : sequence of 3 float
        Voxel spacing in mm.
    radius_mm : float
        Details smaller than this vanish (standard deviation of the blur).
    marks : ndarray of uint8, shape (z, y, x), optional
        1 stays inside, 2 stays outside.
    within : ndarray, shape (z, y, x), optional
        Only voxels that are nonzero here may change.

    Returns
    -------
    ndarray of bool, shape (z, y, x)

    Examples
    --------
    >>> square = np.zeros((9, 30, 30), bool); square[2:7, 8:22, 8:22] = True; square[4, 15, 22:26] = True
    >>> round_one = smoothed(square, (1, 1, 1))
    >>> bool(round_one[4, 15, 15]), bool(round_one[4, 15, 25])
    (True, False)
    """
    from scipy.ndimage import gaussian_filter

    inside = np.asarray(mask) != 0
    if not inside.any():
        return inside
    sigma = [radius_mm / step for step in spacing_zyx]
    blurred = gaussian_filter(inside.astype(np.float32), sigma, truncate=3.0, mode="constant")
    count = np.count_nonzero(inside)
    candidates = blurred[blurred > 0]
    level = np.partition(candidates, candidates.size - count)[candidates.size - count]
    result = blurred >= max(float(level), 1e-6)
    if within is not None:
        result = np.where(within != 0, result, inside)
    if marks is not None:
        result[marks == INCLUDED] = True
        result[marks == EXCLUDED] = False
    return np.asarray(result, dtype=bool)
