"""What is left when all coarse errors are mended: how much of an error is a matter of the boundary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.metrics import dice
from PancreasSegLib.volume import Box

RIM_MM = 3.0
"""The tolerance of surface Dice that is usual for this organ; two or three pixels of a common CT."""


def rim_dice(
    mask: NDArray[np.bool_], reference: NDArray[np.bool_], spacing_zyx: Sequence[float], rim_mm: float = RIM_MM
) -> float:
    """Return the Dice of a mask after all errors further than `rim_mm` from the reference's surface are mended.

    It tells coarse errors from those of the boundary: how far the first alone can be to blame.

    Parameters
    ----------
    mask, reference : ndarray of bool, shape (z, y, x)
        On one grid.
    spacing_zyx : sequence of 3 float
        Voxel spacing in mm.
    rim_mm : float
        Errors up to this distance from the reference's surface stay.

    Examples
    --------
    >>> truth = np.zeros((20, 20, 20), bool); truth[5:15, 5:15, 5:15] = True
    >>> shifted = np.roll(truth, 2, axis=2)
    >>> rim_dice(shifted, truth, (1, 1, 1)), rim_dice(shifted, truth, (1, 1, 1), rim_mm=0.5)
    (0.8, 1.0)
    """
    from scipy.ndimage import distance_transform_edt

    box = Box.of_mask(mask | reference)
    if box is None or not reference.any():
        return 1.0 if box is None else 0.0
    # one voxel more on each side, so that the surface at the border of the crop is seen
    part, truth = (np.pad(array[box.slices_zyx], 1) for array in (mask, reference))
    depth = np.where(
        truth,
        distance_transform_edt(truth, sampling=spacing_zyx),
        distance_transform_edt(~truth, sampling=spacing_zyx),
    )
    mended = np.where((part != truth) & (depth > rim_mm), truth, part)
    return dice(mended, truth)
