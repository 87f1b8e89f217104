"""Run a stage in windows that fit, and fall back when memory runs out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import OutOfMemoryError
from PancreasSegLib.inference.device import choose_precision
from PancreasSegLib.inference.memory import available_memory_mb
from PancreasSegLib.inference.result import SegmentationWarning
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.inference.stage_grid import keeps_patch
from PancreasSegLib.inference.windows import Shape, Tiling, plan_windows, run_windows

if TYPE_CHECKING:
    from PancreasSegLib.inference.stage_network import StageNetwork

_log = logging.getLogger(__name__)

_CPU_SHARE = 0.6  # of the free memory that a window may fill; the rest is for weights and work space
_GPU_SHARE = 0.5
_MOST_SLICES = 32  # of a batch: more gain nothing
_LAYER_GFLOP_PER_THREAD = 50.0  # a layer cannot be cancelled: this takes about a second on a slow core


class Predictor:
    """Runs stages of one scan and remembers what it had to give up.

    Parameters
    ----------
    settings : CascadeSettings
        Overlap of windows.
    threads : int
        CPU threads, for the size of windows on the CPU.

    Attributes
    ----------
    warnings : list of SegmentationWarning
        One for each fall-back.
    tilings : dict of str to Tiling
        Windows by role of the stage, as last used.
    """

    def __init__(self, settings: CascadeSettings, threads: int) -> None:
        self.settings, self.threads = settings, threads
        self.warnings: list[SegmentationWarning] = []
        self.tilings: dict[str, Tiling] = {}

    def run(
        self,
        network: StageNetwork,
        image: NDArray[np.float32],
        keep: Sequence[int],
        on_work: Callable[[float], None],
        wanted: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.floating]:
        """Return the probabilities of the output channels `keep`, shape (len(keep), z, y, x).

        Parameters
        ----------
        network : StageNetwork
            The stage.
        image : ndarray of float32, shape (c, z, y, x)
            Normalised input.
        keep : sequence of int
            Output channels.
        on_work : callable
            Takes the share of the work that is done; may raise to stop.
        wanted : ndarray of bool, shape (z, y, x), optional
            Where there is something to see.

        Raises
        ------
        OutOfMemoryError
            If even the smallest windows do not fit on the CPU.
        """
        shape: Shape = image.shape[1:]
        most = window_budget(network, self.threads)
        while True:
            tiling = plan_stage(network, shape, self.settings, most)
            self.tilings[network.stage.role] = tiling
            try:
                return run_windows(
                    image,
                    tiling,
                    lambda part, on_part: network.probabilities(part, keep, on_part),
                    channels=len(keep),
                    on_work=on_work,
                    wanted=wanted,
                )
            except Exception as error:
                if not (is_out_of_memory(error) or _is_unsupported(error, network)):
                    raise
                _log.warning("%s on %s: %s", network.stage.role, network.device, error)
                reason = error
            # Outside the handler: a traceback in hand would keep the activations alive.
            most = self._give_way(network, shape, tiling, reason)

    def _give_way(self, network: StageNetwork, shape: Shape, tiling: Tiling, reason: Exception) -> float:
        """Free memory and return a smaller window, or move to the CPU."""
        import torch

        device = network.device
        reason.__traceback__ = None
        if device.type == "cuda":
            torch.cuda.empty_cache()
        smaller = plan_stage(network, shape, self.settings, tiling.window_voxels - 1)
        if is_out_of_memory(reason) and smaller.window_voxels < tiling.window_voxels:
            self._warn("smaller-tiles", f"The memory of {device} did not suffice, so smaller windows were used.")
            return smaller.window_voxels
        if device.type == "cpu":
            raise OutOfMemoryError(
                f"The memory does not suffice for the {network.stage.role}, even with the smallest windows.",
                "Close other programs, or give a region of interest around the pancreas.",
            )
        cpu = torch.device("cpu")
        network.move(cpu, choose_precision(cpu))
        why = "its memory did not suffice" if is_out_of_memory(reason) else "it cannot run this network"
        self._warn("cpu-fallback", f"The run was continued on the CPU instead of {device}, because {why}.")
        return window_budget(network, self.threads)

    def _warn(self, code: str, sentence: str) -> None:
        _log.warning(sentence)
        if all(warning.code != code for warning in self.warnings):
            self.warnings.append(SegmentationWarning(code, sentence))


def plan_stage(network: StageNetwork, shape: Shape, settings: CascadeSettings, most: float) -> Tiling:
    """Return the windows of a stage over an image of `shape` (z, y, x)."""
    stage = network.stage
    if stage.spatial_dims == 2:
        return _plan_slices(network, shape, settings, most)
    x, y, z = stage.patch_ijk
    mx, my, mz = stage.patch_ijk if keeps_patch(stage) else stage.multiple_ijk
    return plan_windows(
        shape,
        (z, y, x),
        (mz, my, mx),
        overlap=settings.overlap,
        whole_axis=1.0 if keeps_patch(stage) else settings.whole_axis,
        most_voxels=most,
    )


def _plan_slices(network: StageNetwork, shape: Shape, settings: CascadeSettings, most: float) -> Tiling:
    """Return windows of many slices, which a 2D network takes as a batch; slices do not overlap."""
    stage, one = network.stage, keeps_patch(network.stage)
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
    if device.type == "cpu":
        fits = _CPU_SHARE * available_memory_mb() / mb_per_voxel
        largest = cost.largest_gflop_per_mvoxel
        return min(fits, _LAYER_GFLOP_PER_THREAD * threads / largest * 1e6 if largest > 0 else math.inf)
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return _GPU_SHARE * free / (1 << 20) / mb_per_voxel
    return math.inf


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine ran out of memory; torch says so in several ways."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _is_unsupported(error: BaseException, network: StageNetwork) -> bool:
    """Whether an operation is missing on an Apple GPU."""
    return network.device.type == "mps" and isinstance(error, NotImplementedError)
