"""Signed distances of simple solids, in mm, negative inside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from PancreasSegLib.phantom.canvas import Array, Canvas, Slices

FAR_MM = 60.0
_COARSE_MM = 2.4


def ellipsoid(
    x: Array,
    y: Array,
    z: Array,
    centre: Sequence[float] | NDArray,
    radii: Sequence[float],
    axes: NDArray | None = None,
) -> Array:
    """Return the approximate distance to an ellipsoid (first order: value over gradient).

    Parameters
    ----------
    x, y, z : ndarray of float32
        Coordinates in mm.
    centre, radii : sequence of 3 float
        In mm.
    axes : ndarray, shape (3, 3), optional
        Rows are the directions of the radii; default x, y, z.
    """
    p = [
        x - np.float32(centre[0]),
        y - np.float32(centre[1]),
        z - np.float32(centre[2]),
    ]
    if axes is not None:
        a = np.asarray(axes, dtype=np.float32)
        p = [a[r, 0] * p[0] + a[r, 1] * p[1] + a[r, 2] * p[2] for r in range(3)]
    value = np.zeros_like(p[0])
    slope = np.full_like(p[0], 1e-9)
    for part, radius in zip(p, radii, strict=True):
        scaled = (part / np.float32(radius)) ** 2
        value += scaled
        slope += scaled / np.float32(radius) ** 2
    value = np.sqrt(value)
    return value * (value - 1) / np.sqrt(slope)


def piecewise(value: Array | float, at: Sequence[float] | NDArray, become: Sequence[float] | NDArray) -> Array:
    """Interpolate linearly between knots, to the nearest mm: several times faster than ``np.interp`` on a grid."""
    low, high = float(at[0]), float(at[-1])
    table = np.interp(np.arange(low, high + 1.0), at, become).astype(np.float32)
    cell = np.asarray(value, dtype=np.float32) - np.float32(low - 0.5)
    return table[np.clip(cell, 0, len(table) - 1).astype(np.int32)]


def smooth_union(first: Array, second: Array, width_mm: float) -> Array:
    """Return the union of two solids with their joint rounded over `width_mm`."""
    blend = np.clip(0.5 + 0.5 * (second - first) / np.float32(width_mm), 0, 1)
    return second + blend * (first - second) - np.float32(width_mm) * blend * (1 - blend)


def smooth_intersection(first: Array, second: Array, width_mm: float) -> Array:
    """Return the intersection of two solids with its edge rounded over `width_mm`."""
    return -smooth_union(-first, -second, width_mm)


def curve(points: ArrayLike, step_mm: float = 5.0) -> NDArray[np.float64]:
    """Return points about `step_mm` apart on a smooth curve through `points`.

    Parameters
    ----------
    points : array_like, shape (n, m)
        Columns x, y, z and any further values (a radius), interpolated alike.
    step_mm : float
        Spacing on the curve in mm.
    """
    points = np.asarray(points, dtype=np.float64)
    length = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1))]
    count = max(2, int(np.ceil(length[-1] / step_mm)) + 1)
    at = np.linspace(0, length[-1], count)
    if len(points) == 2:
        return np.stack([np.interp(at, length, column) for column in points.T], axis=1)
    return CubicSpline(length, points, bc_type="natural")(at)


def tube(
    canvas: Canvas,
    points: ArrayLike,
    reach_mm: float = 4.0,
    stretch: Sequence[float] = (1.0, 1.0, 1.0),
) -> tuple[Slices, Array] | None:
    """Return the distance to a tube of changing radius along a polyline.

    Parameters
    ----------
    canvas : Canvas
        The grid.
    points : array_like, shape (n, 4)
        x, y, z and radius of each vertex, in mm.
    reach_mm : float
        How far outside the tube distances are wanted; farther voxels get a large value.
    stretch : sequence of 3 float
        Elongation of the cross-section along x, y and z (1 is round).

    Returns
    -------
    (slices, ndarray of float32) or None
        None where the tube is off the grid.
    """
    points = np.asarray(points, dtype=np.float64)
    if max(canvas.geometry.spacing_mm[:2]) > _COARSE_MM and len(points) > 8:
        points = np.vstack([points[:-1:2], points[-1:]])  # shorter pieces than the voxels can show
    stretched = np.asarray(stretch, dtype=np.float64)
    widest = float(points[:, 3].max() * stretched.max())
    index = canvas.to_index(points[:, :3])
    part = canvas.bounds(index, widest + reach_mm)
    if part is None:
        return None
    x, y, z = canvas.at(part)
    result = np.full(x.shape, FAR_MM, dtype=np.float32)
    radius = np.maximum(points[:-1, 3], points[1:, 3]) * stretched.max()
    corner = np.array([part[2].start, part[1].start, part[0].start])
    margin = canvas.margin(radius[:, None] + reach_mm)
    lower = np.maximum(np.floor(np.minimum(index[:-1], index[1:]) - margin) - corner, 0).astype(int).tolist()
    upper = np.maximum(np.ceil(np.maximum(index[:-1], index[1:]) + margin) + 1 - corner, 0).astype(int).tolist()
    for (start, stop), (i0, j0, k0), (i1, j1, k1) in zip(pairwise(points), lower, upper, strict=True):
        local = (slice(k0, k1), slice(j0, j1), slice(i0, i1))
        here = result[local]
        if here.size:
            np.minimum(
                here,
                capsule(x[local], y[local], z[local], start, stop, stretched),
                out=here,
            )
    return part, result


def capsule(x: Array, y: Array, z: Array, start: NDArray, stop: NDArray, stretch: NDArray) -> Array:
    """Return the distance to one segment with a radius at each end, in stretched space."""
    along = ((stop[:3] - start[:3]) / stretch).astype(np.float32)
    squared = float(along @ along) + 1e-6
    px = (x - np.float32(start[0])) / np.float32(stretch[0])
    py = (y - np.float32(start[1])) / np.float32(stretch[1])
    pz = (z - np.float32(start[2])) / np.float32(stretch[2])
    t = np.clip((px * along[0] + py * along[1] + pz * along[2]) / np.float32(squared), 0, 1)
    px -= t * along[0]
    py -= t * along[1]
    pz -= t * along[2]
    return np.sqrt(px * px + py * py + pz * pz) - (np.float32(start[3]) + t * np.float32(stop[3] - start[3]))


def frame(direction: Sequence[float]) -> NDArray[np.float64]:
    """Return three orthonormal rows, the first along `direction`."""
    first = np.asarray(direction, dtype=np.float64)
    first = first / np.linalg.norm(first)
    helper = np.eye(3)[np.argmin(np.abs(first))]
    second = np.cross(first, helper)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
