"""Small MONAI bundles and nnU-Net v2 folders with the layout and names of real ones.

Their networks find what is brighter than 100 HU and move it, so that a flipped or exchanged axis shows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from PancreasSegLib.volume import Geometry, Volume

CENTRE_LPS = np.array([12.0, -8.0, 20.0])
RADIUS_MM = 24.0
ORIENTATIONS = {
    "lps": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "sagittal": (0, 0, 1, 1, 0, 0, 0, -1, 0),
    "mirrored": (0, -1, 0, -1, 0, 0, 0, 0, -1),
}


def ball(direction: tuple[int, ...] = ORIENTATIONS["lps"]) -> Volume:
    """200 HU within RADIUS_MM of CENTRE_LPS, 0 HU elsewhere, on a grid of any orientation."""
    size, spacing = (48, 44, 40), (2.0, 2.5, 3.0)
    matrix = np.array(direction).reshape(3, 3)
    origin = CENTRE_LPS - matrix @ (np.array(spacing) * (np.array(size) - 1) / 2) + 4.0
    k, j, i = np.indices(size[::-1])
    positions = origin + np.stack([i, j, k], -1) * spacing @ matrix.T
    hu = np.where(np.linalg.norm(positions - CENTRE_LPS, axis=-1) < RADIUS_MM, 200, 0).astype(np.int16)
    return Volume(hu, Geometry(size, spacing, tuple(origin), tuple(map(float, direction))))


def save_nifti(volume: Volume, path: Path) -> Path:
    image = sitk.GetImageFromArray(volume.voxels)
    image.SetSpacing(volume.geometry.spacing_mm)
    image.SetOrigin(volume.geometry.origin_lps)
    image.SetDirection(np.asarray(volume.geometry.direction_lps, dtype=float).ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def centroid_lps(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    k, j, i = np.argwhere(mask > 0).mean(0)
    return np.asarray(geometry.index_to_lps(np.array([i, j, k])))


def zeroed(network: nn.Module) -> nn.Module:
    """All weights 0 but those of the normalisations, which let everything pass."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.weight.fill_(1)
    return network


DYNUNET = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "kernel_size": [3, 3, 3],
    "strides": [1, 2, 2],
    "upsample_kernel_size": [2, 2],
    "filters": [2, 2, 2],
    "norm_name": "batch",
}


def moving_dynunet(threshold: float, channel: int = 2, out_channels: int = 3, moved: bool = True) -> nn.Module:
    """MONAI's DynUNet: `channel` is likely above a threshold, a voxel down the first axis and one up the last."""
    from monai.networks import nets

    network = zeroed(nets.DynUNet(**{**DYNUNET, "out_channels": out_channels}).eval())
    with torch.no_grad():
        network.input_block.conv1.conv.weight[(0, 0, 2, 1, 0) if moved else (0, 0, 1, 1, 1)] = 1
        network.input_block.conv2.conv.weight[0, 0, 1, 1, 1] = 1
        last = network.upsamples[-1].conv_block
        last.conv1.conv.weight[0, 2, 1, 1, 1] = 1  # the skip connection comes after the upsampled channels
        last.conv2.conv.weight[0, 0, 1, 1, 1] = 1
        network.output_block.conv.conv.weight[channel, 0] = 40
        network.output_block.conv.conv.bias[channel] = -40 * threshold
    return network


def bundle_config(**changes: Any) -> dict[str, Any]:
    """``inference.json`` as MONAI's model zoo has it for a CT."""
    config = {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "image_key": "image",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/data",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "DynUNet", **DYNUNET},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "@image_key"},
                {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
                {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [4.0, 5.0, 6.0], "mode": "bilinear"},
                {
                    "_target_": "ScaleIntensityRanged",
                    "keys": "@image_key",
                    "a_min": -100,
                    "a_max": 300,
                    "b_min": 0,
                    "b_max": 1,
                    "clip": True,
                },
                {"_target_": "EnsureTyped", "keys": "@image_key"},
            ],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [24, 16, 16],
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": "gaussian",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                    "to_tensor": True,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_postfix": "seg",
                    "separate_folder": False,
                    "resample": False,
                },
            ],
        },
        "initialize": [
            "$@network.load_state_dict(torch.load(@bundle_root + '/models/model.pt'))",
            "$@network.eval()",
        ],
        "segment": (
            "$torch.no_grad()(lambda item, infer, network, after: "
            "after({**item, 'pred': infer(item['image'][None], network)[0]}))"
        ),
        "run": [
            "$[@segment(@preprocessing({'image': f}), @inferer, @network, @postprocessing) for f in @datalist]"
        ],
    }
    return {**config, **changes}


METADATA = {
    "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema.json",
    "version": "0.3.1",
    "changelog": {"0.3.1": "made by a test"},
    "monai_version": "1.4.0",
    "name": "Abdomen finder",
    "description": "A bundle made by a test.",
    "authors": "Nobody",
    "copyright": "CC0-1.0",
    "references": ["A paper."],
    "network_data_format": {
        "inputs": {"image": {"type": "image", "num_channels": 1, "spatial_shape": [24, 16, 16]}},
        "outputs": {
            "pred": {
                "type": "image",
                "num_channels": 3,
                "channel_def": {"0": "background", "1": "liver", "2": "Pancreas"},
            }
        },
    },
}


def write_bundle(
    folder: Path,
    config: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    weights: Any = None,
    file: str = "model.pt",
) -> Path:
    """Write a MONAI bundle; half of the scale is 100 HU."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs/inference.json").write_text(json.dumps(config or bundle_config()))
    (folder / "configs/metadata.json").write_text(json.dumps(metadata or METADATA))
    (folder / "LICENSE").write_text("CC0\n")
    state = moving_dynunet(0.5).state_dict() if weights is None else weights
    torch.save(state, folder / "models" / file)
    return folder


def changed(config: dict[str, Any], target: str, **fields: Any) -> dict[str, Any]:
    """A configuration with other fields in one of its transforms; ``None`` for all takes the transform out."""
    copy = json.loads(json.dumps(config))
    for part in ("preprocessing", "postprocessing"):
        transforms = copy[part]["transforms"]
        for transform in list(transforms):
            if transform["_target_"] == target:
                if fields:
                    transform.update(fields)
                else:
                    transforms.remove(transform)
    return copy
