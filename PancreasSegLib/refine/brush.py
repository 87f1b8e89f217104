"""Which voxels a round brush covers on its way: a ball, or a disc in a slice at any angle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Geometry

_THIN = 0.1
"""Points that lie closer than this part of the radius are one: a slow hand gives hundreds."""


def brushed(
    points: NDArray[np.float64], geometry: Geometry, radius_mm: float, normal: NDArray[np.float64] | None = None
) -> tuple[Box, NDArray[np.bool_]] | None:
    """Return the voxels that a brush covers along a line, with the box that they are cut to; None without any.

    The voxels under the line are marked however small the brush is. Those of a disc are the ones that its slice
    passes through, so that every place of a slice view is marked.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Where the brush went, LPS in mm; one is a dab.
    geometry : Geometry
        The CT's grid.
    radius_mm : float
        Of the brush.
    normal : ndarray, shape (3,), optional
        Unit normal (LPS) of the slice that a disc is drawn on; a ball without it.
    """
    spacing = np.asarray(geometry.spacing_mm)
    share = np.ones(3)  # of the radius along each axis of the grid
    if normal is not None:
        share = np.sqrt(np.clip(1 - (geometry.matrix.T @ normal) ** 2, 0, 1))
    reach = radius_mm * share / spacing + 1.0
    around = _around(geometry.lps_to_index(points), reach, geometry)
    if around is None:
        return None
    voxels = np.zeros(around.size_ijk[::-1], dtype=bool)
    for start, end in pairwise(_thinned(points, _THIN * radius_mm)):
        part = _around(geometry.lps_to_index(np.stack([start, end])), reach, geometry)
        if part is not None:
            voxels[part.slices_in(around)] |= _covered(part, start, end, normal, geometry, radius_mm)
    under = np.round(geometry.lps_to_index(_dense(points, 0.5 * float(spacing.min())))).astype(int)
    lower, upper = around.lower_ijk, around.upper_ijk
    i, j, k = (under[((under >= lower) & (under < upper)).all(1)] - lower).T
    voxels[k, j, i] = True
    return (around, voxels) if voxels.any() else None


def _around(index: NDArray[np.float64], reach: NDArray[np.float64], geometry: Geometry) -> Box | None:
    """Return the box around voxel indices, None where it lies beside the grid."""
    lower = np.maximum(np.floor(index.min(0) - reach).astype(int), 0)
    upper = np.minimum(np.ceil(index.max(0) + reach).astype(int) + 1, geometry.size_ijk)
    return Box(tuple(lower), tuple(upper)) if (upper > lower).all() else None


def _covered(
    box: Box,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    normal: NDArray[np.float64] | None,
    geometry: Geometry,
    radius_mm: float,
) -> NDArray[np.bool_]:
    """Return which voxels of a box a brush covers that goes straight from one place to another."""
    steps = geometry.matrix * np.asarray(geometry.spacing_mm)
    z, y, x = np.ogrid[box.slices_zyx]
    first = geometry.index_to_lps((0.0, 0.0, 0.0)) - start
    offset = first + x[..., None] * steps[:, 0] + y[..., None] * steps[:, 1] + z[..., None] * steps[:, 2]
    way = end - start
    along = np.clip(offset @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    beside = offset - along[..., None] * way
    if normal is None:
        return (beside**2).sum(axis=-1) <= radius_mm**2
    height = offset @ normal
    beside -= height[..., None] * normal
    half = 0.5 * float(np.abs(steps.T @ normal).sum())
    return (height > -half) & (height <= half) & ((beside**2).sum(axis=-1) <= radius_mm**2)


def _thinned(points: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Return the first point, those at least `step_mm` further along, and the last: two or more."""
    kept = [points[0]]
    for point in points[1:-1]:
        if np.linalg.norm(point - kept[-1]) >= step_mm:
            kept.append(point)
    return np.array([*kept, points[-1]])


def _dense(points: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Return the points of a line no further than `step_mm` from each other."""
    parts = [points[:1]]
    for start, end in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / step_mm)))
        parts.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)
