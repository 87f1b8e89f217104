"""The HU thresholds, and how they follow a CT whose intensities were clipped."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

HU_FLOOR = -1024.0
"""Air; anything below is padding outside the scanner's round field."""

BODY_HU = -300.0
"""Above it: the body's surface; half-way between air and fat would be -550, but bedding reaches that."""

LUNG_HU = -400.0
"""Below it, inside the body: lung or gas."""

FAT_HU = (-190.0, -30.0)
"""Adipose tissue, as in body-composition work."""

BONE_HU = 160.0
"""Above it, on the coarse grid: bone, contrast medium or calcium."""

SOFT_TISSUE_HU = (-100.0, 240.0)
"""The window of parenchyma with and without contrast medium; the default of `soft_tissue_mask`."""

_CLIPPED_BETWEEN_HU = (-300.0, -20.0)
_CLIPPED_LOW_SHARE = 0.01
_CLIPPED_BELOW_HU = 500.0
_CLIPPED_HIGH_SHARE = 1e-3
_ABOVE_AIR_HU = 7.0
_NOISE_LIFT_HU = 20.0
_BELOW_CLIP_HU = 15.0


@dataclass(frozen=True)
class IntensityRange:
    """What the values of a CT span.

    Attributes
    ----------
    low, high : float
        Least and greatest finite value, HU.
    share_low, share_high : float
        Share of the voxels at the least and at the greatest value.
    air : float
        Level of air, HU. Noise that was clipped at `low` lies above it only, so averaging lifts the level.
    """

    low: float
    high: float
    share_low: float
    share_high: float
    air: float

    @classmethod
    def of(cls, voxels: NDArray) -> IntensityRange:
        """Measure an array of any shape.

        Examples
        --------
        >>> IntensityRange.of(np.clip(np.arange(-1000, 1000), -125, 275)).clipped_low
        True
        """
        values = voxels
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            values = voxels[np.isfinite(voxels)]
            if values.size == 0:
                return cls(HU_FLOOR, HU_FLOOR, 1.0, 1.0, HU_FLOOR)
            low, high = float(values.min()), float(values.max())
        share_low, share_high = (
            np.count_nonzero(end) / values.size for end in (values <= low + 1, values >= high - 1)
        )
        return cls(low, high, share_low, share_high, low)

    def with_air_of(self, coarse_hu: NDArray) -> IntensityRange:
        """Return the range with the level of air measured on averaged HU."""
        # At least the voxels at the clip are air; of noisy air it is half of them.
        level = float(np.percentile(coarse_hu, 75.0 * min(self.share_low, 1.0)))
        return replace(self, air=min(level, self.low + _NOISE_LIFT_HU))

    @property
    def clipped_low(self) -> bool:
        """Whether air, lung and bowel gas share one value: the intensities were windowed before they came."""
        lowest, highest = _CLIPPED_BETWEEN_HU  # a scan cropped inside soft tissue has no air at all
        return lowest < self.low < highest and self.share_low >= _CLIPPED_LOW_SHARE

    @property
    def clipped_high(self) -> bool:
        """Whether bone saturates."""
        return self.high < _CLIPPED_BELOW_HU and self.share_high >= _CLIPPED_HIGH_SHARE

    @property
    def body_hu(self) -> float:
        """Threshold of the body's surface."""
        return self.air + _ABOVE_AIR_HU if self.clipped_low else BODY_HU

    @property
    def gas_hu(self) -> float:
        """Threshold below which a voxel inside the body is lung or gas."""
        return self.air + _ABOVE_AIR_HU if self.clipped_low else LUNG_HU

    @property
    def bone_hu(self) -> float:
        """Threshold above which a voxel of the coarse grid is bone, contrast medium or calcium."""
        return min(BONE_HU, self.high - _BELOW_CLIP_HU) if self.clipped_high else BONE_HU
