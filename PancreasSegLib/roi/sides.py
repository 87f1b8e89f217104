"""On which side of the spine the liver lies, by thresholds: where it is the left, the scan may be mirrored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan

_ORGAN_HU = (30.0, 170.0)
_DEPTH_MM = 18.0  # of the liver's core below its surface; a spleen of usual size has next to none
_STEP_MM = 8.0
_LEAST_ML = 60.0
_CLEAR_RATIO = 3.0


def liver_side(scan: CoarseScan, body: NDArray[np.bool_], spine: NDArray[np.float64] | None) -> str:
    """Return ``"right"`` or ``"left"``: where the large solid organ lies; empty where that is not clear.

    What lies deeper than 18 mm in tissue of 30 to 170 HU is nearly all liver; it counts where one side holds
    three times as much of it as the other. Of 19 scans of as many patients, one with a spleen larger than its
    liver, none was called mirrored as it was, and 14 were when their left and right were exchanged.

    Parameters
    ----------
    scan : CoarseScan
    body : ndarray of bool, shape (z, y, x)
    spine : ndarray of float, shape (z, 3), or None
        Its centre in mm, as `Landmarks` has it.
    """
    if spine is None:
        return ""
    thin = tuple(max(1, int(_STEP_MM / mm)) for mm in scan.spacing_zyx)
    coarse = tuple(slice(None, None, step) for step in thin)
    smooth = ndimage.uniform_filter(scan.hu, size=(1, *thin[1:]))[coarse]
    solid = body[coarse] & (smooth >= _ORGAN_HU[0]) & (smooth <= _ORGAN_HU[1])
    spacing = [mm * step for mm, step in zip(scan.spacing_zyx, thin, strict=True)]
    core = ndimage.distance_transform_edt(solid, sampling=spacing) > _DEPTH_MM
    voxel_ml = scan.voxel_ml * float(np.prod(thin))
    left_of = scan.position_mm(0)[coarse[2]] > float(np.median(spine[:, 0]))
    left_ml = float(core[..., left_of].sum()) * voxel_ml
    right_ml = float(core[..., ~left_of].sum()) * voxel_ml
    if max(left_ml, right_ml) < _LEAST_ML or max(left_ml, right_ml) < _CLEAR_RATIO * min(left_ml, right_ml):
        return ""
    return "left" if left_ml > right_ml else "right"
