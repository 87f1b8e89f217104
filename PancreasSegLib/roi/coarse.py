"""The CT on a coarse canonical grid, on which everything in this room is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.roi.thresholds import HU_FLOOR, IntensityRange
from PancreasSegLib.volume import AxisMap, Geometry, Volume, resample

COARSE_MM = 4.0
"""Pixel of the coarse grid in every axial plane, and the most that slices are thinned to."""

_SAMPLE_MM = 2.5  # finer voxels than this are skipped, not averaged: enough of them remain to average noise away
_HU_CEILING = 2000.0  # metal above this would bleed into its neighbours


@dataclass(frozen=True, eq=False)
class CoarseScan:
    """The CT on a grid of about 4 mm with axes to Left, Posterior and Superior.

    Attributes
    ----------
    hu : ndarray of float32, shape (z, y, x)
        In-plane averaged HU, padding outside the scanner's field and non-finite voxels taken as air.
    geometry : Geometry
        The coarse grid.
    axes : AxisMap
        From the CT's own grid to the canonical full-resolution grid.
    intensities : IntensityRange
        What the CT's values span and whether they were clipped.
    """

    hu: NDArray[np.float32]
    geometry: Geometry
    axes: AxisMap
    intensities: IntensityRange

    @classmethod
    def of(cls, volume: Volume) -> CoarseScan:
        """Reduce a CT on any grid; a few hundredths of a second for 512x512x200.

        Slices are thinned to at most 4 mm apart and not averaged, so that the lung's edge stays sharp along z.
        """
        canonical, axes = volume.canonical()
        full = canonical.geometry
        step = [
            max(1, int(limit / mm))
            for limit, mm in zip((_SAMPLE_MM, _SAMPLE_MM, COARSE_MM), full.spacing_mm, strict=True)
        ]
        sampled, intensities = _finite(canonical.voxels[:: step[2], :: step[1], :: step[0]])
        mm = [s * n for s, n in zip(full.spacing_mm, step, strict=True)]
        size = sampled.shape[::-1]
        thinned = Geometry(size, (mm[0], mm[1], mm[2]), full.origin_lps, full.direction_lps)
        in_plane = [max(COARSE_MM, mm[0]), max(COARSE_MM, mm[1])]
        count = [max(1, round(n * a / b)) for n, a, b in zip(size, mm, in_plane, strict=False)]
        first = [0.5 * b / a - 0.5 for a, b in zip(mm, in_plane, strict=False)]
        origin = thinned.index_to_lps((first[0], first[1], 0))
        target = Geometry(
            (count[0], count[1], size[2]), (in_plane[0], in_plane[1], mm[2]), tuple(origin), full.direction_lps
        )
        hu = resample(sampled, thinned, target)
        return cls(hu, target, axes, intensities.with_air_of(hu))

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Spacing of the array's axes in mm."""
        x, y, z = self.geometry.spacing_mm
        return z, y, x

    @property
    def voxel_ml(self) -> float:
        """Volume of one coarse voxel in mL."""
        return self.geometry.voxel_volume_ml

    def position_mm(self, axis: int) -> NDArray[np.float64]:
        """Return the voxel centres along canonical axis 0 (Left), 1 (Posterior) or 2 (Superior), in mm from the
        centre of the first voxel of the canonical full-resolution grid.
        """  # noqa: D205
        first = self.axes.target.lps_to_index(self.geometry.origin_lps)[axis] * self.axes.target.spacing_mm[axis]
        return first + np.arange(self.geometry.size_ijk[axis]) * self.geometry.spacing_mm[axis]


def _finite(voxels: NDArray) -> tuple[NDArray[np.float32], IntensityRange]:
    """Return float HU between air and metal, non-finite voxels as air, and what the values spanned."""
    clean = np.array(voxels, dtype=np.float32, order="C")
    intensities = IntensityRange.of(clean)
    if np.issubdtype(voxels.dtype, np.floating):
        np.nan_to_num(clean, copy=False, nan=intensities.low, posinf=intensities.low, neginf=intensities.low)
    return np.clip(clean, max(intensities.low, HU_FLOOR), _HU_CEILING, out=clean), intensities
