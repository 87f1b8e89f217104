"""A mask and marks as the images that a network takes beside the CT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED

CHANNELS = 3
"""The mask, what was included, what was excluded."""

FALLOFF_MM = 6.0
"""Distance over which a mark fades: a thin stroke is then seen on any grid."""


def correction_channels(
    mask: NDArray, marks: NDArray[np.uint8], spacing_zyx: Sequence[float]
) -> NDArray[np.float32]:
    """Return mask, inclusion and exclusion as images from 0 to 1.

    Parameters
    ----------
    mask : ndarray, shape (z, y, x)
        The mask to correct, 0 to 1.
    marks : ndarray of uint8, shape (z, y, x)
        0 none, 1 included, 2 excluded.
    spacing_zyx : sequence of 3 float
        Voxel spacing in mm.

    Returns
    -------
    ndarray of float32, shape (3, z, y, x)
    """
    channels = np.empty((CHANNELS, *mask.shape), dtype=np.float32)
    channels[0] = mask
    for number, value in ((1, INCLUDED), (2, EXCLUDED)):
        channels[number] = _faded(marks == value, spacing_zyx)
    return channels


def _faded(marked: NDArray[np.bool_], spacing_zyx: Sequence[float]) -> NDArray[np.float32]:
    """Return 1 on the marks, falling to 0 at FALLOFF_MM from them."""
    from scipy.ndimage import distance_transform_edt

    faded = np.zeros(marked.shape, dtype=np.float32)
    hit = np.argwhere(marked)
    if hit.size == 0:
        return faded
    margin = np.ceil(FALLOFF_MM / np.asarray(spacing_zyx)).astype(int)
    lower, upper = np.maximum(hit.min(0) - margin, 0), hit.max(0) + margin + 1
    part = tuple(slice(lo, up) for lo, up in zip(lower, upper, strict=True))
    distance = distance_transform_edt(~marked[part], sampling=spacing_zyx)
    faded[part] = np.clip(1.0 - distance / FALLOFF_MM, 0.0, 1.0)
    return faded
