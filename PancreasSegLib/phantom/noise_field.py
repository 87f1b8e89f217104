"""Smooth random fields on a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Geometry


def lattice_noise(geometry: Geometry, wavelength_mm: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth Gaussian field of about unit variance on the grid.

    Independent normal values on a lattice are interpolated by cubic B-splines. The lattice is laid out in mm from
    the grid's outer corner, so that the same seed gives the same field at any spacing.

    Parameters
    ----------
    geometry : Geometry
        The grid.
    wavelength_mm : float
        Distance between the lattice's nodes in mm.
    rng : numpy.random.Generator
        Source of the values.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
    """
    weights = [
        _spline_weights(size, spacing, wavelength_mm)
        for size, spacing in zip(geometry.size_ijk, geometry.spacing_mm, strict=True)
    ]
    wx, wy, wz = weights
    lattice = rng.standard_normal((wz.shape[1], wy.shape[1], wx.shape[1]), dtype=np.float32)
    plane = wy @ (lattice @ wx.T)
    field = (wz @ plane.reshape(plane.shape[0], -1)).reshape(geometry.shape_zyx)
    # variance of a cubic B-spline over white noise, averaged over a cell: (151/315) an axis
    field *= np.float32((315.0 / 151.0) ** 1.5)
    return field


def _spline_weights(size: int, spacing_mm: float, wavelength_mm: float) -> NDArray[np.float32]:
    """Return the (size, nodes) matrix of cubic B-spline weights of one axis."""
    place = (np.arange(size) + 0.5) * spacing_mm / wavelength_mm
    nodes = np.arange(int(np.ceil(size * spacing_mm / wavelength_mm)) + 3) - 1
    t = np.abs(place[:, None] - nodes[None, :])
    near = 2.0 / 3.0 - t**2 + t**3 / 2.0
    far = np.clip(2.0 - t, 0.0, None) ** 3 / 6.0
    return np.where(t < 1.0, near, far).astype(np.float32)
