"""A closed surface of triangles through a field of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RING = ((1, 1), (0, 1), (0, 0), (1, 0))
"""The four cells around an edge of the grid, as steps back along the two axes across it, in turning order."""


def surface_nets(values: NDArray[np.floating], level: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the surface that parts what is above a level from the rest (surface nets: Gibson, MICCAI 1998).

    Each cell of eight neighbouring values through which the surface passes holds one vertex, the mean of where the
    level is crossed along the cell's edges; each crossed edge joins the vertices of its four cells.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        At its borders below the level, where the surface is to be closed.
    level : float
        Where the surface lies.

    Returns
    -------
    vertices : ndarray, shape (n, 3)
        As indices (z, y, x) of `values`.
    faces : ndarray, shape (m, 3)
        Indices of vertices; counter-clockwise as seen from outside, in a right-handed space of (z, y, x).
    """
    above = values > level
    cells = np.array(values.shape) - 1
    total, crossings = np.zeros((3, int(cells.prod()))), np.zeros(int(cells.prod()))
    quads = []
    for axis in range(3):
        lower = np.argwhere(np.diff(above, axis=axis))
        upper = lower + np.eye(3, dtype=int)[axis]
        first, second = values[tuple(lower.T)], values[tuple(upper.T)]
        points = lower.astype(float)
        points[:, axis] += (level - first) / (second - first)
        across = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        ring = [lower - np.array(step) @ across for step in _RING]
        inner = np.all([((cell >= 0) & (cell < cells)).all(axis=1) for cell in ring], axis=0)
        quad = np.stack([np.ravel_multi_index(cell[inner].T, tuple(cells)) for cell in ring], axis=1)
        for corner in quad.T:
            crossings += np.bincount(corner, minlength=len(crossings))
            for a in range(3):
                total[a] += np.bincount(corner, points[inner, a], len(crossings))
        quads.append(np.where((first < second)[inner, None], quad[:, ::-1], quad))
    used = np.flatnonzero(crossings)
    number = np.zeros(len(crossings), dtype=np.int64)
    number[used] = np.arange(len(used))
    vertices = (total[:, used] / crossings[used]).T
    return vertices, _triangles(vertices, number[np.concatenate(quads)])


def _triangles(vertices: NDArray[np.float64], quads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut each quad along its shorter diagonal, which leaves fewer creases."""
    first, second = (np.linalg.norm(vertices[quads[:, i]] - vertices[quads[:, i + 2]], axis=1) for i in (0, 1))
    turned = np.where((first <= second)[:, None], quads, np.roll(quads, -1, axis=1))
    return np.concatenate([turned[:, :3], turned[:, [0, 2, 3]]])


def vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the unit normal at each vertex, the mean over its faces by their area."""
    corners = vertices[faces]
    turned = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(turned[:, axis], 3), len(vertices))
            for axis in range(vertices.shape[1])
        ],
        axis=1,
    )
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12)
