"""Between SimpleITK images and our arrays and geometry."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Geometry

_log = logging.getLogger(__name__)
_one_redirection = threading.RLock()

_REPORTED = 1e-3  # below this an axis is off by rounding only: under 0.2 mm at the edge of a scan
_REPAIRABLE = 0.0125  # largest cosine between axes that is repaired: 0.7 degrees, headers of two digits
_SPACING_LIMITS_MM = (0.05, 25.0)


def simple_itk() -> Any:
    """Import SimpleITK with its own warnings to stderr turned off."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what the C libraries inside ITK print to the process's stderr; it goes to the debug log instead.

    The redirection is the whole process's, so blocks are short, and one thread's waits for another's.
    """
    try:
        sys.stderr.flush()
        os.fstat(2)
    except (OSError, ValueError, AttributeError):  # no console at all, as in a GUI on Windows
        yield
        return
    with _one_redirection, _sink() as sink:
        kept = os.dup(2)
        try:
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sink.seek(0)
            text = sink.read(4000).decode("utf-8", "replace").strip()
            if text:
                _log.debug("ITK said: %s", text)


def _sink() -> IO[bytes]:
    """Return a temporary file, or nothing at all where none can be made (a full disk)."""
    try:
        return cast("IO[bytes]", tempfile.TemporaryFile())
    except OSError:
        return Path(os.devnull).open("w+b")


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


def geometry_of(grid: Any, what: str, deviation: float = 0.0) -> tuple[Geometry, list[dict[str, str]]]:
    """Return the geometry of a 3D SimpleITK image, its axes brought to right angles if they are a little off.

    Parameters
    ----------
    grid : SimpleITK.Image or SimpleITK.ImageFileReader
    what : str
        Names the image in sentences.
    deviation : float
        How far the axes in the header were off right angles, where ITK has repaired them already.

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
    direction, own_deviation = orthonormal(grid.GetDirection(), what)
    deviation = max(deviation, own_deviation)
    check_spacing(grid.GetSpacing(), what)
    geometry = Geometry(grid.GetSize()[:3], grid.GetSpacing()[:3], grid.GetOrigin()[:3], tuple(direction.ravel()))
    if deviation < _REPORTED:
        return geometry, []
    sentence = (
        f"The voxel axes of {what} were {np.degrees(deviation):.2f} degrees off right angles and were repaired."
    )
    _log.warning(sentence)
    return geometry, [{"code": "geometry-repaired", "sentence": sentence}]


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


class _Buffer:
    """Lends an image's memory to numpy and keeps the image alive as long as the array lives."""

    def __init__(self, image: Any, view: NDArray) -> None:
        self.image = image
        self.__array_interface__ = {**view.__array_interface__, "data": (view.ctypes.data, False)}


def array_of(image: Any) -> NDArray:
    """Return the (z, y, x) array that shares the memory of a SimpleITK image; nothing is copied."""
    return np.asarray(_Buffer(image, simple_itk().GetArrayViewFromImage(image)))


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
    image = simple_itk().GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_lps)
    image.SetDirection(geometry.direction_lps)
    return image
