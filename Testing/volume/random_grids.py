"""Hypothesis strategies for voxel grids: every order and flip of the axes, oblique, anisotropic, anywhere."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st

from PancreasSegLib.volume import Geometry

AXIS_ORDERS = [
    np.eye(3)[:, list(order)] * np.array(signs)
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]
"""The 48 direction matrices whose axes are those of the patient in any order, either way."""


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    """Return the rotation by three angles in radians about x, y and z."""
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        turn = np.eye(3)
        a, b = [i for i in range(3) if i != axis]
        turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
        result = turn @ result
    return result


def _values(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def grids(draw: st.DrawFn, max_size: int = 8, max_angle: float = 0.6) -> Geometry:
    """A grid of 1 to `max_size` voxels an axis, 0.5 to 7 mm apart, of any orientation, left-handed ones too."""
    size = draw(st.tuples(*[st.integers(1, max_size)] * 3))
    spacing = draw(st.tuples(*[_values(0.5, 7.0)] * 3))
    origin = draw(st.tuples(*[_values(-900.0, 900.0)] * 3))
    angles = draw(st.tuples(*[_values(-max_angle, max_angle)] * 3))
    # Rounded, since ITK cannot invert a matrix that holds denormal numbers (its decomposition fails).
    direction = np.round(rotation(angles) @ draw(st.sampled_from(AXIS_ORDERS)), 12)
    return Geometry(size, spacing, origin, tuple(direction.ravel()))


def numbered(geometry: Geometry) -> np.ndarray:
    """Return an array in which every voxel has its own value."""
    return np.arange(np.prod(geometry.size_ijk), dtype=np.int32).reshape(geometry.shape_zyx)


def voxel_positions(geometry: Geometry) -> np.ndarray:
    """Return the LPS position of every voxel, shape (z, y, x, 3)."""
    k, j, i = np.meshgrid(*[np.arange(n) for n in geometry.shape_zyx], indexing="ij")
    return geometry.index_to_lps(np.stack([i, j, k], axis=-1))
