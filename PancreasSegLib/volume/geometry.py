"""Where a voxel grid lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import GeometryError

Triple = tuple[float, float, float]
IndexTriple = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    """A voxel grid in patient space (LPS: x to the Left, y to Posterior, z to Superior), as ITK defines it.

    Parameters
    ----------
    size_ijk : tuple of 3 int
        Voxels along the i, j and k axes; an array on this grid has shape ``size_ijk[::-1]`` (z, y, x).
    spacing_mm : tuple of 3 float
        Distance between voxel centres along i, j and k, in mm.
    origin_lps : tuple of 3 float
        Position of the centre of voxel (0, 0, 0), LPS, in mm.
    direction_lps : tuple of 9 float
        Row-major 3x3 matrix whose columns are the unit vectors of the i, j and k axes in LPS.

    Raises
    ------
    GeometryError
        If a size or spacing is not positive or the direction is not a rotation, with or without reflection.

    Examples
    --------
    >>> g = Geometry((4, 3, 2), (1.0, 1.0, 5.0), (10.0, 0.0, 0.0))
    >>> g.shape_zyx
    (2, 3, 4)
    >>> g.index_to_lps((1, 0, 1)).tolist()
    [11.0, 0.0, 5.0]
    """

    size_ijk: IndexTriple
    spacing_mm: Triple
    origin_lps: Triple = (0.0, 0.0, 0.0)
    direction_lps: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size_ijk", tuple(int(v) for v in self.size_ijk))
        object.__setattr__(self, "spacing_mm", tuple(float(v) for v in self.spacing_mm))
        object.__setattr__(self, "origin_lps", tuple(float(v) for v in self.origin_lps))
        object.__setattr__(self, "direction_lps", tuple(float(v) for v in np.ravel(self.direction_lps)))
        if len(self.size_ijk) != 3 or min(self.size_ijk) < 1:
            raise GeometryError(f"A volume of {self.size_ijk} voxels is not a 3D grid.")
        if (len(self.spacing_mm), len(self.origin_lps), len(self.direction_lps)) != (3, 3, 9):
            raise GeometryError(
                "A 3D grid has 3 spacings, 3 coordinates of its origin and a 3 x 3 direction matrix."
            )
        if not all(np.isfinite(self.spacing_mm)) or min(self.spacing_mm) <= 0:
            raise GeometryError(
                f"The voxel spacing {self.spacing_mm} mm is not positive.", "Correct the file's header."
            )
        if not all(np.isfinite(self.origin_lps)):
            raise GeometryError(f"The origin {self.origin_lps} is not finite.", "Correct the file's header.")
        m = self.matrix
        if not np.allclose(m.T @ m, np.eye(3), atol=1e-3):
            raise GeometryError(
                "The direction matrix of the volume is not orthogonal (a sheared grid).",
                "Resample the volume to an orthogonal grid first.",
            )

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Direction as a (3, 3) array; columns are the i, j and k axes in LPS."""
        return np.asarray(self.direction_lps, dtype=np.float64).reshape(3, 3)

    @property
    def shape_zyx(self) -> IndexTriple:
        """Shape of an array on this grid."""
        return self.size_ijk[2], self.size_ijk[1], self.size_ijk[0]

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    @property
    def extent_mm(self) -> Triple:
        """Edge lengths of the whole grid along i, j and k, in mm."""
        i, j, k = (n * s for n, s in zip(self.size_ijk, self.spacing_mm, strict=True))
        return i, j, k

    def index_to_lps(self, index_ijk: ArrayLike) -> NDArray[np.float64]:
        """Map (continuous) index triples to LPS positions in mm; any leading shape ``(..., 3)``."""
        index = np.asarray(index_ijk, dtype=np.float64)
        return np.asarray(self.origin_lps) + (index * np.asarray(self.spacing_mm)) @ self.matrix.T

    def lps_to_index(self, position_lps: ArrayLike) -> NDArray[np.float64]:
        """Map LPS positions in mm to continuous index triples; any leading shape ``(..., 3)``."""
        offset = np.asarray(position_lps, dtype=np.float64) - np.asarray(self.origin_lps)
        return (offset @ np.linalg.inv(self.matrix).T) / np.asarray(self.spacing_mm)

    def matches(self, other: Geometry, tolerance_mm: float = 1e-2) -> bool:
        """Whether both grids place every voxel at the same position, within `tolerance_mm`."""
        if self.size_ijk != other.size_ijk:
            return False
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * self.size_ijk
        return bool(np.abs(self.index_to_lps(corners) - other.index_to_lps(corners)).max() <= tolerance_mm)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form used in reports, by the worker and in model packages."""
        return {
            "size_ijk": list(self.size_ijk),
            "spacing_mm": list(self.spacing_mm),
            "origin_lps": list(self.origin_lps),
            "direction_lps": self.matrix.tolist(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Geometry:
        """Rebuild from `to_json`.

        Raises
        ------
        GeometryError
            If a key is missing or a value makes no grid.
        """
        try:
            return cls(
                tuple(value["size_ijk"]),
                tuple(value["spacing_mm"]),
                tuple(value["origin_lps"]),
                tuple(np.ravel(value["direction_lps"]).tolist()),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise GeometryError(f"The geometry {value!r} is not complete.") from error
