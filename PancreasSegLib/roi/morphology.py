"""Opening in the axial plane by whole-array steps, far faster than general morphology on small kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def eroded(mask: Mask, *, square: bool = False) -> Mask:
    """Return a (z, y, x) mask without the voxels that touch its outside in the plane.

    The border of the array is no outside: a body cut off by the scanner's field keeps its cut face.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The mask.
    square : bool
        Whether diagonal neighbours count as touching.
    """
    along_y = mask.copy()
    along_y[:, 1:] &= mask[:, :-1]
    along_y[:, :-1] &= mask[:, 1:]
    base = along_y if square else mask
    result = along_y.copy()
    result[:, :, 1:] &= base[:, :, :-1]
    result[:, :, :-1] &= base[:, :, 1:]
    return result


def dilated(mask: Mask, *, square: bool = False) -> Mask:
    """Return a (z, y, x) mask with the voxels that touch it in the plane; see `eroded`."""
    return ~eroded(~mask, square=square)


def opened(mask: Mask, *, square: bool = False) -> Mask:
    """Return a (z, y, x) mask without what is thinner than three voxels in the plane; see `eroded`."""
    return dilated(eroded(mask, square=square), square=square)
