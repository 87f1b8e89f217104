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
    large_near_mm: float = 60.0,
    near_mm: float = 25.0,
    sure: float = 0.7,
) -> NDArray[np.bool_]:
    """Keep a divided organ and drop specks and strays.

    Keeping the heaviest piece alone is risky: after surgery, or where a vessel crosses the neck on thick slices,
    the pancreas is in two pieces. Kept are the heaviest piece (volume times mean probability); a piece of at least
    `large_share` of its volume within `large_near_mm` of a kept one; and a smaller one that is no speck, lies
    within `near_mm` of a kept one, and whose probability is high on average.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The organ as thresholded.
    geometry : Geometry
        Its grid.
    probability : ndarray, shape (z, y, x), optional
        Foreground probability; without it, pieces are judged by size and distance alone.
    speck_ml : float
        Pieces below this volume are dropped, unless there is nothing else.
    large_share, large_near_mm, near_mm, sure : float
        See above; `sure` is a probability.

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
    certainty = np.ones(count + 1)
    if probability is not None:
        total = np.bincount(pieces.ravel(), weights=probability.ravel().astype(np.float64))
        certainty = total * geometry.voxel_volume_ml / np.maximum(volume_ml, 1e-9)
    heaviest = int((volume_ml * certainty).argmax())
    kept = np.arange(count + 1) == heaviest
    large = volume_ml >= large_share * volume_ml[heaviest]
    small = (volume_ml >= speck_ml) & (certainty >= sure)
    while (undecided := (large | small) & ~kept).any():
        distance = _distances_mm(pieces, kept, kept | undecided, geometry)
        reached = undecided & ((large & (distance <= large_near_mm)) | (small & (distance <= near_mm)))
        if not reached.any():
            break
        kept |= reached
    result: NDArray[np.bool_] = kept[pieces]
    return result


def _distances_mm(
    pieces: NDArray[np.int32], kept: NDArray[np.bool_], relevant: NDArray[np.bool_], geometry: Geometry
) -> NDArray[np.float64]:
    """Return the distance of every relevant piece from the nearest kept one; infinite for the others."""
    box = Box.of_mask(relevant[pieces])
    assert box is not None
    part = pieces[box.slices_zyx]
    away = ndimage.distance_transform_edt(~kept[part], sampling=geometry.spacing_mm[::-1])
    result = np.full(len(kept), np.inf)
    numbers = np.flatnonzero(relevant)
    result[numbers] = ndimage.minimum(away, part, numbers)
    return result
