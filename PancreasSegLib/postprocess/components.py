"""Which pieces of a mask belong to the organ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.volume import Box, Geometry

_CONNECTED = np.ones((3, 3, 3), dtype=bool)


def plausible_pieces(
    mask: NDArray[np.bool_],
    geometry: Geometry,
    probability: NDArray | None = None,
    *,
    speck_ml: float = 0.3,
    large_share: float = 0.2,
    near_mm: float = 25.0,
    sure: float = 0.7,
) -> NDArray[np.bool_]:
    """Keep a divided organ and drop specks and strays.

    Keeping the largest piece alone is risky: after surgery, or where a vessel crosses the neck on thick slices,
    the pancreas is in two pieces. Kept are the largest piece; every piece of at least `large_share` of it; and a
    smaller one that is no speck, lies within `near_mm` of a kept piece, and whose probability is high on average.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The organ as thresholded.
    geometry : Geometry
        Its grid.
    probability : ndarray, shape (z, y, x), optional
        Foreground probability; without it, pieces are judged by size and distance alone.
    speck_ml : float
        Pieces below this volume are dropped, unless the organ is no larger.
    large_share, near_mm, sure : float
        See above.

    Returns
    -------
    ndarray of bool, shape (z, y, x)

    Examples
    --------
    >>> mask = np.zeros((20, 20, 40), bool)
    >>> mask[5:15, 5:15, 2:18] = mask[5:15, 5:15, 22:30] = mask[0, 0, 39] = True
    >>> int(plausible_pieces(mask, Geometry((40, 20, 20), (1.0, 1.0, 1.0))).sum())
    2400
    """
    pieces, count = ndimage.label(mask, _CONNECTED)
    if count <= 1:
        return mask.copy()
    volume_ml = np.bincount(pieces.ravel()) * geometry.voxel_volume_ml
    volume_ml[0] = 0.0  # the background
    largest = int(volume_ml.argmax())
    if probability is None:
        certainty = np.ones(count + 1)
    else:
        total = np.bincount(pieces.ravel(), weights=probability.ravel().astype(np.float64))
        certainty = total / np.maximum(volume_ml / geometry.voxel_volume_ml, 1)
    kept = volume_ml >= large_share * volume_ml[largest]
    undecided = ~kept & (volume_ml >= speck_ml) & (certainty >= sure)
    while undecided.any():
        reached = np.unique(pieces[_within(kept[pieces], geometry, near_mm)])
        reached = reached[undecided[reached]]
        if reached.size == 0:
            break
        kept[reached], undecided[reached] = True, False
    result: NDArray[np.bool_] = kept[pieces]
    return result


def _within(mask: NDArray[np.bool_], geometry: Geometry, distance_mm: float) -> NDArray[np.bool_]:
    """Return the voxels at most so far from the mask, of which there is at least one voxel."""
    box = Box.of_mask(mask)
    assert box is not None
    near = np.zeros_like(mask)
    window = box.grown(distance_mm, geometry).slices_zyx
    spacing_zyx = geometry.spacing_mm[::-1]
    near[window] = ndimage.distance_transform_edt(~mask[window], sampling=spacing_zyx) <= distance_mm
    return near
