"""Volume, density and place of a label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Volume


def label_statistics(mask: NDArray[np.bool_], ct: Volume) -> dict[str, Any]:
    """Measure one label on the CT's own grid.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The label.
    ct : Volume
        HU on the same grid, with axes in any order.

    Returns
    -------
    dict
        ``volume_ml``; ``mean_hu`` and ``sd_hu`` of the voxels inside; ``extent_mm``, the edges of the box along
        the patient's Left, Posterior and Superior that holds the voxels; ``centre_lps``, the centre of gravity
        in mm. Of an empty label only the volume is a number, the others are None.
    """
    box = Box.of_mask(mask)
    if box is None:
        return {"volume_ml": 0.0, "mean_hu": None, "sd_hu": None, "extent_mm": None, "centre_lps": None}
    inside = mask[box.slices_zyx]
    hu = ct.voxels[box.slices_zyx][inside].astype(np.float64)
    hu = hu[np.isfinite(hu)]
    index = np.argwhere(inside)[:, ::-1] + np.asarray(box.lower_ijk)
    position = ct.geometry.index_to_lps(index)
    # A voxel is a box too: its half diagonal along each patient axis is added on either side.
    voxel_mm = np.abs(ct.geometry.matrix) @ np.asarray(ct.geometry.spacing_mm)
    extent = position.max(axis=0) - position.min(axis=0) + voxel_mm
    return {
        "volume_ml": float(len(index) * ct.geometry.voxel_volume_ml),
        "mean_hu": float(hu.mean()) if hu.size else None,
        "sd_hu": float(hu.std()) if hu.size else None,
        "extent_mm": [float(v) for v in extent],
        "centre_lps": [float(v) for v in position.mean(axis=0)],
    }
