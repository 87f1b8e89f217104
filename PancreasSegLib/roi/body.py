"""The patient's body without table, bedding and air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.morphology import dilated, opened

_PLANE = ndimage.generate_binary_structure(3, 1)
_PLANE[[0, 2]] = False  # a cross in the axial plane
_LEAST_BODY_ML = 100.0


def body_mask(scan: CoarseScan) -> NDArray[np.bool_]:
    """Return the body with the gas and lung in it, shape (z, y, x) of the coarse grid; empty if there is none.

    Thin shells (table, cushions, wires) are opened away, the largest piece is kept and restored to its own edge,
    and every axial slice is filled.
    """
    dense = scan.hu > scan.intensities.body_hu
    pieces, count = ndimage.label(opened(dense))
    if count == 0:
        return np.zeros_like(dense)
    sizes = np.bincount(pieces.ravel())[1:]
    if sizes.max() * scan.voxel_ml < _LEAST_BODY_ML:
        return np.zeros_like(dense)
    body = pieces == 1 + int(np.argmax(sizes))
    return filled_slices(dilated(body) & dense)


def filled_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a (z, y, x) mask with the holes of every axial slice filled."""
    outside = ndimage.label(np.pad(~mask, ((0, 0), (1, 1), (1, 1)), constant_values=True), _PLANE)[0]
    # Pieces of the background are labelled slice by slice; those that hold the slice's corner are outside.
    edge = np.zeros(int(outside.max()) + 1, dtype=bool)
    edge[outside[:, 0, 0]] = True
    filled: NDArray[np.bool_] = ~edge[outside][:, 1:-1, 1:-1]
    return filled
