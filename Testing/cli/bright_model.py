"""A model package that marks what is bright, and an abdomen made for it: whole runs that need no training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from PancreasSegLib.models import ModelPackage, Stage, write_package
from PancreasSegLib.networks import build_network
from PancreasSegLib.volume import Geometry, Volume

PANCREAS_HU, BODY_HU, AIR_HU = 190, 20, -1000
ARGUMENTS = {
    "in_channels": 1,
    "out_channels": 2,
    "filters": [2, 2],
    "strides": [1, 2],
    "norm": "batch",
    "kernel_size": 1,
}


def write_bright_model(folder: Path) -> Path:
    """Write a package whose network (a real one, its weights set by hand) marks what is brighter than 105 HU."""
    stage = Stage(
        role="segmenter",
        network="fcn",
        arguments=ARGUMENTS,
        weights=("models/segmenter.safetensors",),
        spacing_mm=(4.0, 4.0, 5.0),
        window_hu=(-125.0, 275.0),
        mean_hu=-125.0,
        std_hu=400.0,
        patch_ijk=(96, 80, 48),
        multiple_ijk=(2, 2, 2),
        labels={"background": 0, "pancreas": 1},
    )
    weights = {key: value.clone() for key, value in build_network("fcn", **ARGUMENTS).state_dict().items()}
    for key, value in weights.items():
        value.fill_(1.0 if key.endswith(("norm1.weight", "norm2.weight", "running_var")) else 0.0)
    for conv in ("encoder.0.conv1.conv.weight", "encoder.0.conv2.conv.weight"):
        weights[conv][0, 0] = 1.0  # the first channel passes through
    weights["scores.0.conv.conv.weight"][1, 0] = 40.0
    weights["scores.0.conv.conv.bias"][1] = -40.0 * (0.5 * (PANCREAS_HU + BODY_HU) + 125.0) / 400.0
    package = ModelPackage("bright", "1", "Marks what is bright.", folder, (stage,), licence="Apache-2.0")
    write_package(folder, package, {stage.weights[0]: weights}, "# Bright\n\nFor tests.\n")
    return folder


def make_abdomen(*, pancreas: bool = True, geometry: Geometry | None = None) -> tuple[Volume, np.ndarray]:
    """Return an elliptic body with a bright pancreas lying in it, and where that is, (z, y, x)."""
    geometry = geometry or Geometry((90, 70, 40), (4.0, 4.0, 5.0))
    middle = geometry.index_to_lps((np.asarray(geometry.size_ijk) - 1) / 2)
    z, y, x = np.meshgrid(*(np.arange(n) for n in geometry.shape_zyx), indexing="ij")
    x, y, z = np.moveaxis(geometry.index_to_lps(np.stack([x, y, z], -1)) - middle, -1, 0)
    body = (x / 150) ** 2 + (y / 105) ** 2 < 1
    organ = (x / 62) ** 2 + (y / 18) ** 2 + (z / 20) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 6, body.shape)
    hu = np.where(body, BODY_HU, AIR_HU) + np.where(organ & pancreas, PANCREAS_HU - BODY_HU, 0) + noise
    return Volume(hu.astype(np.int16), geometry), organ & pancreas
