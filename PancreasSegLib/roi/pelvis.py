"""The iliac crests: where the pelvis begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan

_BESIDE_MM = 28.0  # half a vertebra and more: cuts the wings of the ilium off the sacrum
_BEHIND_MM = -30.0  # nothing further in front of the spine's centre: contrast medium in bowel
_LEAST_WING_ML = 40.0
_CREST_CM2 = 3.0
_CREST_TOP_MM = 60.0
_FLAT_SHARE = (
    0.26  # of its bounding box that a curved plate fills: at most 0.22 an iliac wing, at least 0.31 a kidney
)


@dataclass(frozen=True)
class Crests:
    """The iliac crests as far as they are in view.

    Attributes
    ----------
    level_mm : float
        Level of the lower one of both crests above the first slice, in mm.
    above_scan : bool
        Whether the iliac bones run out through the scan's top: a scan of the pelvis alone.
    """

    level_mm: float
    above_scan: bool


def iliac_crests(scan: CoarseScan, body: NDArray[np.bool_], spine: NDArray[np.int64]) -> Crests | None:
    """Find the iliac crests; None if the pelvis is not in view on both sides.

    On each side the lowest large piece of bone beside and behind the spine is the iliac bone; ribs are smaller,
    and enhancing kidneys, as bright but no curved plates, are refused.

    Parameters
    ----------
    scan : CoarseScan
        The coarse grid.
    body : ndarray of bool, shape (z, y, x)
        From `body_mask`.
    spine : ndarray of int, shape (z, 2)
        From `spine_path`.
    """
    dz, dy, dx = scan.spacing_zyx
    lateral = (np.arange(body.shape[2]) - spine[:, 1][:, None])[:, None, :] * dx
    posterior = (np.arange(body.shape[1]) - spine[:, 0][:, None])[:, :, None] * dy > _BEHIND_MM
    bone = (scan.hu > scan.intensities.bone_hu) & body & posterior
    levels = [_wing_top(bone & (side * lateral > _BESIDE_MM), scan) for side in (-1, 1)]
    found = [k for k in levels if k is not None]
    if len(found) < 2:
        return None
    k = min(found)
    return Crests(float(scan.position_mm(2)[k]), bool((body.shape[0] - 1 - k) * dz <= dz))


def _wing_top(bone: NDArray[np.bool_], scan: CoarseScan) -> int | None:
    """Return the slice of the crest of one iliac bone."""
    pieces, count = ndimage.label(bone)
    millilitres = np.bincount(pieces.ravel())[1:] * scan.voxel_ml
    extents = ndimage.find_objects(pieces)
    candidates = [n for n in range(count) if millilitres[n] >= _LEAST_WING_ML]
    dz = scan.spacing_zyx[0]
    for n in sorted(candidates, key=lambda n: extents[n][0].start):
        piece = pieces[extents[n]] == n + 1
        area = piece.sum(axis=(1, 2)) * scan.spacing_zyx[1] * scan.spacing_zyx[2] / 100.0
        wide = np.flatnonzero(area > _CREST_CM2)
        if wide.size == 0:
            continue
        stop = int(wide[-1]) + 1
        crest = piece[max(0, stop - round(_CREST_TOP_MM / dz)) : stop]
        hit = ndimage.find_objects(crest.astype(np.int8))[0]
        if crest.sum() <= _FLAT_SHARE * crest[hit].size:
            return int(extents[n][0].start) + stop - 1
    return None
