"""How long a front takes from the marks to each voxel: a distance that HU and doubt make shorter or longer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def travel_time(
    speed: NDArray[np.float32], start: NDArray[np.bool_], spacing_zyx: Sequence[float], stop: float
) -> NDArray[np.float32]:
    """Solve the eikonal equation by ITK's fast marching (Sethian, PNAS 1996).

    Parameters
    ----------
    speed : ndarray of float32, shape (z, y, x)
        Positive; at speed 1 the front needs a unit of time for a mm.
    start : ndarray of bool, shape (z, y, x)
        Where the front begins.
    spacing_zyx : sequence of 3 float
        Voxel spacing in mm.
    stop : float
        Time at which the front stops.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
        Times; `stop` where the front has not arrived.
    """
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(speed, dtype=np.float32))
    image.SetSpacing([float(value) for value in reversed(spacing_zyx)])
    marching = SimpleITK.FastMarchingImageFilter()
    marching.SetTrialPoints([[int(x), int(y), int(z)] for z, y, x in np.argwhere(start)])
    marching.SetStoppingValue(float(stop))
    times = np.minimum(SimpleITK.GetArrayFromImage(marching.Execute(image)), stop).astype(np.float32)
    times[start] = 0.0
    return times
