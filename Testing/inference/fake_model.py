"""A network that segments by intensity, and an abdomen made for it: end-to-end runs without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from PancreasSegLib.inference import CascadeSettings, Segmenter
from PancreasSegLib.inference.device import Device, Precision
from PancreasSegLib.inference.engine.torch_engine import TorchMember
from PancreasSegLib.inference.stage_network import StageNetwork
from PancreasSegLib.models import ModelPackage, Stage
from PancreasSegLib.volume import Geometry, Volume

HU = {"liver": 45.0, "spleen": 80.0, "pancreas": 200.0}
WIDTH_HU = {"liver": 20.0, "spleen": 20.0, "pancreas": 100.0}  # so that its edge lies half-way to the body's 0 HU
LABELS = {"pancreas": 1, "liver": 2, "spleen": 3}
CPU = Device("torch", "cpu")
FP32 = Precision("fp32")


class ByIntensity(nn.Module):
    """Scores each class by how near its HU is; layers that do nothing stand for the layers of a real network."""

    def __init__(self, stage: Stage, on_layer: Callable[[torch.Tensor], None] = lambda x: None) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Identity() for _ in range(8)))
        self.stage, self.on_layer = stage, on_layer
        self.calls: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(x.shape[2:]))
        self.on_layer(x)
        hu = self.layers(x)[:, 0] * self.stage.std_hu + self.stage.mean_hu
        scores = [-((hu.clamp(min=0.0) / 20.0) ** 2)] * (1 + len(self.stage.labels))
        for name, index in self.stage.labels.items():
            scores[index] = -(((hu - HU[name]) / WIDTH_HU[name]) ** 2)
        return 5.0 * torch.stack(scores, dim=1)


def make_stage(role: str, **changes: object) -> Stage:
    values: dict = {
        "role": role,
        "network": "by intensity",
        "arguments": {},
        "weights": ("models/none.safetensors",),
        "spacing_mm": (4.0, 4.0, 4.0) if role == "localiser" else (2.0, 2.0, 3.0),
        "window_hu": (-125.0, 275.0),
        "mean_hu": 60.0,
        "std_hu": 85.0,
        "patch_ijk": (64, 48, 40) if role == "localiser" else (80, 56, 32),
        "multiple_ijk": (8, 8, 4),
        "labels": dict(LABELS),
    }
    return Stage(**(values | changes))


def torch_stage(
    stage: Stage, networks: Sequence[nn.Module], device: Device = CPU, precision: Precision = FP32
) -> StageNetwork:
    """A stage of networks that are in no package."""
    return StageNetwork(stage, [TorchMember(stage, n, device, precision) for n in networks], device, precision)


def make_segmenter(
    stages: tuple[Stage, ...] | None = None,
    on_layer: Callable[[torch.Tensor], None] = lambda x: None,
    labels: dict[str, int] | None = None,
    settings: CascadeSettings | None = None,
    members: int = 1,
    device: Device = CPU,
) -> Segmenter:
    stages = stages or (make_stage("localiser"), make_stage("segmenter"))
    package = ModelPackage("fake", "1", "", Path("nowhere"), stages, labels or {"pancreas": 1})
    networks = {s.role: torch_stage(s, [ByIntensity(s, on_layer) for _ in range(members)], device) for s in stages}
    return Segmenter(package, networks, threads=1, settings=settings)


def calls(segmenter: Segmenter, role: str) -> list[tuple[int, ...]]:
    """Shapes of the windows that a stage's first member has seen; the probe of its cost is left out."""
    return segmenter.networks[role].members[0].network.calls


def make_abdomen(
    geometry: Geometry | None = None, without: tuple[str, ...] = (), divided: bool = False, shift_mm: float = 0.0
) -> tuple[Volume, np.ndarray]:
    """An elliptic body with a liver, a spleen and a lying pancreas, on any grid.

    Returns
    -------
    ct : Volume
    truth : ndarray of bool, shape (z, y, x)
        The pancreas.
    """
    geometry = geometry or Geometry((80, 64, 48), (4.0, 4.0, 4.0))
    middle = geometry.index_to_lps((np.asarray(geometry.size_ijk) - 1) / 2)
    nz, ny, nx = geometry.shape_zyx
    index = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), np.arange(nz), indexing="ij"), -1)
    x, y, z = np.moveaxis(geometry.index_to_lps(index) - middle, -1, 0)
    body = (x / 140) ** 2 + (y / 100) ** 2 < 1
    organs = {
        "liver": ((x + 75) / 45) ** 2 + ((y + 10) / 60) ** 2 + ((z - 20) / 55) ** 2 < 1,
        "spleen": ((x - 85) / 28) ** 2 + ((y - 30) / 40) ** 2 + ((z - 20) / 40) ** 2 < 1,
        "pancreas": ((x - 5) / 62) ** 2 + ((y - 5) / 18) ** 2 + ((z - shift_mm) / 20) ** 2 < 1,
    }
    if divided:
        organs["pancreas"] &= np.abs(x - 5) > 9
    hu = np.where(body, 0.0, -1000.0)
    for name, inside in organs.items():
        if name not in without:
            hu[inside & body] = HU[name]
    voxels = np.ascontiguousarray(hu.transpose(2, 1, 0).astype(np.int16))
    truth = np.ascontiguousarray((organs["pancreas"] & body).transpose(2, 1, 0))
    return Volume(voxels, geometry), truth & ("pancreas" not in without)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0
