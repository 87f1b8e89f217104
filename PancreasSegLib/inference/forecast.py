"""What a run will take, said before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PancreasSegLib.inference.device import device_name
from PancreasSegLib.inference.engine import engine_of
from PancreasSegLib.inference.memory import available_memory_mb, current_memory_mb
from PancreasSegLib.inference.prediction import plan_stage, window_budget
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.inference.stage_grid import stage_grid
from PancreasSegLib.volume import Box, Geometry

if TYPE_CHECKING:
    from PancreasSegLib.inference.stage_network import StageNetwork
    from PancreasSegLib.inference.windows import Tiling

_CROP_MM = (190.0, 130.0, 140.0)  # a pancreas of usual size with the margin around it
_HU_PER_VOXEL_S = 4e-9  # seconds a CT voxel for the proposal and the body's outline
_RESTORE_S = 0.15
_IMAGE_S = 0.15  # to cut, resample and normalise what a network sees
_CALL_S = 0.02  # of a window, whatever its size
_IMAGE_BYTES = 12  # of an input voxel: HU, their clipped part, the tensor
_WORK_MB = 120.0  # work space of the convolution library


@dataclass(frozen=True)
class Forecast:
    """Time and memory of a run.

    Attributes
    ----------
    seconds : float
        Expected duration.
    peak_memory_mb : float
        Expected peak of this process's main memory, in MB, all that it holds already included.
    device : str
        Where it will run.
    precision : str
        Number format of the activations.
    tiles : dict of str to int
        Expected windows by stage of the run, all passes together.
    notes : list of str
        What the user should know beforehand, a sentence each.
    device_memory_mb : float
        Expected peak of the GPU's memory, in MB; 0 on the CPU.
    """

    seconds: float
    peak_memory_mb: float
    device: str
    precision: str
    tiles: dict[str, int]
    notes: list[str]
    device_memory_mb: float = 0.0

    @property
    def sentence(self) -> str:
        """The forecast as one line for a person."""
        low, high = 0.7 * self.seconds, 1.5 * self.seconds
        time = f"{low:.0f} to {high:.0f} s" if high >= 3 else "about 1 to 3 s"
        gpu = f" and {self.device_memory_mb / 1024:.1f} GB on the GPU" if self.device_memory_mb else ""
        where = f"on {self.device} in {self.precision}"
        return " ".join(
            [f"Forecast: {time}, {self.peak_memory_mb / 1024:.1f} GB of memory{gpu}, {where}.", *self.notes]
        )


def expected_seconds(network: StageNetwork, tiling: Tiling, threads: int, members: int | None = None) -> float:
    """Return the nominal seconds of a stage over its windows, all members together or so many of them."""
    speed = engine_of(network.device.engine).speed(network.device.place, network.precision, threads)
    voxels = tiling.count * tiling.window_voxels
    count = len(network.members) if members is None else members
    return count * (network.cost.seconds(voxels, speed) + _CALL_S * tiling.count) + _IMAGE_S


def usual_crop(ct: Geometry) -> Box:
    """Return a box of the usual size of the segmenter's crop in the middle of the scan."""
    half = [min(mm / s, n) / 2 for mm, s, n in zip(_CROP_MM, ct.spacing_mm, ct.size_ijk, strict=True)]
    lower = [math.floor(n / 2 - h) for n, h in zip(ct.size_ijk, half, strict=True)]
    upper = [math.ceil(n / 2 + h) for n, h in zip(ct.size_ijk, half, strict=True)]
    return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])).clipped(ct)


def make_forecast(
    networks: Mapping[str, StageNetwork],
    ct: Geometry,
    region: Box,
    settings: CascadeSettings,
    threads: int,
    pace: float,
    *,
    single_pass: bool = False,
) -> tuple[Forecast, dict[str, float]]:
    """Forecast a run.

    Parameters
    ----------
    networks : mapping of str to StageNetwork
        Stages by role.
    ct : Geometry
        The CT on canonical axes.
    region : Box
        The proposed region, in its voxels.
    settings : CascadeSettings
        Of the run.
    threads : int
        CPU threads.
    pace : float
        Measured over nominal seconds of earlier runs, 1 before the first.
    single_pass : bool
        Whether the segmenter sees the whole region once, without looking for the organ first.

    Returns
    -------
    Forecast
    expected : dict of str to float
        Expected seconds by stage of the run.
    """
    voxels = math.prod(ct.size_ijk)
    expected = {"propose": 0.05 + _HU_PER_VOXEL_S * voxels}
    tiles: dict[str, int] = {}
    held = on_device = 0.0
    segmenter = networks["segmenter"]
    localiser = networks.get("localiser", segmenter)
    scales = (1.0, *settings.extra_scales)
    crop = usual_crop(ct)
    stages = [("localise", localiser, region, (1.0,)), ("segment", segmenter, crop, scales)]
    if single_pass:
        stages = [("segment", segmenter, region, (1.0,))]
    for name, network, box, seen in stages:
        passes = max(len(network.members), len(seen))
        grid = stage_grid(box, ct, network.stage)
        tiling = plan_stage(network, grid.shape_zyx, settings, window_budget(network, threads))
        tiles[name] = tiling.count * len(seen)
        expected[name] = pace * expected_seconds(network, tiling, threads, passes)
        at_once = min(threads, tiling.count * passes) if network.device.on_cpu else 1
        activations = at_once * network.cost.peak_mb(tiling.window_voxels, network.precision.bytes)
        values = _IMAGE_BYTES + 4 * len(network.stage.labels)
        image = math.prod(grid.size_ijk) * values / (1 << 20)
        if network.device.on_cpu:
            held = max(held, image + activations + _WORK_MB)
        else:
            held, on_device = max(held, image), max(on_device, activations + _WORK_MB)
    expected |= {"restore": _RESTORE_S, "measure": _RESTORE_S}
    peak = current_memory_mb() + voxels / (1 << 20) + held
    notes = []
    if voxels / (1 << 20) + held > available_memory_mb():
        notes.append("This is more memory than is free: expect smaller windows, or close other programs.")
    forecast = Forecast(
        sum(expected.values()),
        peak,
        device_name(segmenter.device),
        segmenter.precision.name,
        tiles,
        notes,
        on_device,
    )
    return forecast, expected
