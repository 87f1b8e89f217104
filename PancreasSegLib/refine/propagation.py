"""How a mark is carried beyond the voxels it covers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.evidence import REACH_MM, Evidence, Window
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED
from PancreasSegLib.refine.random_walk import random_walk
from PancreasSegLib.refine.task import Task
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import Box

_SLICE_INERTIA = 0.05


class Propagation(Protocol):
    """Corrects a mask inside a window.

    Attributes
    ----------
    reach_mm : float
        How far beyond a mark the mask may change.
    """

    reach_mm: float

    def __call__(self, task: Task) -> NDArray[np.bool_]:
        """Return the mask inside the window."""


class WindowPropagation(ABC):
    """Works on a window of the work grid, and gives way to the mask as it was towards the end of its reach.

    What a method leaves as it is stays so to the voxel, however fine the CT's grid. An inclusion takes nothing
    away, an exclusion adds nothing; a confirmed slice does both to its neighbours.
    """

    reach_mm = REACH_MM
    inertia = 0.1
    """A probability must pass one half by this much to change the mask: then hardly a mark makes it worse."""

    @abstractmethod
    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window, (z, y, x), given its marks."""

    def __call__(self, task: Task) -> NDArray[np.bool_]:
        """Return the mask inside the window; see `Propagation`."""
        before, seeds = task.mask[task.window.slices_zyx], task.seeds
        marked = Box.of_mask(seeds)
        if marked is None:
            return before.copy()
        if task.kind == "slice":
            grid = WorkGrid.around(task.window, task.ct.geometry, 0.0)
        else:
            grid = WorkGrid.around(task.window.part(marked), task.ct.geometry, self.reach_mm)
        view = Window.of(grid, task)
        found = view.weight * self.corrected(view) + (1 - view.weight) * view.mask
        inertia = _SLICE_INERTIA if task.kind == "slice" else self.inertia
        found = (found + inertia * (2 * view.mask - 1)).astype(np.float32)
        after = applied(found, view.mask, grid, task.window, before)
        if task.kind == "slice":
            return after
        return after & before if (seeds == EXCLUDED).any() else after | before


class WeightFree(WindowPropagation):
    """The network's log-odds, the mask, and fronts that run from the marks over like HU; smoothed up to HU edges.

    Needs no weights and no torch, and works on a mask of any origin.
    """

    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window; see `WindowPropagation`."""
        evidence = Evidence.of(window)
        found = (1 / (1 + np.exp(-evidence.score))).astype(np.float32)
        if window.whole_slice:
            return 0.5 * (found + walked(window))
        return smoothed(window, found, weight=0.5)


def smoothed(window: Window, probability: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """Smooth what was found up to HU edges; marks, and all beyond the reach of the new ones, stay.

    Parameters
    ----------
    window : Window
        What is known.
    probability : ndarray of float32, shape (z, y, x)
        Of the organ, as found.
    weight : float
        Of what was found against its neighbours, see `random_walk`.
    """
    near = window.weight
    prior = (near * probability + (1 - near) * window.mask).astype(np.float32)
    marked = window.marks != UNMARKED
    prior[marked] = window.marks[marked] == INCLUDED
    return random_walk(prior, marked | (near == 0), window.smooth_hu, window.spacing_zyx, weight=weight)


def walked(window: Window, weight: float = 0.1) -> NDArray[np.float32]:
    """Return random walks from all marks, with network and mask as priors (Grady, CVPR 2005).

    Parameters
    ----------
    window : Window
        What is known.
    weight : float
        Of the priors against the neighbours.
    """
    marked = window.marks != UNMARKED
    prior = (0.5 * window.probability + 0.5 * window.mask).astype(np.float32)
    prior[marked] = window.marks[marked] == INCLUDED
    return random_walk(prior, marked, window.smooth_hu, window.spacing_zyx, weight=weight)


def applied(
    found: NDArray[np.float32], before: NDArray[np.float32], grid: WorkGrid, window: Box, mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return `mask`, which is cut to `window`, with what was found where that differs from what was before."""
    from scipy.ndimage import binary_dilation

    result = mask.copy()
    changed = (found > 0.5) != (before > 0.5)
    if not changed.any():
        return result
    # One voxel more, so that no rim of a removed part is left on a finer grid.
    zone = binary_dilation(changed, np.ones((3, 3, 3), dtype=bool))
    inner = grid.covered().intersection(window)
    part = inner.slices_in(window)
    near = grid.restored(zone.astype(np.float32), inner) > 0.25
    result[part] = np.where(near, grid.restored(found, inner) > 0.5, result[part])
    return result
