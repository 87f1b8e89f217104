"""What the scanner adds: the table, the point spread, noise, the round field of view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.phantom.canvas import Canvas
from PancreasSegLib.volume import Geometry

LOWEST_HU, HIGHEST_HU = -1024, 3071


def paint_table(canvas: Canvas, skin_back_mm: float) -> None:
    """Paint a curved couch: two thin shells with light foam between them, behind the patient.

    Parameters
    ----------
    skin_back_mm : float
        Lowest point of the back (y) in the scanner's mm.
    """
    geometry = canvas.geometry
    i = geometry.origin_lps[0] + geometry.spacing_mm[0] * np.arange(geometry.size_ijk[0], dtype=np.float32)
    j = geometry.origin_lps[1] + geometry.spacing_mm[1] * np.arange(geometry.size_ijk[1], dtype=np.float32)
    across = i[None, :] + 7.0
    top = skin_back_mm + 5.0 - across**2 / 1500.0
    below = j[:, None] - top
    inside = (np.abs(across) < 205).astype(np.float32)
    foam = np.clip(0.5 - (np.abs(below - 16) - 14) / canvas.edge_mm, 0, 1) * inside
    upper = np.clip(0.5 - (np.abs(below - 1.0) - 1.3) / canvas.edge_mm, 0, 1) * inside
    lower = np.clip(0.5 - (np.abs(below - 30) - 1.3) / canvas.edge_mm, 0, 1) * inside
    table = -1000 + foam * 90
    table = table + upper * (180 - table)
    table = table + lower * (60 - table)
    outside = canvas.hu <= -995
    canvas.hu[...] = np.where(outside, table[None], canvas.hu)


def blur(hu: NDArray[np.float32], geometry: Geometry, psf_mm: float) -> NDArray[np.float32]:
    """Return the image as the scanner resolves it (Gaussian point spread, `psf_mm` full width at half maximum)."""
    sx, sy, _ = geometry.spacing_mm
    sigma = psf_mm / 2.355
    widths = (0.35, sigma / sy, sigma / sx)  # along z the slice itself is the average
    return ndimage.gaussian_filter(hu, widths, truncate=3.0)


def noise(
    geometry: Geometry, sd_hu: float, rng: np.random.Generator, grain_mm: float = 1.6
) -> NDArray[np.float32]:
    """Return correlated noise of the given standard deviation, as a soft reconstruction kernel leaves it."""
    sx, sy, _ = geometry.spacing_mm
    sigma = grain_mm / 2.355
    field = rng.standard_normal(geometry.shape_zyx, dtype=np.float32)
    field = ndimage.gaussian_filter(field, (0.25, sigma / sy, sigma / sx), truncate=3.0)
    field *= np.float32(sd_hu) / max(float(field.std()), 1e-6)
    return field


def round_field(geometry: Geometry, diameter_mm: float) -> NDArray[np.bool_]:
    """Return where an axial slice lies outside the scanner's circle, shape (y, x)."""
    width, height = geometry.extent_mm[:2]
    i = (np.arange(geometry.size_ijk[0]) + 0.5) * geometry.spacing_mm[0] - width / 2
    j = (np.arange(geometry.size_ijk[1]) + 0.5) * geometry.spacing_mm[1] - height / 2
    return np.hypot(i[None, :], j[:, None]) > diameter_mm / 2
