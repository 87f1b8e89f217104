"""A small network that knows nothing, and a patient whose organ it can learn in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from PancreasSegLib.inference import CascadeSettings, Segmenter
from PancreasSegLib.inference.device import Device, Precision
from PancreasSegLib.inference.engine.torch_engine import TorchMember
from PancreasSegLib.inference.stage_network import StageNetwork
from PancreasSegLib.models import ModelPackage, Stage
from PancreasSegLib.networks import build_network
from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.volume import Geometry, Volume

LABELS = {"liver": 1, "pancreas": 2}
GRID = Geometry((60, 56, 24), (2.0, 2.0, 3.0), (-30.0, 10.0, 200.0))


def make_segmenter(
    members: int = 1, *, norm: str = "instance", axes: str = "SPL", activation: str = "softmax", **changes: object
) -> Segmenter:
    """A segmenter with random weights, the same at every call."""
    channels = len(LABELS) + (activation == "softmax")
    arguments = {
        "filters": [4, 8, 8],
        "kernel_size": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "norm": norm,
        "in_channels": 1,
        "out_channels": channels,
    }
    values: dict = {
        "role": "segmenter",
        "network": "dynunet",
        "arguments": arguments,
        "weights": tuple(f"models/none-{n}.safetensors" for n in range(members)),
        "spacing_mm": (3.0, 3.0, 3.0),
        "window_hu": (-125.0, 275.0),
        "mean_hu": 60.0,
        "std_hu": 85.0,
        "patch_ijk": (32, 32, 20),
        "multiple_ijk": (4, 4, 4),
        "labels": {"background": 0, **LABELS} if activation == "softmax" else dict(LABELS),
        "axes": axes,
        "activation": activation,
    }
    stage = Stage(**(values | changes))
    networks = []
    for member in range(members):
        torch.manual_seed(member)
        networks.append(build_network("dynunet", **arguments))
    package = ModelPackage("small", "1", "", Path("nowhere"), (stage,), {"pancreas": 2})
    place, fp32 = Device("torch", "cpu"), Precision("fp32")
    network = StageNetwork(stage, [TorchMember(stage, n, place, fp32) for n in networks], place, fp32)
    return Segmenter(package, {"segmenter": network}, threads=1, settings=CascadeSettings(extra_scales=()))


def make_patient(geometry: Geometry = GRID) -> tuple[Volume, np.ndarray]:
    """A dark belly with a brighter organ that grows upwards, and as bright a vessel that is none of it."""
    middle = GRID.index_to_lps((np.asarray(GRID.size_ijk) - 1) / 2)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.size_ijk), indexing="ij"), -1)
    x, y, z = np.moveaxis(geometry.index_to_lps(index) - middle, -1, 0)
    organ = ((x + 8) / (18 + 0.3 * z)) ** 2 + (y / 12) ** 2 + (z / 27) ** 2 < 1
    vessel = (np.hypot(x - 30, y) < 6) & ~organ
    noise = np.random.default_rng(0).normal(0, 8, GRID.size_ijk)
    hu = np.where(organ, 110.0, np.where(vessel, 130.0, 10.0)) + (noise if geometry == GRID else 0)
    voxels = np.ascontiguousarray(hu.transpose(2, 1, 0).astype(np.int16))
    return Volume(voxels, geometry), np.ascontiguousarray(organ.transpose(2, 1, 0))


def with_confirmed_slices(ct: Volume, organ: np.ndarray, *numbers: int) -> Correction:
    """A correction of nothing in which some axial slices are painted right, and no others."""
    mask, marks = np.zeros_like(organ), np.zeros(organ.shape, np.uint8)
    for number in numbers:
        mask[number] = organ[number]
        mark = Mark.of_slice(mask, ct.geometry, axis=2, index=number)
        marks[mark.box.slices_zyx] = mark.values
    return Correction(ct, mask, marks=marks)


def modules_of(network: StageNetwork) -> list[torch.nn.Module]:
    """The networks of PyTorch in a stage."""
    return [member.network for member in network.members]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))
