"""The grids that nnU-Net and MONAI lay over a scan, and how they interpolate to them and back, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.package import Stage
from PancreasSegLib.volume import Box, Geometry

Matrix = NDArray[np.float32]

_ANISOTROPIC = 3.0  # nnU-Net interpolates slices by themselves from this ratio of spacings on
_LOWEST = 1e-8


@dataclass(frozen=True)
class OriginalGrid:
    """A scan's grid and that of the network, along the network's axes.

    Interpolation is linear in the voxels and separable, so that a matrix an axis does all of it.

    Attributes
    ----------
    shape : tuple of 3 int
        Voxels of the network's grid.
    spacing_mm : tuple of 3 float
        Of the network's grid, as it really is.
    first : tuple of 3 float
        Its first voxel's centre, as an index of the scan's.
    to_network : tuple of 3 ndarray, shape (voxels of the grid, voxels of the scan)
        Interpolation of HU.
    to_scan : tuple of 3 ndarray, shape (voxels of the scan, voxels of the grid)
        Interpolation of scores.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    first: tuple[float, ...]
    to_network: tuple[Matrix, ...]
    to_scan: tuple[Matrix, ...]


def nnunet_grid(scan: Sequence[int], scan_mm: Sequence[float], wanted_mm: Sequence[float]) -> OriginalGrid:
    """Lay nnU-Net's grid over a scan: the outer faces coincide, so that the spacing is only nearly the wanted.

    Cubic splines bring HU there and a linear interpolation brings scores back; across thick slices the nearest is
    taken instead.
    """
    shape = [round(mm / new * n) for n, mm, new in zip(scan, scan_mm, wanted_mm, strict=True)]
    apart = _apart(scan_mm, wanted_mm)
    back = _apart(wanted_mm, scan_mm)
    return OriginalGrid(
        tuple(shape),
        tuple(n * mm / new for n, mm, new in zip(scan, scan_mm, shape, strict=True)),
        tuple(0.5 * n / new - 0.5 for n, new in zip(scan, shape, strict=True)),
        tuple(_faces(n, new, 0 if a == apart else 3) for a, (n, new) in enumerate(zip(scan, shape, strict=True))),
        tuple(_faces(new, n, 0 if a == back else 1) for a, (n, new) in enumerate(zip(scan, shape, strict=True))),
    )


def _apart(spacing_mm: Sequence[float], other_mm: Sequence[float]) -> int | None:
    """Return the axis that nnU-Net interpolates by itself, None if there is none."""
    for spacing in (spacing_mm, other_mm):
        if max(spacing) / min(spacing) > _ANISOTROPIC:
            coarse = [axis for axis, mm in enumerate(spacing) if mm == max(spacing)]
            return coarse[0] if len(coarse) == 1 else None
    return None


def _faces(n_in: int, n_out: int, order: int) -> Matrix:
    """Return the matrix of an interpolation between grids whose outer faces coincide, as scikit-image does it."""
    if n_in == n_out:
        return np.eye(n_in, dtype=np.float32)
    if order == 0:
        nearest = np.floor((np.arange(n_out) + 0.5) * n_in / n_out).astype(int)
        return np.eye(n_in, dtype=np.float32)[np.clip(nearest, 0, n_in - 1)]
    from scipy.ndimage import zoom

    units = np.eye(n_in)
    matrix = zoom(units, (n_out / n_in, 1.0), order=order, mode="nearest", grid_mode=True)
    result: Matrix = matrix.astype(np.float32)
    return result


def monai_grid(
    scan: Sequence[int], scan_mm: Sequence[float], wanted_mm: Sequence[float], steps_mm: NDArray[np.float64]
) -> OriginalGrid:
    """Lay MONAI's grid over a scan: the first voxels' centres coincide, and the spacing is the wanted one.

    Where no corner of the scan has the lowest index along all axes of the grid, to 1e-8, the middles coincide
    instead (``monai.data.utils.compute_shape_offset``): the axes of an oblique scan, in the single precision of a
    NIfTI file, are often not quite at right angles.

    Linear both ways, the outermost voxels going on beyond.

    Parameters
    ----------
    scan : sequence of 3 int
        Voxels of the scan along the network's axes.
    scan_mm, wanted_mm : sequence of 3 float
        Spacings.
    steps_mm : ndarray, shape (3, 3)
        In its columns the way in mm from a voxel of the scan to the next along each axis.
    """
    shape = [round((n - 1) * mm / new) + 1 for n, mm, new in zip(scan, scan_mm, wanted_mm, strict=True)]
    ratios = [new / mm for mm, new in zip(scan_mm, wanted_mm, strict=True)]
    first = [0.0, 0.0, 0.0]
    if not _has_lowest_corner(scan, steps_mm, wanted_mm):
        first = [n / 2 - r * new / 2 for n, new, r in zip(scan, shape, ratios, strict=True)]
    return OriginalGrid(
        tuple(shape),
        tuple(map(float, wanted_mm)),
        tuple(first),
        tuple(_linear(n, new, f, r) for n, new, f, r in zip(scan, shape, first, ratios, strict=True)),
        tuple(_linear(new, n, -f / r, 1 / r) for n, new, f, r in zip(scan, shape, first, ratios, strict=True)),
    )


