"""Lungs and the level of the diaphragm's dome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.morphology import opened

_LEAST_LUNG_ML = 40.0
_LARGE_GAS_ML = 600.0  # more than bowel gas in one piece, so a lung that ends below the scan's top
_TOP_MM = 12.0
_LEAST_BEHIND = 0.02  # share of a lung behind the spine's centre; bowel gas has none
_CORE_MM = (35.0, 115.0)  # columns beside the spine that cross the dome but not the heart
_COMPLETE_SHARE = 0.5  # of the body beside the spine is lung once the dome is passed; at most 0.45 below it


@dataclass(frozen=True)
class Hemithorax:
    """One lung as far as it is in view.

    Attributes
    ----------
    volume_ml : float
        Gas-filled volume in view.
    base_mm : float or None
        Level of the lowest lung behind the spine's centre, above the first slice, in mm.
    dome_mm : float or None
        Level of the diaphragm's dome, None if it is not in view.
    below_scan : bool
        Whether the lung runs out through the scan's bottom: no abdomen on this side.
    """

    volume_ml: float
    base_mm: float | None
    dome_mm: float | None
    below_scan: bool


def lung_mask(scan: CoarseScan, body: NDArray[np.bool_], spine: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """Return the lungs, shape (z, y, x) of the coarse grid.

    Lungs are gas inside the body that reaches the top of the scan (or is larger than any bowel gas) and lies
    partly behind the spine's centre, where bowel never is. Where intensities were clipped, lung, bowel gas and
    room air share one value, so position and size alone decide.
    """
    gas = (scan.hu < scan.intensities.gas_hu) & body
    gas = opened(gas, square=True)
    pieces, count = ndimage.label(gas)
    lungs = np.zeros(count + 1, dtype=bool)
    if count == 0:
        return gas
    millilitres = np.bincount(pieces.ravel()) * scan.voxel_ml
    top = max(1, round(_TOP_MM / scan.spacing_zyx[0]))
    at_top = np.zeros(count + 1, dtype=bool)
    at_top[np.unique(pieces[-top:])] = True
    behind = _behind_share(pieces, count, spine, body)
    lungs |= (millilitres >= _LEAST_LUNG_ML) & at_top & (behind >= _LEAST_BEHIND)
    lungs |= (millilitres >= _LARGE_GAS_ML) & (behind >= _LEAST_BEHIND)
    lungs[0] = False
    result: NDArray[np.bool_] = lungs[pieces]
    return result


def _behind_share(
    pieces: NDArray[np.int32], count: int, spine: NDArray[np.int64] | None, body: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return, for each piece, the share of its voxels behind the spine's centre (or the body's middle)."""
    rows = np.arange(pieces.shape[1])
    if spine is None:
        inside = np.flatnonzero(body.any(axis=(0, 2)))
        behind = np.broadcast_to(rows > inside[0] + 0.65 * (inside[-1] - inside[0]), pieces.shape[:2])
    else:
        behind = rows[None, :] > spine[:, 0][:, None]
    total = np.bincount(pieces.ravel(), minlength=count + 1)
    rear = np.bincount((pieces * behind[:, :, None]).ravel(), minlength=count + 1)
    share: NDArray[np.float64] = rear / np.maximum(total, 1)
    return share


def hemithorax(
    scan: CoarseScan,
    body: NDArray[np.bool_],
    lungs: NDArray[np.bool_],
    centre_yx: tuple[float, float],
    side: int,
) -> Hemithorax | None:
    """Measure one lung; None if it is not in view.

    Parameters
    ----------
    scan : CoarseScan
        The coarse grid.
    body, lungs : ndarray of bool, shape (z, y, x)
        From `body_mask` and `lung_mask`.
    centre_yx : tuple of float
        Centre of the thoracic spine in coarse voxels.
    side : {-1, 1}
        -1 the right lung, 1 the left.

    Notes
    -----
    The dome is the 85th percentile, over the columns beside the spine, of the lowest lung voxel. On the right side
    it lies within 15 mm of the liver's highest point in every training case (the heart disturbs the left side).
    """
    lateral = side * (np.arange(lungs.shape[2]) - centre_yx[1]) * scan.spacing_zyx[2]
    lung = lungs & (lateral > 0)
    volume = float(lung.sum()) * scan.voxel_ml
    if volume < _LEAST_LUNG_ML:
        return None
    levels = scan.position_mm(2)
    behind = lung[:, round(centre_yx[0]) :].any(axis=(1, 2))
    base = float(levels[int(behind.argmax())]) if behind.any() else None
    core = (lateral > _CORE_MM[0]) & (lateral < _CORE_MM[1])
    columns = lung[:, :, core]
    seen = columns.any(axis=0)
    if not seen.any():
        return Hemithorax(volume, base, None, False)
    below = float(np.mean(columns[0][seen])) > 0.5
    share = columns.sum(axis=(1, 2)) / np.maximum(body[:, :, core].sum(axis=(1, 2)), 1)
    # Below the dome's top the lung is a crescent around the liver: the dome is above the scan, its level unknown.
    complete = float(share.max()) >= _COMPLETE_SHARE
    lowest = levels[columns.argmax(axis=0)[seen]]
    dome = float(np.percentile(lowest, 85)) if complete and not below else None
    return Hemithorax(volume, base, dome, below)
