"""Between SimpleITK images and our arrays and geometry."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Geometry

_log = logging.getLogger(__name__)

_EXACT = 1e-4  # below this a direction is orthonormal up to the rounding of float32 headers
_REPAIRABLE = 0.02  # cosine between axes: headers rounded to two or three digits, or a tilt of about a degree


def simple_itk() -> Any:
    """Import SimpleITK with its warnings to stderr turned off."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk


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
        If an axis is zero or not finite, or the axes are sheared by more than about a degree.
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
        raise GeometryError(
            f"The voxel axes of {what} are not at right angles (off by {np.degrees(np.arcsin(min(1, deviation))):.1f}"
            " degrees): a sheared grid.",
            "Resample the scan to an orthogonal grid first.",
        )
    if deviation < 1e-9:
        return matrix, deviation
    u, _, vt = np.linalg.svd(matrix)
    return u @ vt, deviation


def geometry_of(image: Any, what: str) -> Geometry:
    """Return the geometry of a 3D SimpleITK image, repaired if its axes are a little off right angles."""
    direction, deviation = orthonormal(image.GetDirection(), what)
    if deviation > _EXACT:
        _log.warning("The voxel axes of %s are %.4f off right angles; repaired.", what, deviation)
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), tuple(direction.ravel()))


def image_of(array: NDArray, geometry: Geometry) -> Any:
    """Return a SimpleITK image of a (z, y, x) array on a grid.

    Raises
    ------
    GeometryError
        If the shapes differ.
    """
    if tuple(array.shape) != geometry.shape_zyx:
        raise GeometryError(
            f"An array of shape {tuple(array.shape)} (z, y, x) does not fit a grid of {geometry.size_ijk} voxels."
        )
    sitk = simple_itk()
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_lps)
    image.SetDirection(geometry.direction_lps)
    return image
