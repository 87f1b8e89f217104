"""Grow from seeds, the reference that users of 3D Slicer know: grow-cut, by shortest paths.

Vezhnevets and Konouchine, "GrowCut" (GraphiCon 2005), computed as Zhu et al., "An effective interactive medical
image segmentation method using fast GrowCut" (MICCAI workshop 2014): every voxel takes the label of the seed from
which the path with the least sum of HU steps leads to it. Written from the papers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from PancreasSegLib.refine import EXCLUDED, INCLUDED
from PancreasSegLib.refine.task import Task

TIE_HU = 0.01
"""Cost of a step between equal HU, so that the nearer of two seeds wins."""


class GrowFromSeeds:
    """Cut the neighbourhood of a new mark anew from seeds.

    Seeds are the user's marks so far, the mask's inside (eroded) and what lies well outside the mask. Where a new
    mark contradicts the mask, the mask is no seed nearby, else a mark could never take a wrong piece away.

    Parameters
    ----------
    reach_mm : float
        How far from a new mark the mask is cut anew.
    rim_mm : float
        Width of the undecided rim on either side of the mask's surface.
    doubt_mm : float
        Within this distance of a new mark the mask's seeds are dropped that say otherwise.

    Notes
    -----
    3D Slicer's effect cuts the whole image anew and takes everything painted as seeds. Done so, one mark can move
    the boundary anywhere. The three lengths were chosen in this reference's favour, on the cases on which it is
    measured.
    """

    def __init__(self, reach_mm: float = 20.0, rim_mm: float = 2.0, doubt_mm: float = 12.0) -> None:
        self.reach_mm, self.rim_mm, self.doubt_mm = reach_mm, rim_mm, doubt_mm

    def __call__(self, task: Task) -> NDArray[np.bool_]:
        """Return the mask inside the window; see `PancreasSegLib.refine.propagation.Propagation`."""
        part, seeds = task.window.slices_zyx, task.seeds
        spacing = task.ct.geometry.spacing_mm[::-1]
        labels = self._seeds(task.mask[part], task.marks[part], seeds, spacing)
        grown = grow_cut(np.clip(task.ct.voxels[part], -200, 400).astype(np.float32), labels) == INCLUDED
        near = ndimage.distance_transform_edt(seeds == 0, sampling=spacing) <= self.reach_mm
        return np.where(near, grown, task.mask[part])

    def _seeds(
        self, mask: NDArray[np.bool_], marks: NDArray[np.uint8], new: NDArray[np.uint8], spacing: tuple[float, ...]
    ) -> NDArray[np.uint8]:
        """Return the map of seeds: 1 organ, 2 other, 0 undecided."""
        inside = ndimage.distance_transform_edt(mask, sampling=spacing) if mask.any() else np.zeros(mask.shape)
        outside = ndimage.distance_transform_edt(~mask, sampling=spacing) if mask.any() else np.inf
        labels = np.zeros(mask.shape, np.uint8)
        labels[inside > self.rim_mm] = INCLUDED
        labels[np.broadcast_to(outside > self.rim_mm, mask.shape)] = EXCLUDED
        for value, contrary in ((INCLUDED, EXCLUDED), (EXCLUDED, INCLUDED)):
            if (new == value).any():
                doubt = ndimage.distance_transform_edt(new != value, sampling=spacing) <= self.doubt_mm
                labels[doubt & (labels == contrary)] = 0
        labels[marks == INCLUDED] = INCLUDED
        labels[marks == EXCLUDED] = EXCLUDED
        return labels


def grow_cut(hu: NDArray[np.float32], seeds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give every voxel the label of the seed that is nearest by the sum of HU steps along the way.

    Parameters
    ----------
    hu : ndarray of float32, shape (z, y, x)
        The image.
    seeds : ndarray of uint8, shape (z, y, x)
        0 undecided, 1 and 2 the labels.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        1 and 2; 0 where no path leads to a seed. Steps go through faces; ties go to label 2.

    Examples
    --------
    >>> grow_cut(np.float32([[[0, 1, 2, 50, 51]]]), np.uint8([[[1, 0, 0, 0, 2]]])).ravel().tolist()
    [1, 1, 1, 2, 2]
    """
    undecided = seeds == 0
    count = int(undecided.sum())
    number = np.full(seeds.shape, -1, dtype=np.int32)
    number[undecided] = np.arange(count)
    starts, ends, costs = [], [], []
    entry = np.full((2, count), np.inf)  # the cheapest step into each undecided voxel from a seed of either label
    for axis in range(seeds.ndim):
        first, second = (tuple(_side(a == axis, upper) for a in range(seeds.ndim)) for upper in (False, True))
        step = (np.abs(np.diff(hu, axis=axis)) + TIE_HU).astype(np.float64)
        both = undecided[first] & undecided[second]
        starts.append(number[first][both])
        ends.append(number[second][both])
        costs.append(step[both])
        for here, there in ((first, second), (second, first)):
            for label in (1, 2):
                into = undecided[here] & (seeds[there] == label)
                np.minimum.at(entry[label - 1], number[here][into], step[into])
    for label in (0, 1):  # two more nodes stand for all seeds of a label
        reached = np.flatnonzero(np.isfinite(entry[label]))
        starts.append(np.full(reached.size, count + label, dtype=np.int32))
        ends.append(reached.astype(np.int32))
        costs.append(entry[label][reached])
    one, other, cost = (np.concatenate(parts) for parts in (starts, ends, costs))
    between = int(sum(part.size for part in starts[: seeds.ndim]))
    rows = np.concatenate([one, other[:between]])
    columns = np.concatenate([other, one[:between]])
    graph = coo_matrix((np.concatenate([cost, cost[:between]]), (rows, columns)), shape=(count + 2, count + 2))
    distance = dijkstra(graph.tocsr(), indices=[count, count + 1])[:, :count]
    grown = seeds.copy()
    taken = np.where(distance[0] < distance[1], 1, 2)
    grown[undecided] = np.where(np.isfinite(distance.min(0)), taken, 0)
    return grown


def _side(along: bool, upper: bool) -> slice:
    """Return all but the first (or the last) voxel along an axis."""
    if not along:
        return slice(None)
    return slice(1, None) if upper else slice(None, -1)
