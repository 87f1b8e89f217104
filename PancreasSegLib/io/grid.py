"""Make the grid that a header states into a geometry.

One rule holds for all formats: where a header states its grid twice, the statements are compared; the one that its
standard ranks first is taken, a warning says so, and what cannot be the grid of a CT is refused.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Geometry

_log = logging.getLogger(__name__)

CONTRADICTION = "geometry-contradiction"
"""The code of the warning about a header that states its grid twice, and differently."""

_REPORTED = 1e-3  # below this an axis is off by rounding only: under 0.2 mm at the edge of a scan
_REPAIRABLE = 0.0125  # largest cosine between axes that is repaired: 0.7 degrees, headers of two digits
_SPACING_LIMITS_MM = (0.05, 25.0)
_SAME_SPACING = 0.01  # headers round a spacing of 0.703125 mm to 0.70
_APART_VOXELS = 0.5


def warn(code: str, sentence: str) -> dict[str, str]:
    """Log a sentence about what was repaired or chosen, and return it as an entry of ``source["warnings"]``."""
    _log.info(sentence)
    return {"code": code, "sentence": sentence}


def grid_of(
    size_ijk: ArrayLike, columns_mm: ArrayLike, origin_lps: ArrayLike, what: str
) -> tuple[Geometry, list[dict[str, str]]]:
    """Return the grid that a header's vectors span, its axes brought to right angles if they are a little off.

    Parameters
    ----------
    size_ijk : array_like of 3 int
    columns_mm : array_like, shape (3, 3)
        Each column is the step along an axis, in mm, LPS.
    origin_lps : array_like of 3 float
        The centre of the first voxel.
    what : str
        Names the image in sentences.

    Returns
    -------
    geometry : Geometry
    warnings : list of dict
        ``{"code", "sentence"}``, when the axes were repaired.

    Raises
    ------
    GeometryError
        If the axes are sheared or singular, or the spacing is not that of a CT.
    """
    columns = np.asarray(columns_mm, dtype=np.float64)
    direction, deviation = orthonormal(columns, what)
    spacing = np.linalg.norm(columns, axis=0)
    check_spacing(spacing, what)
    size = tuple(int(n) for n in np.ravel(size_ijk))
    geometry = Geometry(
        (size[0], size[1], size[2]),
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        tuple(np.ravel(origin_lps)),
        tuple(direction.ravel()),
    )
    if deviation < _REPORTED:
        return geometry, []
    angle = f"{np.degrees(deviation):.2f} degrees"
    sentence = f"The voxel axes of {what} were {angle} off right angles and were repaired."
    return geometry, [warn("geometry-repaired", sentence)]


def same_spacing(first: ArrayLike, second: ArrayLike) -> bool:
    """Whether two statements of a spacing agree within 1 %, the rounding of headers."""
    return bool(np.allclose(np.abs(first), np.abs(second), rtol=_SAME_SPACING, atol=0))


def far_apart_mm(first: Geometry, second: Geometry) -> float:
    """Return how far two grids of one size lie apart at their corners, in mm; 0 if by less than half a voxel."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners = corners * (np.array(first.size_ijk) - 1)
    apart = float(np.linalg.norm(first.index_to_lps(corners) - second.index_to_lps(corners), axis=1).max())
    return apart if apart > _APART_VOXELS * min(first.spacing_mm) else 0.0


def in_mm(spacing: Any) -> str:
    """Return a spacing as sentences have it.

    Examples
    --------
    >>> in_mm((0.7, 0.7, 2.5))
    '0.7 x 0.7 x 2.5 mm'
    """
    return " x ".join(f"{float(v):.4g}" for v in np.ravel(spacing)) + " mm"


def orthonormal(direction: ArrayLike, what: str) -> tuple[NDArray[np.float64], float]:
    """Return the rotation (with or without reflection) nearest to a direction matrix, and how far it was.

    The polar factor U V^T of the singular value decomposition is the nearest orthogonal matrix (Higham 1986,
    "Computing the polar decomposition", SIAM J. Sci. Stat. Comput. 7:1160).

    Parameters
    ----------
    direction : array_like, shape (3, 3)
        Columns are the axes; they are brought to unit length first.
    what : str
        Names the image in the error's sentence.

    Returns
    -------
    direction : ndarray, shape (3, 3)
    deviation : float
        Largest cosine between two axes of the input, 0 when they were at right angles.

    Raises
    ------
    GeometryError
        If an axis is zero or not finite, or the axes are sheared by more than 0.7 degrees.
    """
    matrix = np.asarray(direction, dtype=np.float64).reshape(3, 3)
    lengths = np.linalg.norm(matrix, axis=0)
    if not np.all(np.isfinite(matrix)) or lengths.min() < 1e-6:
        raise GeometryError(
            f"The orientation of {what} is missing or singular.", "Export the scan again or correct its header."
        )
    matrix = matrix / lengths
    deviation = float(np.abs(matrix.T @ matrix - np.eye(3)).max())
    if deviation > _REPAIRABLE:
        angle = np.degrees(np.arcsin(min(1.0, deviation)))
        raise GeometryError(
            f"The voxel axes of {what} are not at right angles but off by {angle:.1f} degrees (a sheared grid).",
            "Resample the scan to an orthogonal grid first.",
        )
    if deviation < 1e-9:
        return matrix, deviation
    u, _, vt = np.linalg.svd(matrix)
    return u @ vt, deviation


def check_spacing(spacing_mm: ArrayLike, what: str) -> None:
    """Refuse a spacing in mm that no CT has.

    Raises
    ------
    GeometryError
        If it is not between 0.05 and 25 mm.
    """
    low, high = _SPACING_LIMITS_MM
    spacing = [float(v) for v in np.ravel(spacing_mm)]
    if not all(np.isfinite(v) and low <= v <= high for v in spacing):
        raise GeometryError(
            f"The voxel spacing of {what}, {' x '.join(f'{v:g}' for v in spacing)} mm, is not that of a CT.",
            "Correct the spacing or its unit in the file's header.",
        )
