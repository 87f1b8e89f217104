"""How thick the organ is along its centreline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from PancreasSegLib.measure.centreline import Centreline
from PancreasSegLib.measure.shape import OrganShape


def thickness_profile(shape: OrganShape, centreline: Centreline) -> NDArray[np.float64]:
    """Measure the thickness at each point of the centreline.

    It is the diameter of the largest ball inside the organ that holds the point (Hildebrand and Rüegsegger, "A new
    method for the model-independent assessment of thickness in three-dimensional images", Journal of Microscopy
    185:67-75, 1997), so that the line need not run exactly in the middle.

    Parameters
    ----------
    shape : OrganShape
        The organ.
    centreline : Centreline
        Its middle line, of n points.

    Returns
    -------
    ndarray of float, shape (n,)
        Diameters in mm.
    """
    inside = np.argwhere(shape.mask)
    radius = shape.depth_mm[tuple(inside.T)]
    order = np.argsort(radius)[::-1]
    centres = shape.geometry.index_to_lps(inside[:, ::-1])
    near = cKDTree(centres).query_ball_point(centreline.points_lps, float(radius[order[0]]))
    diameters = np.zeros(len(centreline.points_lps))
    for number, (point, candidates) in enumerate(zip(centreline.points_lps, near, strict=True)):
        if candidates:
            distance = np.linalg.norm(centres[candidates] - point, axis=1)
            holds = radius[candidates] >= distance
            diameters[number] = 2 * float(np.max(radius[candidates], where=holds, initial=0.0))
    return diameters
