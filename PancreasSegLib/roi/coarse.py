"""The CT on a coarse canonical grid, on which everything in this room is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.roi.thresholds import HU_FLOOR, IntensityRange
from PancreasSegLib.volume import AxisMap, Geometry, Volume

COARSE_MM = 4.0
"""Pixel of the coarse grid in every axial plane, nearly, and the most that slices are thinned to."""

_SAMPLE_MM = 1.4  # finer voxels are skipped, not averaged: nine remain in a pixel to average noise away
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
        x_mm, y_mm, z_mm = full.spacing_mm
        step_z = max(1, int(COARSE_MM / z_mm))
        (step_y, block_y), (step_x, block_x) = _blocks(y_mm), _blocks(x_mm)
        samples = canonical.voxels[::step_z, ::step_y, ::step_x]
        intensities = IntensityRange.of(samples)
        hu = np.stack(  # slice by slice, for memory that is not yet in use costs more time than the arithmetic
            [
                _block_means(_block_means(_clipped(plane, intensities.low), 0, block_y), 1, block_x)
                for plane in samples
            ]
        )
        spacing = (x_mm * step_x * block_x, y_mm * step_y * block_y, z_mm * step_z)
        first = (0.5 * step_x * (block_x - 1), 0.5 * step_y * (block_y - 1), 0.0)
        geometry = Geometry(hu.shape[::-1], spacing, tuple(full.index_to_lps(first)), full.direction_lps)
        return cls(hu, geometry, axes, intensities.with_air_of(hu))

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


def _blocks(mm: float) -> tuple[int, int]:
    """Return every how many voxels one is sampled, and how many samples make a coarse pixel."""
    step = max(1, int(_SAMPLE_MM / mm))
    return step, max(1, round(COARSE_MM / (mm * step)))


def _block_means(array: NDArray[np.float32], axis: int, block: int) -> NDArray[np.float32]:
    """Return the means of blocks along one axis, the last block made whole by repeating the last sample."""
    missing = -array.shape[axis] % block
    if missing:
        last = np.take(array, [-1] * missing, axis=axis)
        array = np.concatenate([array, last], axis=axis)
    parts = [array[(slice(None),) * axis + (slice(n, None, block),)] for n in range(block)]
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    total /= block
    return total


def _clipped(voxels: NDArray, low: float) -> NDArray[np.float32]:
    """Return float HU between air and metal, non-finite voxels as the lowest."""
    clean = np.array(voxels, dtype=np.float32, order="C")
    if np.issubdtype(voxels.dtype, np.floating):
        np.nan_to_num(clean, copy=False, nan=low, posinf=low, neginf=low)
    return np.clip(clean, max(low, HU_FLOOR), _HU_CEILING, out=clean)
