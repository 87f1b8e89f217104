"""Overlap of two masks, and their volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import GeometryError


def as_masks(mask: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Take two arrays as masks.

    Raises
    ------
    GeometryError
        If their shapes differ or they are not 3D.
    """
    a, b = (array if array.dtype == bool else array != 0 for array in (np.asarray(mask), np.asarray(reference)))
    if a.shape != b.shape or a.ndim != 3:
        raise GeometryError(
            f"Masks of shape {a.shape} and {b.shape} (z, y, x) cannot be compared.",
            "Put them on the same 3D grid.",
        )
    return a, b


def check_spacing(spacing_mm: Sequence[float]) -> tuple[float, float, float]:
    """Check a voxel spacing.

    Raises
    ------
    GeometryError
        If it is not three positive numbers.
    """
    spacing = tuple(float(v) for v in spacing_mm)
    if len(spacing) != 3 or not all(np.isfinite(v) and v > 0 for v in spacing):
        raise GeometryError(f"The voxel spacing {spacing} mm is not three positive numbers.")
    return (spacing[0], spacing[1], spacing[2])


def _share(part: int, whole: int, empty: bool) -> float:
    """Part of a whole; if the whole is nothing, 1 when both masks are empty, else 0."""
    return part / whole if whole else float(empty)


def dice(mask: ArrayLike, reference: ArrayLike) -> float:
    """Dice coefficient ``2 |A and B| / (|A| + |B|)``.

    Parameters
    ----------
    mask, reference : array, shape (z, y, x)
        Anything but zero is inside.

    Returns
    -------
    float
        0 to 1; both empty is 1, one empty 0.

    Raises
    ------
    GeometryError
        If the shapes differ.

    Examples
    --------
    >>> dice(np.ones((1, 1, 4)), [[[1, 1, 0, 0]]])
    0.6666666666666666
    """
    a, b = as_masks(mask, reference)
    return _share(2 * _count(a & b), _count(a) + _count(b), True)


def iou(mask: ArrayLike, reference: ArrayLike) -> float:
    """Intersection over union (Jaccard index); parameters as for `dice`."""
    a, b = as_masks(mask, reference)
    return _share(_count(a & b), _count(a | b), True)


def precision(mask: ArrayLike, reference: ArrayLike) -> float:
    """Share of the mask that is in the reference; parameters as for `dice`."""
    a, b = as_masks(mask, reference)
    return _share(_count(a & b), _count(a), not b.any())


def recall(mask: ArrayLike, reference: ArrayLike) -> float:
    """Share of the reference that is in the mask (sensitivity); parameters as for `dice`."""
    return precision(reference, mask)


def volume_ml(mask: ArrayLike, spacing_mm: Sequence[float]) -> float:
    """Volume of a mask in mL; spacing in mm along i, j, k."""
    return _count(np.asarray(mask) != 0) * float(np.prod(check_spacing(spacing_mm))) / 1000


def volume_error_ml(mask: ArrayLike, reference: ArrayLike, spacing_mm: Sequence[float]) -> float:
    """Volume of the mask minus that of the reference in mL; positive when the mask is too large.

    Parameters
    ----------
    mask, reference : array, shape (z, y, x)
        Anything but zero is inside.
    spacing_mm : sequence of 3 float
        Along i, j, k.
    """
    a, b = as_masks(mask, reference)
    return volume_ml(a, spacing_mm) - volume_ml(b, spacing_mm)


def _count(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))
