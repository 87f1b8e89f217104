"""The HU thresholds, and how they follow a CT whose intensities were clipped."""

from __future__ import annotations

from dataclasses import dataclass

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
"""The window of parenchyma with and without contrast medium; the default of :func:`soft_tissue_mask`."""

_CLIPPED_ABOVE_HU = -300.0
_CLIPPED_SHARE = 0.01
_ABOVE_CLIP_HU = 7.0


@dataclass(frozen=True)
class IntensityRange:
    """What the values of a CT span.

    Attributes
    ----------
    low, high : float
        Least and greatest finite value, HU.
    clipped_low : bool
        Whether air, lung and bowel gas share one value, because the intensities were windowed before they came.
    clipped_high : bool
        Whether bone saturates.
    """

    low: float
    high: float
    clipped_low: bool
    clipped_high: bool

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
                return cls(HU_FLOOR, HU_FLOOR, False, False)
            low, high = float(values.min()), float(values.max())
        clipped_low = low > _CLIPPED_ABOVE_HU and float(np.mean(values <= low + 1)) >= _CLIPPED_SHARE
        clipped_high = high < 500 and float(np.mean(values >= high - 1)) >= 1e-3
        return cls(low, high, clipped_low, clipped_high)

    @property
    def body_hu(self) -> float:
        """Threshold of the body's surface."""
        return self.low + _ABOVE_CLIP_HU if self.clipped_low else BODY_HU

    @property
    def gas_hu(self) -> float:
        """Threshold below which a voxel inside the body is lung or gas."""
        return self.low + _ABOVE_CLIP_HU if self.clipped_low else LUNG_HU

    @property
    def bone_hu(self) -> float:
        """Threshold above which a voxel is bone, contrast medium or calcium."""
        return BONE_HU
