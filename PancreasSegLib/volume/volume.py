"""Voxels with their geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume.box import Box
from PancreasSegLib.volume.geometry import Geometry
from PancreasSegLib.volume.orientation import AxisMap
from PancreasSegLib.volume.resample import geometry_with_spacing, resample


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image: voxels, and where they lie.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        HU for a CT, integers for a mask.
    geometry : Geometry
        The grid; ``geometry.shape_zyx == voxels.shape``.
    source : dict
        Where the volume came from (path, format, DICOM series identifiers); free of patient identifiers.

    Raises
    ------
    GeometryError
        If the array's shape is not that of the grid.

    Examples
    --------
    >>> import numpy as np
    >>> ct = Volume(np.zeros((4, 3, 2), np.int16), Geometry((2, 3, 4), (1.0, 1.0, 2.5)))
    >>> ct.cropped(Box((0, 0, 1), (2, 3, 3))).geometry.origin_lps
    (0.0, 0.0, 2.5)
    """

    voxels: NDArray
    geometry: Geometry
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if tuple(self.voxels.shape) != self.geometry.shape_zyx:
            raise GeometryError(
                f"An array of shape {tuple(self.voxels.shape)} (z, y, x) does not fit a grid of "
                f"{self.geometry.size_ijk} voxels (x, y, z)."
            )

    def canonical(self) -> tuple[Volume, AxisMap]:
        """Return the volume with axes to Left, Posterior and Superior, and the map that leads back."""
        axes = AxisMap.to_canonical(self.geometry)
        return Volume(axes.apply(self.voxels), axes.target, self.source), axes

    def cropped(self, box: Box) -> Volume:
        """Return the part inside `box` (a view of the same voxels).

        Raises
        ------
        GeometryError
            If the box is empty or reaches outside the grid.
        """
        if box.is_empty or box.clipped(self.geometry) != box:
            raise GeometryError(f"The box {box.to_json()} is not inside {self.geometry.size_ijk} voxels.")
        return Volume(self.voxels[box.slices_zyx], box.geometry(self.geometry), self.source)

    def resampled(self, spacing_mm: Sequence[float], *, order: int = 1) -> Volume:
        """Return the volume at another spacing in mm along i, j and k; see `resample`."""
        target = geometry_with_spacing(self.geometry, spacing_mm)
        return Volume(resample(self.voxels, self.geometry, target, order=order), target, self.source)

    def pasted(self, part: NDArray, box: Box, fill: float = 0) -> NDArray:
        """Return an array on this volume's grid that is `part` inside `box` and `fill` elsewhere."""
        whole = np.full(self.geometry.shape_zyx, fill, dtype=part.dtype)
        whole[box.slices_zyx] = part
        return whole
