"""Masks made worse, as networks go wrong: parts left out, tissue beside the organ taken for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.bool_]


def spoilt(
    mask: Array,
    reference: Array,
    hu: NDArray[np.float32],
    spacing_zyx: tuple[float, float, float],
    rng: np.random.Generator,
) -> Array:
    """Take one or two parts out of a mask, or tissue of like HU beside the organ into it.

    Parameters
    ----------
    mask, reference : ndarray of bool, shape (z, y, x)
        What is spoilt, and the truth, which is not empty.
    hu : ndarray of float32, shape (z, y, x)
        The CT.
    spacing_zyx : tuple of 3 float
        Voxel spacing in mm.
    rng : Generator
        Source of all draws.
    """
    mask = mask.copy()
    for _ in range(int(rng.integers(1, 3))):
        if rng.random() < 0.5:
            inside = np.argwhere(reference)
            centre = inside[rng.integers(len(inside))]
            mask[_ball(mask.shape, centre, rng.uniform(8, 25), spacing_zyx)] = False
            continue
        near = ndimage.binary_dilation(reference, iterations=int(rng.integers(2, 6))) & ~reference
        places = np.argwhere(near)
        if not len(places):
            continue
        centre = places[rng.integers(len(places))]
        smooth = ndimage.uniform_filter(hu, (1, 3, 3))
        alike = np.abs(smooth - smooth[tuple(centre)]) < rng.uniform(15, 50)
        taken = _ball(mask.shape, centre, rng.uniform(8, 22), spacing_zyx) & alike & ~reference
        regions, _ = ndimage.label(taken)
        if regions[tuple(centre)]:
            mask |= regions == regions[tuple(centre)]
    return mask


def _ball(
    shape: tuple[int, ...],
    centre: NDArray[np.int64],
    radius_mm: float,
    spacing_zyx: tuple[float, float, float],
) -> Array:
    offsets = [(np.arange(n) - c) * s for n, c, s in zip(shape, centre, spacing_zyx, strict=True)]
    z, y, x = np.ix_(*offsets)
    return np.asarray(z**2 + y**2 + x**2 < radius_mm**2)
