"""The organ on a fine grid of equal spacing, on which its shape is measured alike whatever the CT's slices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Geometry, Volume, geometry_with_spacing, resample

_SPACING_MM = 1.0
_SMOOTHING_MM = 1.5  # SD; steps between slices of 5 mm would otherwise be taken for lobules
_MARGIN_MM = 12.0


@dataclass(frozen=True, eq=False)
class OrganShape:
    """An organ's largest connected piece on a canonical grid of 1 mm.

    Attributes
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The piece, with a margin around it.
    geometry : Geometry
        Its grid: axes to the patient's Left, Posterior and Superior.

    Examples
    --------
    >>> import numpy as np
    >>> z, y, x = np.mgrid[:40, :40, :40]
    >>> ball = (z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 144
    >>> shape = OrganShape.of_mask(ball, Geometry((40, 40, 40), (1.0, 1.0, 1.0)))
    >>> bool(abs(shape.depth_mm.max() - 12) < 1)
    True
    """

    mask: NDArray[np.bool_]
    geometry: Geometry

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_], geometry: Geometry) -> OrganShape:
        """Bring a mask onto the grid.

        Parameters
        ----------
        mask : ndarray of bool, shape (z, y, x)
            The organ.
        geometry : Geometry
            Grid of `mask`, with axes in any order.

        Raises
        ------
        ValueError
            If the mask is empty.
        """
        box = Box.of_mask(mask)
        if box is None:
            raise ValueError("the mask is empty")
        part, _ = Volume(mask.astype(np.float32), geometry).cropped(box.grown(_MARGIN_MM, geometry)).canonical()
        i, j, k = (max(1, int(np.ceil(_MARGIN_MM / mm))) for mm in part.geometry.spacing_mm)
        x, y, z = part.geometry.size_ijk
        whole = Box((-i, -j, -k), (x + i, y + j, z + k))
        padded = np.pad(part.voxels, [(k, k), (j, j), (i, i)])
        grid = whole.geometry(part.geometry)
        fine = geometry_with_spacing(grid, (_SPACING_MM,) * 3)
        share = ndi.gaussian_filter(resample(padded, grid, fine), _SMOOTHING_MM / _SPACING_MM)
        inside = share >= 0.5
        if not inside.any():  # thinner than the smoothing
            inside = share >= 0.5 * share.max()
        pieces, count = ndi.label(inside, np.ones((3, 3, 3)))
        if count > 1:
            inside = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
        return cls(inside, fine)

    @cached_property
    def depth_mm(self) -> NDArray[np.float32]:
        """Distance of each voxel inside to the organ's surface in mm, 0 outside; shape (z, y, x)."""
        found: NDArray[np.float32] = ndi.distance_transform_edt(self.mask, self.geometry.spacing_mm[::-1])
        return np.where(self.mask, found - _SPACING_MM / 2, 0).astype(np.float32)
