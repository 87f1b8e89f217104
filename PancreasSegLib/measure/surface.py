"""The organ's surface: its area, and how lobulated it is."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from PancreasSegLib.measure.shape import OrganShape
from PancreasSegLib.metrics.surface_area import neighbourhood_codes, surface_areas


def surface(shape: OrganShape) -> dict[str, float]:
    """Measure the surface of an organ.

    Parameters
    ----------
    shape : OrganShape
        The organ.

    Returns
    -------
    dict of str to float
        ``surface_cm2``, the area (marching cubes); ``surface_per_volume_mm``, area over volume in 1/mm, which
        grows with lobulation and falls with size; ``sphericity``, the area of the ball of equal volume over the
        area (Wadell, Journal of Geology 43:250-280, 1935); ``convexity``, volume over that of the convex hull.
    """
    spacing = shape.geometry.spacing_mm
    area = float(surface_areas(spacing)[neighbourhood_codes(shape.mask)].sum())
    volume = float(shape.mask.sum() * np.prod(spacing))
    rim = shape.mask & (shape.depth_mm <= max(spacing))
    faces = (np.argwhere(rim)[:, None, :] + _TO_FACES).reshape(-1, 3)
    hull = ConvexHull(faces * spacing[::-1])
    return {
        "surface_cm2": area / 100,
        "surface_per_volume_mm": area / volume,
        "sphericity": float(np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area),
        "convexity": volume / float(hull.volume),
    }


_TO_FACES = 0.5 * np.concatenate([np.eye(3), -np.eye(3)])
