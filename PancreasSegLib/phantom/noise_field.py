"""Smooth random fields that do not depend on the grid they are sampled on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Geometry

_PERIOD_MM = 560.0


def lattice_noise(geometry: Geometry, wavelength_mm: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth Gaussian field of about unit variance on the grid.

    Independent normal values on a lattice are interpolated by cubic B-splines. The lattice is fixed in mm and
    repeats after some 560 mm, so that the same seed gives the same field at any spacing and in any field of view.

    Parameters
    ----------
    geometry : Geometry
        The grid; only its spacing, size and origin count.
    wavelength_mm : float
        Distance between the lattice's nodes in mm.
    rng : numpy.random.Generator
        Source of the values.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
    """
    period = int(np.ceil(_PERIOD_MM / wavelength_mm))
    lattice = rng.standard_normal((period, period, period), dtype=np.float32)
    axes = [
        _spline_weights((origin + spacing * np.arange(size)) / wavelength_mm)
        for size, spacing, origin in zip(geometry.size_ijk, geometry.spacing_mm, geometry.origin_lps, strict=True)
    ]
    (wx, nx), (wy, ny), (wz, nz) = axes
    near = lattice[np.ix_(nz % period, ny % period, nx % period)]
    plane = wy @ (near @ wx.T)
    field = (wz @ plane.reshape(plane.shape[0], -1)).reshape(geometry.shape_zyx)
    # variance of a cubic B-spline over white noise, averaged over a cell: 151/315 an axis
    field *= np.float32((315.0 / 151.0) ** 1.5)
    return field


def _spline_weights(place: NDArray) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cubic B-spline weights (places, nodes) and the numbers of the nodes."""
    nodes = np.arange(int(np.floor(place[0])) - 1, int(np.floor(place[-1])) + 3)
    t = np.abs(place[:, None] - nodes[None, :])
    near = 2.0 / 3.0 - t**2 + t**3 / 2.0
    far = np.clip(2.0 - t, 0.0, None) ** 3 / 6.0
    return np.where(t < 1.0, near, far).astype(np.float32), nodes
