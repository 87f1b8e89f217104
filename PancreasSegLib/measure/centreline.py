"""The line through the middle of the organ, from the head to the tail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.ndimage as ndi
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from PancreasSegLib.measure.shape import OrganShape

_STEP_MM = 1.0
_SMOOTHING_MM = 6.0  # SD along the line
_STEPS = [(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)]


@dataclass(frozen=True, eq=False)
class Centreline:
    """Points along the middle of the organ, a millimetre apart.

    Attributes
    ----------
    points_lps : ndarray of float, shape (n, 3)
        LPS positions in mm; the first lies in the end that is further to the patient's right, the head.
    """

    points_lps: NDArray[np.float64]

    @cached_property
    def along_mm(self) -> NDArray[np.float64]:
        """Length of the line up to each point in mm, shape (n,)."""
        steps = np.linalg.norm(np.diff(self.points_lps, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length_mm(self) -> float:
        """Length of the whole line in mm."""
        return float(self.along_mm[-1])


def find_centreline(shape: OrganShape) -> Centreline:
    """Find the line through the middle of an organ.

    Its ends are the two points that are furthest from each other along ways inside the organ. Between them runs
    the way on which a step costs more the nearer it is to the surface (Wan et al., "Automatic centerline
    extraction for virtual colonoscopy", IEEE TMI 21:1450-1460, 2002), smoothed along its length.

    Parameters
    ----------
    shape : OrganShape
        The organ.
    """
    ways = _ways_inside(shape)
    first = _furthest(ways.lengths, 0)
    end = _furthest(ways.lengths, first)
    last = _furthest(ways.lengths, end)
    path = _cheapest(ways.centred, end, last)
    index = np.stack(np.unravel_index(ways.voxels[path], shape.mask.shape), axis=-1)[:, ::-1]
    points = shape.geometry.index_to_lps(index)
    if points[0, 0] > points[-1, 0]:  # L grows to the patient's left
        points = points[::-1]
    return Centreline(_smooth(points))


@dataclass(frozen=True, eq=False)
class _Ways:
    """Steps between neighbouring voxels of the organ, as sparse matrices over `voxels` (flat indices)."""

    voxels: NDArray[np.int64]
    lengths: coo_array
    centred: coo_array


def _ways_inside(shape: OrganShape) -> _Ways:
    voxels = np.flatnonzero(shape.mask)
    number = np.full(shape.mask.shape, -1)
    number.flat[voxels] = np.arange(len(voxels))
    depth = np.maximum(shape.depth_mm.ravel()[voxels], 0.25)
    spacing = np.asarray(shape.geometry.spacing_mm[::-1])
    rows, columns, lengths = [], [], []
    for step in _STEPS:
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, shape.mask.shape, strict=True))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, shape.mask.shape, strict=True))
        both = shape.mask[here] & shape.mask[there]
        rows.append(number[here][both])
        columns.append(number[there][both])
        lengths.append(np.full(len(rows[-1]), np.linalg.norm(spacing * step)))
    row, column, length = (np.concatenate(part) for part in (rows, columns, lengths))
    mean_depth = (depth[row] + depth[column]) / 2
    size = (len(voxels), len(voxels))
    return _Ways(
        voxels,
        coo_array((length, (row, column)), shape=size),
        coo_array((length * (depth.max() / mean_depth) ** 2, (row, column)), shape=size),
    )


def _furthest(ways: coo_array, start: int) -> int:
    distance = dijkstra(ways.tocsr(), directed=False, indices=start)
    return int(np.argmax(np.where(np.isfinite(distance), distance, -1)))


def _cheapest(ways: coo_array, start: int, end: int) -> NDArray[np.int64]:
    _, before = dijkstra(ways.tocsr(), directed=False, indices=start, return_predecessors=True)
    path = [end]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    return np.asarray(path)


def _smooth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points a millimetre apart on the smoothed line; its ends stay."""
    fine = _evenly_spaced(points)
    if len(fine) < 3:
        return fine
    sigma = min(_SMOOTHING_MM / _STEP_MM, len(fine) / 6)
    reach = int(4 * sigma)
    # Mirrored through the end points, so that these do not move.
    before, after = 2 * fine[0] - fine[reach:0:-1], 2 * fine[-1] - fine[-2 : -reach - 2 : -1]
    smooth = ndi.gaussian_filter1d(np.concatenate([before, fine, after]), sigma, axis=0)
    return _evenly_spaced(smooth[len(before) : len(before) + len(fine)])


def _evenly_spaced(points: NDArray[np.float64]) -> NDArray[np.float64]:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    wanted = np.linspace(0, along[-1], max(2, round(along[-1] / _STEP_MM) + 1))
    return np.stack([np.interp(wanted, along, points[:, axis]) for axis in range(3)], axis=-1)
