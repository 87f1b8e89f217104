"""How a mark is carried beyond the voxels it covers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.evidence import Evidence, Window
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED
from PancreasSegLib.refine.random_walk import random_walk
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import Box, Volume

REACH_MM = 25.0
"""A mark changes nothing further away than this."""

RIM_MM = 9.0
"""Over this distance before the reach ends, a mark gives way to the mask as it was."""


class Propagation(Protocol):
    """Corrects a mask inside a window.

    Attributes
    ----------
    reach_mm : float
        How far beyond a mark the mask may change.
    """

    reach_mm: float

    def __call__(
        self,
        ct: Volume,
        probability: Volume | None,
        mask: NDArray[np.bool_],
        marks: NDArray[np.uint8],
        window: Box,
        seeds: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Return the mask inside the window.

        Parameters
        ----------
        ct : Volume
            The whole CT, HU.
        probability : Volume or None
            A network's foreground probability, on any grid.
        mask : ndarray of bool, shape (z, y, x)
            The mask until now, on the CT's grid; not to be written to.
        marks : ndarray of uint8, shape (z, y, x)
            Everything marked so far, the new marks included; not to be written to.
        window : Box
            The part that may change: all within `reach_mm` of the new marks.
        seeds : ndarray of uint8, shape (z, y, x)
            The new scribbles and points alone, cut to `window`.
        """


class WindowPropagation(ABC):
    """Works on a window of the work grid, and gives way to the mask as it was towards the end of its reach.

    What a method leaves as it is stays so to the voxel, however fine the CT's grid. Inclusions alone take nothing
    away, exclusions alone add nothing.
    """

    reach_mm = REACH_MM
    inertia = 0.1
    """A probability must pass one half by this much to change the mask: then hardly a mark makes it worse."""

    @abstractmethod
    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window, (z, y, x), given its marks."""

    def __call__(
        self,
        ct: Volume,
        probability: Volume | None,
        mask: NDArray[np.bool_],
        marks: NDArray[np.uint8],
        window: Box,
        seeds: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Return the mask inside the window; see :class:`Propagation`."""
        marked = Box.of_mask(seeds)
        if marked is None:
            return mask[window.slices_zyx].copy()
        placed = np.zeros(mask.shape, dtype=np.uint8)
        placed[window.slices_zyx] = seeds
        grid = WorkGrid.around(window.part(marked), ct.geometry, self.reach_mm)
        view = Window.of(grid, ct, probability, mask, marks, placed)
        weight = blend_weight(view)
        found = weight * self.corrected(view) + (1 - weight) * view.mask
        found = (found + self.inertia * (2 * view.mask - 1)).astype(np.float32)
        before = mask[window.slices_zyx]
        after = _applied(found, view.mask, grid, window, before)
        if (seeds == EXCLUDED).any():
            return after & before if not (seeds == INCLUDED).any() else after
        return after | before


class WeightFree(WindowPropagation):
    """The network's log-odds, the mask, and fronts that run from the marks over like HU; smoothed up to HU edges.

    Needs no weights and no torch, and works on a mask of any origin.
    """

    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window; see :class:`WindowPropagation`."""
        evidence = Evidence.of(window)
        found = (1 / (1 + np.exp(-evidence.score))).astype(np.float32)
        return smoothed(window, found, evidence.smooth_hu, weight=0.5)


def smoothed(
    window: Window, probability: NDArray[np.float32], smooth_hu: NDArray[np.float32], weight: float
) -> NDArray[np.float32]:
    """Smooth what was found up to HU edges; marks, and all beyond the reach of the new ones, stay.

    Parameters
    ----------
    window : Window
        What is known.
    probability : ndarray of float32, shape (z, y, x)
        Of the organ, as found.
    smooth_hu : ndarray of float32, shape (z, y, x)
        HU with little noise.
    weight : float
        Of what was found against its neighbours, see :func:`random_walk`.
    """
    near = blend_weight(window)
    prior = (near * probability + (1 - near) * window.mask).astype(np.float32)
    marked = window.marks != UNMARKED
    prior[marked] = window.marks[marked] == INCLUDED
    return random_walk(prior, marked | (near == 0), smooth_hu, window.spacing_zyx, weight=weight)


def blend_weight(window: Window) -> NDArray[np.float32]:
    """Return what a correction counts: 1 near the new marks, 0 beyond their reach."""
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(window.seeds == UNMARKED, sampling=window.spacing_zyx)
    return np.clip((REACH_MM - distance) / RIM_MM, 0.0, 1.0).astype(np.float32)


def _applied(
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
