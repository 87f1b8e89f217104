"""Area of the surface inside each of the 256 kinds of 2x2x2 neighbourhood.

A neighbourhood is a cube with a voxel's centre at each corner, some inside the mask and some outside. The surface
cuts each edge between an inside and an outside corner at its middle, as in marching cubes (Lorensen and Cline,
SIGGRAPH 1987, doi:10.1145/37402.37422). On each face the cuts are joined by straight lines, which close to loops
round the cube; each loop is filled with triangles.

Two choices are free, and are made so that all 256 areas equal those of DeepMind's ``surface-distance``: with more
than four corners inside, inside and outside change places, so that a mask and its complement have surfaces of the
same size; and a loop that is not flat is filled with the triangles of greatest area.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int, int]
Edge = frozenset[Corner]
Point = tuple[float, float, float]

CORNERS: tuple[Corner, ...] = tuple((z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1))
"""Corners (z, y, x) of the cube, in the order of the bits of a neighbourhood's code."""


def neighbourhood_codes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Number the neighbourhoods of a mask: a bit for each of their 8 voxels.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        Beyond its border everything is outside.

    Returns
    -------
    ndarray of uint8, shape (z + 1, y + 1, x + 1)
        Entry ``[z, y, x]`` covers voxels ``z - 1`` and ``z``, and so on; 0 is all outside, 255 all inside.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    codes = np.zeros([n + 1 for n in mask.shape], np.uint8)
    for bit, corner in enumerate(CORNERS):
        window = tuple(slice(c, c + n) for c, n in zip(corner, codes.shape, strict=True))
        codes |= padded[window] << np.uint8(bit)
    return codes


@lru_cache(maxsize=64)
def surface_areas(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area in each kind of neighbourhood, in mm².

    Parameters
    ----------
    spacing_mm : tuple of 3 float
        Along i, j, k.

    Returns
    -------
    ndarray of float, shape (256,)
        By code; 0 for 0 and 255.

    Examples
    --------
    >>> areas = surface_areas((1.0, 2.0, 3.0))
    >>> float(areas[0b00001111])  # the four voxels of one slice: a rectangle of 1 by 2 mm
    2.0
    """
    codes, triangles = _triangles()
    points = triangles * np.array(spacing_mm[::-1])
    sides = points[:, 1:] - points[:, :1]
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    found: NDArray[np.float64] = np.bincount(codes, areas, minlength=256).astype(np.float64)
    return found


@lru_cache(maxsize=1)
def _triangles() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Codes, and the triangle (3 points, z y x, in a unit cube) for each; several a code."""
    found: list[tuple[int, tuple[Point, Point, Point]]] = []
    for code in range(1, 255):
        inside = {corner for bit, corner in enumerate(CORNERS) if code >> bit & 1}
        if len(inside) > 4:
            inside = set(CORNERS) - inside
        for loop in _loops(inside):
            found += [(code, triangle) for triangle in _fill([_middle(edge) for edge in loop])]
    return np.array([code for code, _ in found]), np.array([triangle for _, triangle in found])


def _middle(edge: Edge) -> Point:
    (az, ay, ax), (bz, by, bx) = edge
    return ((az + bz) / 2, (ay + by) / 2, (ax + bx) / 2)


def _faces() -> Iterator[list[Corner]]:
    """The 6 faces, each as its corners in turn."""
    for axis, side in product(range(3), (0, 1)):
        face = []
        for u, v in ((0, 0), (0, 1), (1, 1), (1, 0)):
            corner = [u, v]
            corner.insert(axis, side)
            face.append((corner[0], corner[1], corner[2]))
        yield face


def _loops(inside: set[Corner]) -> list[list[Edge]]:
    """Closed loops of cut edges, joined across the faces."""
    joined: dict[Edge, list[Edge]] = {}
    for face in _faces():
        for a, b in _lines(face, inside):
            joined.setdefault(a, []).append(b)
            joined.setdefault(b, []).append(a)
    loops = []
    while joined:
        loop = [next(iter(joined))]
        while True:
            onward = [edge for edge in joined.pop(loop[-1]) if edge in joined]
            if not onward:
                break
            loop.append(onward[0])
        loops.append(loop)
    return loops


def _lines(face: list[Corner], inside: set[Corner]) -> list[tuple[Edge, Edge]]:
    """Lines on a face between cut edges: none, one, or two that cut off the inside corners of a diagonal."""
    edges = [frozenset((face[n], face[(n + 1) % 4])) for n in range(4)]
    cut = [edge for edge in edges if len(edge & inside) == 1]
    if len(cut) == 2:
        return [(cut[0], cut[1])]
    if len(cut) == 4:
        return [(edges[n - 1], edges[n]) for n in range(4) if face[n] in inside]
    return []


def _fill(points: Sequence[Point]) -> list[tuple[Point, Point, Point]]:
    """Fill a loop with the triangles of greatest area, so that turning the cube changes nothing."""
    best = 0.0
    triangles: list[tuple[Point, Point, Point]] = []
    first, last = points[0], points[-1]
    for n in range(1, len(points) - 1):
        # the last line of the loop belongs to one triangle, which parts the rest into two loops
        parts = _fill(points[: n + 1]) + _fill(points[n:]) + [(first, points[n], last)]
        total = sum(_area(*triangle) for triangle in parts)
        if total > best + 1e-12:
            best, triangles = total, parts
    return triangles


def _area(a: Point, b: Point, c: Point) -> float:
    u, v = [q - p for p, q in zip(a, b, strict=True)], [q - p for p, q in zip(a, c, strict=True)]
    normal = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    return math.hypot(*normal) / 2


def bounding_slices(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Box of a mask as slices (z, y, x), None if it is empty."""
    slices: list[slice] = []
    for axis in range(mask.ndim):
        others = tuple(n for n in range(mask.ndim) if n != axis)
        found = np.flatnonzero(mask.any(axis=others))
        if found.size == 0:
            return None
        slices.append(slice(int(found[0]), int(found[-1]) + 1))
        # later axes need look only at what is left
        mask = mask[tuple(slices[-1] if n == axis else slice(None) for n in range(mask.ndim))]
    return tuple(slices)
