"""How well a mask agrees with a reference, by the definitions of DeepMind's ``surface-distance``.

All take arrays ``(z, y, x)`` in which anything but zero is inside, and spacing in mm along i, j, k (x, y, z). Two
empty masks agree fully (1, or a distance of 0); one empty mask does not agree at all (0, or an infinite distance).

MONAI's surface metrics differ: they take every boundary voxel as one unit, whatever the area of surface that it
stands for, so anisotropic voxels shift the figures.

Examples
--------
>>> import numpy as np
>>> reference = np.zeros((8, 10, 10), bool)
>>> reference[2:6, 2:8, 2:8] = True
>>> mask = np.roll(reference, 1, axis=0)
>>> dice(mask, reference)
0.75
>>> nsd(mask, reference, spacing_mm=(1, 1, 2.5), tolerance_mm=3)
1.0
"""

from PancreasSegLib.metrics.comparison import compare
from PancreasSegLib.metrics.overlap import dice, iou, precision, recall, volume_error_ml, volume_ml
from PancreasSegLib.metrics.surface_distance import (
    SurfaceDistances,
    assd,
    hausdorff95,
    nsd,
    surface_distances,
)

__all__ = [
    "SurfaceDistances",
    "assd",
    "compare",
    "dice",
    "hausdorff95",
    "iou",
    "nsd",
    "precision",
    "recall",
    "surface_distances",
    "volume_error_ml",
    "volume_ml",
]
