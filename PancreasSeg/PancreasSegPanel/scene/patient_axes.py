"""Between Slicer's RAS and the library's LPS; the only file of the panel that flips signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.volume import Geometry

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def geometry_from_ras(ijk_to_ras: ArrayLike, size_ijk: Sequence[int]) -> Geometry:
    """Return the grid of a volume from its IJK-to-RAS matrix.

    Parameters
    ----------
    ijk_to_ras : array_like, shape (4, 4)
        Voxel indices to RAS in mm; oblique and left-handed ones too.
    size_ijk : sequence of 3 int
        Voxels along i, j and k.

    Raises
    ------
    GeometryError
        If the axes are not at right angles or a spacing is zero.

    Examples
    --------
    >>> geometry_from_ras(np.diag([-2.0, -2.0, 3.0, 1.0]), (4, 4, 4)).direction_lps
    (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    """
    matrix = _FLIP @ np.asarray(ijk_to_ras, dtype=np.float64)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = matrix[:3, :3] / np.where(spacing > 0, spacing, 1.0)
    i, j, k = (int(n) for n in size_ijk)
    return Geometry((i, j, k), tuple(spacing), tuple(matrix[:3, 3]), tuple(direction.ravel()))


def ras_from_geometry(geometry: Geometry) -> NDArray[np.float64]:
    """Return the (4, 4) IJK-to-RAS matrix of a grid."""
    matrix = np.eye(4)
    matrix[:3, :3] = geometry.matrix * np.asarray(geometry.spacing_mm)
    matrix[:3, 3] = geometry.origin_lps
    return _FLIP @ matrix


def lps_from_ras(vectors: ArrayLike) -> NDArray[np.float64]:
    """Return positions or directions, shape (..., 3), in LPS."""
    return np.asarray(vectors, dtype=np.float64) * (-1.0, -1.0, 1.0)


def flip(vector: Sequence[float]) -> tuple[float, float, float]:
    """Return a position or direction in RAS that is given in LPS, or the other way round."""
    x, y, z = (float(v) for v in vector)
    return -x, -y, z