def _has_lowest_corner(scan: Sequence[int], steps_mm: NDArray[np.float64], wanted_mm: Sequence[float]) -> bool:
    filed = steps_mm.astype(np.float32).astype(np.float64)
    skew = np.linalg.cholesky(filed.T @ filed).T / np.asarray(wanted_mm)[:, None]
    leaning = np.minimum(np.triu(skew, 1), 0) @ (np.asarray(scan) - 1)
    return bool((leaning >= -_LOWEST).all())


def _linear(n_in: int, n_out: int, start: float, step: float) -> Matrix:
    """Return the matrix of a linear interpolation at start, start + step, start + 2 step, ..."""
    place = np.clip(start + np.arange(n_out) * step, 0, n_in - 1)
    low = np.minimum(np.floor(place).astype(int), max(n_in - 2, 0))
    share = place - low
    matrix = np.zeros((n_out, n_in))
    rows = np.arange(n_out)
    matrix[rows, low] = 1 - share
    matrix[rows, np.minimum(low + 1, n_in - 1)] += share
    return matrix.astype(np.float32)


def window_starts(program: str, size: int, window: int, overlap: float) -> tuple[int, ...]:
    """Return the first voxels of a program's windows along an axis that is at least a window long."""
    if size <= window:
        return (0,)
    if program == "nnunet":
        count = int(np.ceil((size - window) / (window * (1 - overlap)))) + 1
        return tuple(int(np.round((size - window) / (count - 1) * n)) for n in range(count))
    step = max(1, int(window * (1 - overlap)))
    return tuple(min(start, size - window) for start in range(0, size - window + step, step))


def whole_windows(
    crop: Box, ct: Geometry, stage: Stage, own: NetworkAxes, turn: NetworkAxes, spare_mm: float = 0.0
) -> Box:
    """Grow a crop to what a window of an imported network sees, as far as the scan reaches.

    Where it is larger by little, it becomes that large: one window more along an axis costs more than the outer
    part of a margin is worth.

    Parameters
    ----------
    crop : Box
        In voxels of `ct`.
    ct : Geometry
        The CT on canonical axes.
    stage : Stage
        An imported one.
    own, turn : NetworkAxes
        The axes that the stage names, and those that it has over this scan.
    spare_mm : float
        What a crop can do without on each side.
    """
    spacing = turn.to_zyx(own.of_zyx(stage.spacing_mm[::-1]))[::-1]
    patch = turn.to_zyx(own.of_zyx(stage.patch_ijk[::-1]))[::-1]
    lower, upper = list(crop.lower_ijk), list(crop.upper_ijk)
    for axis in range(3):
        if patch[axis] == 1:
            continue
        size, whole = upper[axis] - lower[axis], ct.size_ijk[axis]
        fits = min(whole, int((patch[axis] + 0.49) * spacing[axis] / ct.spacing_mm[axis]))
        if size - 2 * spare_mm / ct.spacing_mm[axis] > fits:
            continue
        start = round((lower[axis] + upper[axis] - fits) / 2)
        lower[axis] = min(max(start, 0), whole - fits)
        upper[axis] = lower[axis] + fits
    return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))


def blending_weight(program: str, window: Sequence[int], constant: bool) -> NDArray[np.float32]:
    """Return the weights of a window's voxels in the mean of overlapping windows."""
    if constant:
        return np.ones(tuple(window), dtype=np.float32)
    middle = [n // 2 if program == "nnunet" else (n - 1) / 2 for n in window]
    axes = [np.exp(-0.5 * ((np.arange(n) - m) / (n / 8)) ** 2) for n, m in zip(window, middle, strict=True)]
    weight = np.einsum("i,j,k->ijk", *axes)
    least = 6e-9 if program == "nnunet" else max(weight.min(), 1e-3)  # the least of half precision, a tenth
    result: NDArray[np.float32] = np.maximum(weight, least).astype(np.float32)
    return result
