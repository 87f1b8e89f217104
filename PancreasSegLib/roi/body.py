"""The patient's body without table, bedding and air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.morphology import dilated, eroded, opened

_PLANE = ndimage.generate_binary_structure(3, 1)
_PLANE[[0, 2]] = False  # a cross in the axial plane
_LEAST_BODY_ML = 100.0
_RESTORED = 3  # voxels
_CUT_MM = 160.0  # a chest wall cut by the field of view opens no wider


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
    for _ in range(_RESTORED):
        body = dilated(body) & dense
    # The wall of a lean chest is thinner than what the opening keeps: close the gaps, or the lungs lie open.
    closed = eroded(eroded(dilated(dilated(body))))
    return filled_slices(closed, _CUT_MM / scan.spacing_zyx[1])


def filled_slices(mask: NDArray[np.bool_], cut: float = 0.0) -> NDArray[np.bool_]:
    """Return a (z, y, x) mask with the holes of every axial slice filled.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The body.
    cut : float
        Gaps up to this many voxels between body and body along the array's edge count as inside: where the field
        of view cuts through the chest, the lung is open to the edge.
    """
    closed = mask.copy()
    for edge in (closed[:, 0], closed[:, -1], closed[:, :, 0], closed[:, :, -1]):
        edge |= _bridged(edge, cut)
    outside = ndimage.label(np.pad(~closed, ((0, 0), (1, 1), (1, 1)), constant_values=True), _PLANE)[0]
    # Pieces of the background are labelled slice by slice; those that hold the slice's corner are outside.
    edge = np.zeros(int(outside.max()) + 1, dtype=bool)
    edge[outside[:, 0, 0]] = True
    filled: NDArray[np.bool_] = ~edge[outside][:, 1:-1, 1:-1]
    return filled


def _bridged(edge: NDArray[np.bool_], cut: float) -> NDArray[np.bool_]:
    """Return the gaps of at most `cut` voxels between set voxels along the last axis, shape (z, n)."""
    position = np.arange(edge.shape[1])
    before = np.maximum.accumulate(np.where(edge, position, -np.inf), axis=1)
    after = np.minimum.accumulate(np.where(edge, position, np.inf)[:, ::-1], axis=1)[:, ::-1]
    gap: NDArray[np.bool_] = (after - before) <= cut + 1
    return gap


def edge_share(body: NDArray[np.bool_]) -> float:
    """Return the share of the in-plane edge of the scan that lies in the body, 1 for a scan cropped inside it."""
    edge = np.concatenate([body[:, 0], body[:, -1], body[:, :, 0], body[:, :, -1]], axis=1)
    return float(edge.mean())
