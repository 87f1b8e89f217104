"""Resample between grids that share their axes: separable, anti-aliased, multi-threaded by BLAS.

The pipeline only ever crops, reorders and rescales, so one small weight matrix an axis does all of it, an order of
magnitude faster than a general interpolator, and never holds a full-size float array.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume.geometry import Geometry

_SLAB_VOXELS = 1 << 23  # float32 slab of at most 32 MB while the x and y axes are done


def geometry_with_spacing(geometry: Geometry, spacing_mm: Sequence[float]) -> Geometry:
    """Return the grid of the same box in space at another spacing (mm along i, j, k).

    The outer faces of the first voxels coincide; the far faces differ by less than half a new voxel.
    """
    old, new = np.asarray(geometry.spacing_mm), np.asarray(spacing_mm, dtype=float)
    size = np.maximum(1, np.round(np.asarray(geometry.size_ijk) * old / new)).astype(int)
    first = 0.5 * new / old - 0.5
    return Geometry(tuple(size), tuple(new), tuple(geometry.index_to_lps(first)), geometry.direction_lps)


def resample(
    voxels: NDArray,
    source: Geometry,
    target: Geometry,
    *,
    order: int = 1,
    antialias: bool = True,
) -> NDArray:
    """Interpolate an array from one grid to another with parallel axes.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x) or (c, z, y, x)
        Values on the `source` grid.
    source, target : Geometry
        Grids whose axes are parallel and equally ordered; target voxels outside the source take the edge value.
    order : {0, 1}
        0 takes the nearest voxel (labels; the dtype is kept), 1 is linear (float32 result).
    antialias : bool
        With order 1, widen the triangular kernel where the target is coarser, so that noise is averaged.

    Returns
    -------
    ndarray, shape of `target` (with the channels of `voxels`)

    Raises
    ------
    GeometryError
        If the axes of the grids are not parallel and equally ordered.
    """
    scale, offset = _axis_affine(source, target)
    if order == 0:
        indices = [
            np.clip(np.floor(scale[a] * np.arange(target.size_ijk[a]) + offset[a] + 0.5), 0, n - 1).astype(int)
            for a, n in enumerate(source.size_ijk)
        ]
        return voxels[..., indices[2][:, None, None], indices[1][None, :, None], indices[0][None, None, :]]
    wx, wy, wz = (
        _weights(source.size_ijk[a], target.size_ijk[a], scale[a], offset[a], antialias) for a in range(3)
    )
    if voxels.ndim == 4:
        return np.stack([_apply(channel, wx, wy, wz) for channel in voxels])
    return _apply(voxels, wx, wy, wz)


def _axis_affine(source: Geometry, target: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and offset so that source index = scale * target index + offset, along i, j, k."""
    if not np.allclose(source.matrix, target.matrix, atol=1e-3):
        raise GeometryError("The axes of the two grids are not parallel, so one cannot be resampled to the other.")
    offset = source.lps_to_index(target.origin_lps)
    return np.asarray(target.spacing_mm) / np.asarray(source.spacing_mm), np.asarray(offset)


def _weights(n_in: int, n_out: int, scale: float, offset: float, antialias: bool) -> NDArray[np.float32]:
    """Return the (n_out, n_in) matrix of a triangular kernel, edge voxels repeated outside."""
    centre = scale * np.arange(n_out) + offset
    width = max(1.0, scale) if antialias else 1.0
    reach = int(np.ceil(width))
    first = np.floor(centre).astype(int) - reach
    taps = first[:, None] + np.arange(2 * reach + 2)[None, :]
    weight = np.clip(1.0 - np.abs(taps - centre[:, None]) / width, 0.0, None)
    weight /= weight.sum(axis=1, keepdims=True)
    matrix = np.zeros((n_out, n_in), dtype=np.float64)
    rows = np.broadcast_to(np.arange(n_out)[:, None], taps.shape)
    np.add.at(matrix, (rows, np.clip(taps, 0, n_in - 1)), weight)
    return matrix.astype(np.float32)


def _apply(
    voxels: NDArray, wx: NDArray[np.float32], wy: NDArray[np.float32], wz: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Apply the matrices of the three axes to a (z, y, x) array, in-plane slab by slab, then along z."""
    used = np.flatnonzero(wz.any(axis=0))
    z0, z1 = int(used[0]), int(used[-1]) + 1
    plane = np.empty((z1 - z0, wy.shape[0], wx.shape[0]), dtype=np.float32)
    y_used, x_used = np.flatnonzero(wy.any(axis=0)), np.flatnonzero(wx.any(axis=0))
    ys, xs = slice(y_used[0], y_used[-1] + 1), slice(x_used[0], x_used[-1] + 1)
    wy, wx_t = np.ascontiguousarray(wy[:, ys]), np.ascontiguousarray(wx[:, xs].T)
    slab = max(1, _SLAB_VOXELS // max(1, (ys.stop - ys.start) * (xs.stop - xs.start)))
    for start in range(z0, z1, slab):
        stop = min(z1, start + slab)
        part = voxels[start:stop, ys, xs].astype(np.float32)
        plane[start - z0 : stop - z0] = wy @ (part @ wx_t)
    result = np.ascontiguousarray(wz[:, z0:z1]) @ plane.reshape(z1 - z0, -1)
    return result.reshape(wz.shape[0], wy.shape[0], wx.shape[0])
