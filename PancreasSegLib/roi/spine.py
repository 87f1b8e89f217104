"""The spine: the brightest unbroken column of bone from the bottom of the scan to its top."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan

_VERTEBRA_MM = 14.0  # standard deviation of the blur that turns a vertebra into one blob, wider than an aorta
_SATURATION_HU = 150.0  # above the bone threshold: dense bone and metal count no more than ordinary bone
_LEAST_DENSITY = 0.12
_STEP_COST = 0.03
_MEDIAL_MM = 60.0  # how far a spine may stray from the middle of the body before it costs as much as bone gains
_OFF_PLACE_COST = 0.5
_DEPTH = (
    0.40,
    0.60,
)  # share of the way from front to back: no spine before the first, none to pay after the second


_MOVES = [(dy, dx, _STEP_COST * (dy * dy + dx * dx)) for dy in (0, -1, 1) for dx in (0, -1, 1)]


def spine_path(scan: CoarseScan, body: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Return the column's centre (y, x) in every slice, shape (z, 2), in coarse voxels; None without a spine.

    The path maximises the blurred bone density summed over all slices and moves by at most one voxel a slice
    (dynamic programming), so contrast medium in bowel or vessels, bright in a few slices or thin, cannot lead it
    astray.
    """
    density = np.clip((scan.hu - scan.intensities.bone_hu) / _SATURATION_HU, 0.0, 1.0) * body
    sigma = [_VERTEBRA_MM / mm for mm in scan.spacing_zyx]
    density = ndimage.gaussian_filter(density, (0.0, sigma[1], sigma[2]), mode="constant", truncate=2.5)
    path = _best_path(density - _OFF_PLACE_COST * _improbability(scan, body))
    along = density[np.arange(len(path)), path[:, 0], path[:, 1]]
    if float(np.percentile(along, 80)) < _LEAST_DENSITY:  # not the median: below the sacrum there is no spine
        return None
    return path


def _best_path(gain: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the (y, x) in every slice that maximises the sum of `gain` less the cost of sideways steps."""
    slices, rows, columns = gain.shape
    score = gain[0]
    came_from = np.zeros(gain.shape, dtype=np.int8)
    for k in range(1, slices):
        padded = np.pad(score, 1, constant_values=-np.inf)
        best = padded[1:-1, 1:-1]
        for n, (dy, dx, cost) in enumerate(_MOVES[1:], start=1):
            other = padded[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns] - cost
            better = other > best
            came_from[k][better] = n
            best = np.where(better, other, best)
        score = best + gain[k]
    path = np.empty((slices, 2), dtype=np.int64)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    for k in range(slices - 1, -1, -1):
        path[k] = y, x
        dy, dx, _ = _MOVES[came_from[k, y, x]]
        y, x = y + dy, x + dx
    return path


def _improbability(scan: CoarseScan, body: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return 0 where a spine lies in an ordinary patient to 1 and more where it cannot: lateral, or anterior."""
    slices, rows, columns = body.shape
    inside = np.flatnonzero(body.any(axis=(0, 1)))
    middle = np.full(slices, 0.5 * (inside[0] + inside[-1]))
    across = (np.arange(columns) - middle[:, None]) * scan.spacing_zyx[2] / _MEDIAL_MM
    lateral = np.minimum(across**2, 4.0)
    trunk = np.any(body, axis=2)
    present = np.any(body, axis=(1, 2))
    front = np.where(present, trunk.argmax(axis=1), 0)
    back = np.where(present, rows - 1 - trunk[:, ::-1].argmax(axis=1), rows - 1)
    depth = (np.arange(rows) - front[:, None]) / np.maximum(back - front, 1)[:, None]
    anterior = np.clip((_DEPTH[1] - depth) / (_DEPTH[1] - _DEPTH[0]), 0.0, 2.0)
    result: NDArray[np.float32] = (lateral[:, None, :] + anterior[:, :, None]).astype(np.float32)
    return result
