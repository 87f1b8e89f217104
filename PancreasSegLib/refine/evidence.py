"""What speaks for the organ at each voxel: the network, the mask as it is, and the marks carried over the CT."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED
from PancreasSegLib.refine.task import Task
from PancreasSegLib.refine.travel_time import travel_time
from PancreasSegLib.refine.work_grid import WorkGrid

WINDOW_HU = (-125.0, 275.0)
CHANNELS = 11
"""Images that a refiner network takes, see `Evidence`."""

_SMOOTHING = (0.3, 0.8, 0.8)  # SD in voxels (z, y, x)
_ALIKE_HU = 30.0
_SLOWEST = 0.08
_STOP = 60.0
_REACH = 14.0
_FADE_MM = 8.0
_STRAIGHT_MM = 10.0
_SLICE_HELD, _SLICE_PULL = 0.7, 2.5
_LARGEST_LOGIT = 4.0

REACH_MM = 25.0
"""A mark changes nothing further away than this."""

RIM_MM = 9.0
"""Over this distance before the reach ends, a mark gives way to the mask as it was."""


@dataclass(frozen=True, eq=False)
class Window:
    """What is known inside a window of the work grid, all of shape (z, y, x).

    Attributes
    ----------
    hu : ndarray of float32
        Clipped to -125 to 275 HU.
    probability : ndarray of float32
        Of the organ, from a network, 0 to 1.
    mask : ndarray of float32
        The mask as it is, 0 to 1.
    marks, seeds : ndarray of uint8
        All marks, and the new ones alone: 0 none, 1 included, 2 excluded.
    spacing_zyx : tuple of 3 float
        Voxel spacing in mm.
    whole_slice : bool
        Whether the new marks say all about a slice.
    """

    hu: NDArray[np.float32]
    probability: NDArray[np.float32]
    mask: NDArray[np.float32]
    marks: NDArray[np.uint8]
    seeds: NDArray[np.uint8]
    spacing_zyx: tuple[float, float, float]
    whole_slice: bool = False

    @classmethod
    def of(cls, grid: WorkGrid, task: Task) -> Window:
        """Sample everything on a work grid."""
        seeds = np.zeros(task.mask.shape, dtype=np.uint8)
        seeds[task.window.slices_zyx] = task.seeds
        now = grid.sampled(task.mask)
        if task.probability is None:
            belief = belief_of_mask(now)
        else:
            belief = np.clip(grid.sampled_volume(task.probability), 0.0, 1.0)
        hu = grid.sampled(task.ct.voxels, low=WINDOW_HU[0], high=WINDOW_HU[1])
        marks, new = grid.sampled_marks(task.marks), grid.sampled_marks(seeds)
        return cls(hu, belief, now, marks, new, grid.spacing_zyx, task.kind == "slice")

    @cached_property
    def smooth_hu(self) -> NDArray[np.float32]:
        """HU with less noise."""
        from scipy.ndimage import gaussian_filter

        return np.asarray(gaussian_filter(self.hu, _SMOOTHING), dtype=np.float32)

    @cached_property
    def weight(self) -> NDArray[np.float32]:
        """What a correction counts: 1 near the new marks, 0 beyond their reach."""
        from scipy.ndimage import distance_transform_edt

        distance = distance_transform_edt(self.seeds == UNMARKED, sampling=self.spacing_zyx)
        return np.clip((REACH_MM - distance) / RIM_MM, 0.0, 1.0).astype(np.float32)


def belief_of_mask(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what stands for a probability where no network has spoken: the mask, unsure at its boundary."""
    from scipy.ndimage import uniform_filter

    return np.asarray(0.1 + 0.8 * uniform_filter(mask, 3), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence inside a window.

    Attributes
    ----------
    score : ndarray of float32, shape (z, y, x)
        Log-odds of the organ: the network's, the mask's, and the new marks' as far as they reach.
    images : ndarray of float32, shape (11, z, y, x)
        For a refiner network: HU, log-odds and mask; then of the inclusions and of the exclusions how near they
        are in travel time, how their HU differs, and the marks themselves, fading; then the nearest mark straight
        below and straight above (of a confirmed slice: on either side of it), 1 for an inclusion and -1 for
        an exclusion, fading.
    """

    score: NDArray[np.float32]
    images: NDArray[np.float32]

    @classmethod
    def of(cls, window: Window) -> Evidence:
        """Gather the evidence.

        A front starts at the marks and runs fast where HU are like those under the new marks and where the network
        agrees or doubts; what it reaches early is spoken for (geodesic interaction as in Wang et al., DeepIGeoS,
        TPAMI 2019, doi:10.1109/TPAMI.2018.2840695, with a region term in place of the gradient). A slice that is
        right speaks for what lies straight above and below it instead.
        """
        smooth = window.smooth_hu
        with ThreadPoolExecutor(1) as other:  # fronts and distances run outside the interpreter's lock
            excluding = other.submit(_spoken, window, EXCLUDED)
            spoken = (1.0, _spoken(window, INCLUDED)), (-1.0, excluding.result())
        p = window.probability
        logit = np.clip(np.log((p + 1e-3) / (1 - p + 1e-3)), -_LARGEST_LOGIT, _LARGEST_LOGIT)
        held = 2 * window.mask - 1
        below, above = _straight(window)
        images = [(window.hu - 60.0) / 85.0, logit / 4, held]
        pulls = np.zeros(smooth.shape, dtype=np.float32)
        for sign, (near, differs, pull, faded) in spoken:
            pulls += sign * pull
            images += [near, differs, faded]
        if window.whole_slice:
            nearer = np.where(np.abs(below) > np.abs(above), below, above)
            score = _SLICE_HELD * (0.5 * logit + held) + _SLICE_PULL * nearer
        else:
            score = 0.5 * logit + held + pulls
        images += [below, above]
        return cls(score.astype(np.float32), np.stack(images).astype(np.float32))


def _spoken(window: Window, value: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return nearness, HU difference and pull of the marks of one kind, and the marks themselves, fading."""
    if value == EXCLUDED and window.whole_slice:  # all kinds of tissue: its HU say nothing
        nothing = np.zeros_like(window.hu)
        return nothing, nothing, nothing, _faded(window, value)
    return (*_carried(window, window.smooth_hu, value), _faded(window, value))


def _carried(window: Window, smooth: NDArray[np.float32], value: int) -> tuple[NDArray, NDArray, NDArray]:
    """Return nearness, HU difference, and the pull of the new marks of one kind."""
    marked, new = window.marks == value, window.seeds == value
    nothing = np.zeros(smooth.shape, dtype=np.float32)
    if not marked.any():
        return nothing, nothing, nothing
    typical = float(np.median(smooth[new if new.any() else marked]))
    alike = np.exp(-(((smooth - typical) / _ALIKE_HU) ** 2))
    p = window.probability
    agrees = p if value == INCLUDED else np.maximum(1 - p, 0.3)
    speed = _SLOWEST + alike * (0.4 + 0.6 * np.clip(2 * agrees, 0, 1))
    speed[(window.marks != value) & (window.marks != UNMARKED)] = 1e-3  # a mark of the other kind is a wall
    times = travel_time(speed, marked, window.spacing_zyx, _STOP)
    pull = 4 * np.exp(-((times / _REACH) ** 2)) if new.any() else nothing
    near = np.exp(-times / 25.0)
    differs = np.clip((smooth - typical) / 40.0, -2, 2) * np.exp(-times / 60.0)
    return near, differs, pull


def _faded(window: Window, value: int) -> NDArray[np.float32]:
    """Return 1 on the marks of one kind, falling to 0 at some mm from them."""
    from scipy.ndimage import distance_transform_edt

    marked = window.marks == value
    faded = np.zeros(marked.shape, dtype=np.float32)
    hit = np.argwhere(marked)
    if not len(hit):
        return faded
    margin = np.ceil(_FADE_MM / np.asarray(window.spacing_zyx)).astype(int)
    lower, upper = np.maximum(hit.min(0) - margin, 0), hit.max(0) + margin + 1
    part = tuple(slice(lo, up) for lo, up in zip(lower, upper, strict=True))
    distance = distance_transform_edt(~marked[part], sampling=window.spacing_zyx)
    faded[part] = np.clip(1.0 - distance / _FADE_MM, 0.0, 1.0)
    return faded


def _straight(window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the nearest mark below and above each voxel in its column, as a sign that fades over the way.

    Columns stand on the axial slices, or on the confirmed slice.
    """
    axis = 0
    if window.whole_slice:
        extent = np.ptp(np.argwhere(window.seeds != UNMARKED), axis=0) * window.spacing_zyx
        axis = int(np.argmin(extent))
    marks = np.moveaxis(window.marks, axis, 0)
    said = np.select([marks == INCLUDED, marks == EXCLUDED], [np.float32(1), np.float32(-1)], np.float32(0))
    kept = np.float32(np.exp(-window.spacing_zyx[axis] / _STRAIGHT_MM))
    below, above = said.copy(), said.copy()
    for number in range(1, len(said)):
        below[number] = np.where(said[number] != 0, said[number], kept * below[number - 1])
        above[-1 - number] = np.where(said[-1 - number] != 0, said[-1 - number], kept * above[-number])
    return np.moveaxis(below, 0, axis), np.moveaxis(above, 0, axis)
