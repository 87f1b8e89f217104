"""Run a stage in windows that fit, and fall back when memory runs out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import OutOfMemoryError
from PancreasSegLib.inference.device import Device, choose_precision
from PancreasSegLib.inference.engine import engine_of
from PancreasSegLib.inference.result import SegmentationWarning
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.inference.stage_network import StageNetwork, average
from PancreasSegLib.inference.streams import Run, Streams
from PancreasSegLib.inference.windows import Shape, Tiling, blend_windows, plan_windows

_log = logging.getLogger(__name__)

_MOST_SLICES = 32  # of a batch: more gain nothing
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "bad_alloc", "could not create a memory")
_LAYER_GFLOP = 50.0  # a layer cannot be cancelled: this takes about a second on a slow core


class Predictor:
    """Runs stages of one scan and remembers what it had to give up.

    Parameters
    ----------
    settings : CascadeSettings
        Overlap of windows.
    threads : int
        Windows that run at once on the CPU, where each takes one thread.

    Attributes
    ----------
    warnings : list of SegmentationWarning
        One for each fall-back.
    tilings : dict of str to Tiling
        Windows by role of the stage, as last used.
    """

    def __init__(self, settings: CascadeSettings, threads: int) -> None:
        self.settings, self.threads = settings, threads
        self._streams, self._single = Streams(threads), Streams(1)
        self.warnings: list[SegmentationWarning] = []
        self.tilings: dict[str, Tiling] = {}

    def start(
        self,
        network: StageNetwork,
        image: NDArray[np.float32],
        keep: Sequence[int],
        wanted: NDArray[np.bool_] | None = None,
        members: Sequence[int] | None = None,
    ) -> Pass:
        """Begin to run a stage over an image; passes that were started earlier go first.

        Parameters
        ----------
        network : StageNetwork
            The stage.
        image : ndarray of float32, shape (c, z, y, x)
            Normalised input.
        keep : sequence of int
            Output channels.
        wanted : ndarray of bool, shape (z, y, x), optional
            Where there is something to see; windows elsewhere are skipped.
        members : sequence of int, optional
            Members of the ensemble that see it; all where nothing is said.
        """
        if members is None:
            members = range(len(network.members))
        return Pass(self, network, image, keep, wanted, members)

    def streams(self, device: Device) -> Streams:
        """Return where windows run: many at once on the CPU, one after the other on a GPU."""
        return self._streams if device.on_cpu else self._single

    def warn(self, code: str, sentence: str) -> None:
        """Note a fall-back, once."""
        _log.warning(sentence)
        if all(warning.code != code for warning in self.warnings):
            self.warnings.append(SegmentationWarning(code, sentence))


class Pass:
    """A stage under way over one image; `Predictor` makes it."""

    def __init__(
        self,
        predictor: Predictor,
        network: StageNetwork,
        image: NDArray[np.float32],
        keep: Sequence[int],
        wanted: NDArray[np.bool_] | None,
        members: Sequence[int],
    ) -> None:
        self.predictor, self.network, self.image, self.keep, self.wanted = predictor, network, image, keep, wanted
        self.members = members
        self._run: Run[NDArray[np.float32]] | None = None
        if network.device.on_cpu:  # a GPU has its memory for itself, pass by pass
            self._start(window_budget(network, predictor.threads))

    def result(self, on_work: Callable[[float], None]) -> NDArray[np.floating]:
        """Return the probabilities of the output channels `keep`, shape (len(keep), z, y, x).

        Parameters
        ----------
        on_work : callable
            Takes the share of the work that is done; may raise to stop.

        Raises
        ------
        OutOfMemoryError
            If even the smallest windows do not fit on the CPU.
        """
        if self._run is None:
            self._start(window_budget(self.network, self.predictor.threads))
        while True:
            self.predictor.tilings[self.network.stage.role] = self._tiling
            try:
                found = blend_windows(
                    self._tiling, self._windows, self._averaged(on_work), channels=len(self.keep)
                )
                on_work(1.0)
                return found
            except Exception as error:
                if not (is_out_of_memory(error) or _is_unsupported(error, self.network)):
                    raise
                _log.warning("%s on %s: %s", self.network.stage.role, self.network.device, error)
                reason = error
            finally:
                self.stop()
            # Outside the handler: a traceback in hand would keep the activations alive.
            self._start(self._give_way(reason))

    def stop(self) -> None:
        """End what is under way, and wait for it."""
        if self._run is not None:
            self._run.stop()

    def _start(self, most: float) -> None:
        network, image, wanted = self.network, self.image, self.wanted
        shape: Shape = image.shape[1:]
        self._tiling = plan_stage(network, shape, self.predictor.settings, most)
        self._windows = [window for window in self._tiling if wanted is None or wanted[window].any()]
        jobs = [
            partial(network.run, member, image[(slice(None), *window)], self.keep)
            for window in self._windows
            for member in self.members
        ]
        self._run = self.predictor.streams(network.device).start(jobs)

    def _averaged(self, on_work: Callable[[float], None]) -> Iterator[NDArray[np.float32]]:
        """Yield the result of each window: the mean of its members, which lie in a row."""
        assert self._run is not None
        found = self._run.results(on_work)
        for first in found:
            yield average([first, *islice(found, len(self.members) - 1)])

    def _give_way(self, reason: Exception) -> float:
        """Free memory and return a smaller window, or move to the CPU."""
        network, predictor = self.network, self.predictor
        device = network.device
        reason.__traceback__ = None
        network.release()
        shape: Shape = self.image.shape[1:]
        smaller = plan_stage(network, shape, predictor.settings, self._tiling.window_voxels - 1)
        if is_out_of_memory(reason) and smaller.window_voxels < self._tiling.window_voxels:
            predictor.warn(
                "smaller-tiles", f"The memory of {device} did not suffice, so smaller windows were used."
            )
            return smaller.window_voxels
        if device.on_cpu:
            raise OutOfMemoryError(
                f"The memory does not suffice for the {network.stage.role}, even with the smallest windows.",
                "Close other programs, or give a region of interest around the pancreas.",
            )
        cpu = Device(device.engine, "cpu")
        network.move(cpu, choose_precision(cpu))
        why = "its memory did not suffice" if is_out_of_memory(reason) else "it cannot run this network"
        predictor.warn("cpu-fallback", f"The run was continued on the CPU instead of {device}, because {why}.")
        return window_budget(network, predictor.threads)


def plan_stage(network: StageNetwork, shape: Shape, settings: CascadeSettings, most: float) -> Tiling:
    """Return the windows of a stage over an image of `shape` (z, y, x)."""
    stage = network.stage
    if stage.spatial_dims == 2:
        return _plan_slices(network, shape, settings, most)
    x, y, z = stage.patch_ijk
    mx, my, mz = stage.patch_ijk if stage.keeps_patch else stage.multiple_ijk
    return plan_windows(
        shape,
        (z, y, x),
        (mz, my, mx),
        overlap=settings.overlap,
        whole_axis=1.0 if stage.keeps_patch else settings.whole_axis,
        most_voxels=most,
    )


def _plan_slices(network: StageNetwork, shape: Shape, settings: CascadeSettings, most: float) -> Tiling:
    """Return windows of many slices, which a 2D network takes as a batch; slices do not overlap."""
    stage, one = network.stage, network.stage.keeps_patch
    x, y, _ = stage.patch_ijk
    mx, my, _ = stage.patch_ijk if one else stage.multiple_ijk
    flat = plan_windows(
        (1, shape[1], shape[2]),
        (1, y, x),
        (1, my, mx),
        overlap=settings.overlap,
        whole_axis=1.0 if one else settings.whole_axis,
        most_voxels=most,
    )
    fits = min(most / flat.window_voxels, shape[0], _MOST_SLICES)
    slices = 1 << max(0, math.floor(math.log2(max(fits, 1.0))))
    starts = (*range(0, shape[0] - slices, slices), shape[0] - slices)
    return Tiling(shape, (slices, *flat.window_zyx[1:]), (starts, *flat.starts_zyx[1:]))


def window_budget(network: StageNetwork, threads: int) -> float:
    """Return the voxels of the largest window that fits into memory, and that can be cancelled on the CPU."""
    cost, device = network.cost, network.device
    mb_per_voxel = max(cost.peak_mb(1.0, network.precision.bytes), 1e-9)
    fits = engine_of(device.engine).free_memory_mb(device.place) / mb_per_voxel
    if not device.on_cpu:
        return fits
    largest = cost.largest_gflop_per_mvoxel
    return min(fits / threads, _LAYER_GFLOP / largest * 1e6 if largest > 0 else math.inf)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine ran out of memory; engines say so in several ways."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)


def _is_unsupported(error: BaseException, network: StageNetwork) -> bool:
    """Whether an operation is missing on an Apple GPU."""
    return network.device.kind == "mps" and isinstance(error, NotImplementedError)
