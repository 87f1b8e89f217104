"""HU of an organ, and how much of it is fat."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray

from PancreasSegLib.volume import Geometry

FAT_HU = (-190.0, -30.0)
"""HU that are taken for fat: the range in which adipose tissue is counted on CT (Yoshizumi et al., "Abdominal fat:
standardized technique for measurement at CT", Radiology 211:283-286, 1999)."""


def erode_rim(mask: NDArray[np.bool_], geometry: Geometry, rim_mm: float = 1.5) -> NDArray[np.bool_]:
    """Leave out the rim in which organ and surroundings share voxels; only within slices where these are thick.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The organ.
    geometry : Geometry
        Its grid.
    rim_mm : float
        Depth of the rim in mm. Along an axis whose voxels are more than twice as large nothing is taken away.
    """
    spacing = np.asarray(geometry.spacing_mm[::-1])
    spacing[spacing > 2 * rim_mm] = 1e6  # such an axis does not count
    padded = np.pad(mask, 1)
    depth = ndi.distance_transform_edt(padded, spacing)[1:-1, 1:-1, 1:-1]
    eroded: NDArray[np.bool_] = depth > rim_mm
    return eroded


def density(hu: NDArray[np.floating]) -> dict[str, float]:
    """Describe the HU of an organ's voxels.

    Parameters
    ----------
    hu : ndarray, shape (n,)
        HU of the voxels inside; at least one.

    Returns
    -------
    dict of str to float
        ``mean_hu``, ``sd_hu``, ``median_hu``, ``p10_hu``, ``p90_hu``, and ``fat_share``, the share of voxels
        within `FAT_HU`.
    """
    low, high = FAT_HU
    p10, p50, p90 = np.percentile(hu, (10, 50, 90))
    return {
        "mean_hu": float(np.mean(hu, dtype=np.float64)),
        "sd_hu": float(np.std(hu, dtype=np.float64)),
        "median_hu": float(p50),
        "p10_hu": float(p10),
        "p90_hu": float(p90),
        "fat_share": float(np.mean((hu >= low) & (hu <= high))),
    }
