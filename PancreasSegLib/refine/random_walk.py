"""Smoothing that stops at HU edges: a random walker with priors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FLOOR = 0.01
_ITERATIONS = 30


def random_walk(
    prior: NDArray[np.float32],
    fixed: NDArray[np.bool_],
    hu: NDArray[np.float32],
    spacing_zyx: Sequence[float],
    *,
    weight: float = 0.5,
    edge_hu: float = 25.0,
) -> NDArray[np.float32]:
    """Minimise ``weight |x - prior|^2 + sum w_ij (x_i - x_j)^2``, ``w_ij = exp(-(dHU / edge_hu)^2)``.

    Random walks with priors (Grady, CVPR 2005, doi:10.1109/CVPR.2005.239), solved by conjugate gradients.

    Parameters
    ----------
    prior : ndarray of float32, shape (z, y, x)
        Probability before smoothing; the value of fixed voxels.
    fixed : ndarray of bool, shape (z, y, x)
        Voxels that keep their prior.
    hu : ndarray of float32, shape (z, y, x)
        HU, with little noise.
    spacing_zyx : sequence of 3 float
        Voxel spacing in mm; neighbours further apart are bound less.
    weight : float
        Of the prior.
    edge_hu : float
        Difference in HU over which neighbours hardly influence each other.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
    """
    near, far, bonds = [], [], []
    degree = np.full(prior.shape, weight, dtype=np.float32)
    for axis in range(3):
        first = tuple(slice(0, -1) if a == axis else slice(None) for a in range(3))
        second = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        scale = (min(spacing_zyx) / spacing_zyx[axis]) ** 2
        bond = ((np.exp(-((np.diff(hu, axis=axis) / edge_hu) ** 2)) + _FLOOR) * scale).astype(np.float32)
        degree[first] += bond
        degree[second] += bond
        near.append(first)
        far.append(second)
        bonds.append(bond)

    def applied(x: NDArray[np.float32]) -> NDArray[np.float32]:
        y: NDArray[np.float32] = degree * x
        for first, second, bond in zip(near, far, bonds, strict=True):
            y[first] -= bond * x[second]
            y[second] -= bond * x[first]
        return y

    x = prior.copy()
    residual = weight * prior - applied(x)
    residual[fixed] = 0
    scaled = residual / degree
    direction, energy = scaled.copy(), float((residual * scaled).sum())
    for _ in range(_ITERATIONS):
        if energy < 1e-6 * x.size:
            break
        product = applied(direction)
        product[fixed] = 0
        step = energy / (float((direction * product).sum()) + 1e-12)
        x += step * direction
        residual -= step * product
        scaled = residual / degree
        energy, former = float((residual * scaled).sum()), energy
        direction = scaled + (energy / former) * direction
    return x
