"""From the probability on a stage's grid to a mask on the CT's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Geometry, resample

_SLAB_VOXELS = 1 << 21


def restore_mask(
    probabilities: NDArray[np.float32],
    grid: Geometry,
    mask: NDArray[np.uint8],
    ct: Geometry,
    *,
    values: tuple[int, ...],
    threshold: float,
    allowed: Box,
    on_work: Callable[[float], None],
) -> None:
    """Interpolate probabilities to the CT's grid and write the labels into a mask.

    Only the box that can hold the organ is interpolated, a few slices at a time, so that no float array of the
    CT's size ever exists. With one label a voxel needs `threshold`; with several it takes the likeliest of the
    labels and the background.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (labels, z, y, x)
        Foreground probabilities on `grid`.
    grid, ct : Geometry
        Grids with the same axes.
    mask : ndarray of uint8, shape (z, y, x) of `ct`
        Written in place; a view on an array with other axes will do.
    values : tuple of int
        Mask value of each label.
    threshold : float
        Of a single label.
    allowed : Box
        Part of the CT that may be written.
    on_work : callable
        Takes the share done, after every slab; may raise to stop.
    """
    likely = Box.of_mask(probabilities.max(axis=0) >= min(threshold, 1.0 / (1 + len(values))))
    if likely is None:
        return
    box = likely.grown(grid.spacing_mm, grid).on_grid(grid, ct)
    lower = np.maximum(box.lower_ijk, allowed.lower_ijk)
    upper = np.minimum(box.upper_ijk, allowed.upper_ijk)
    if (upper <= lower).any():
        return
    box = Box(tuple(lower), tuple(upper))
    nx, ny, nz = box.size_ijk
    step = max(1, _SLAB_VOXELS // (nx * ny))
    for start in range(0, nz, step):
        stop = min(nz, start + step)
        z0 = box.lower_ijk[2]
        slab = Box(
            (box.lower_ijk[0], box.lower_ijk[1], z0 + start), (box.upper_ijk[0], box.upper_ijk[1], z0 + stop)
        )
        fine = resample(probabilities, grid, slab.geometry(ct))
        mask[slab.slices_zyx] = _labelled(fine, values, threshold)
        on_work(stop / nz)


def _labelled(fine: NDArray[np.float32], values: tuple[int, ...], threshold: float) -> NDArray[np.uint8]:
    if len(values) == 1:
        return np.where(fine[0] >= threshold, values[0], 0).astype(np.uint8)
    background = 1.0 - fine.sum(axis=0, keepdims=True)
    likeliest = np.concatenate([background, fine]).argmax(axis=0)
    result: NDArray[np.uint8] = np.asarray((0, *values), dtype=np.uint8)[likeliest]
    return result
