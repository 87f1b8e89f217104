"""Small holes in a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.volume import Box, Geometry


def filled_holes(mask: NDArray[np.bool_], geometry: Geometry, largest_ml: float = 0.5) -> NDArray[np.bool_]:
    """Fill cavities that are closed on all sides and small; larger ones may be cysts and stay.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The organ.
    geometry : Geometry
        Its grid.
    largest_ml : float
        Cavities above this volume are left alone.

    Returns
    -------
    ndarray of bool, shape (z, y, x)

    Examples
    --------
    >>> mask = np.ones((5, 5, 5), bool)
    >>> mask[2, 2, 2] = False
    >>> bool(filled_holes(mask, Geometry((5, 5, 5), (1.0, 1.0, 1.0))).all())
    True
    """
    result = mask.copy()
    box = Box.of_mask(mask)
    if box is None:
        return result
    part = mask[box.slices_zyx]
    holes, count = ndimage.label(ndimage.binary_fill_holes(part) & ~part)
    if count:
        volume_ml = np.bincount(holes.ravel()) * geometry.voxel_volume_ml
        small = volume_ml <= largest_ml
        small[0] = False
        result[box.slices_zyx] |= small[holes]
    return result
