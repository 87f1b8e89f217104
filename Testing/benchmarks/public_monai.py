"""Models of MONAI in the form of public downloads, without their weights: bundles of the zoo, and Auto3DSeg's."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foreign_models import METADATA, bundle_config, write_bundle
from numpy.typing import NDArray
from public_heads import fit_last_layer, targets

from PancreasSegLib.io import read_volume
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.volume import Volume, geometry_with_spacing, resample

_SMALLEST = 16
_WANTED_HU = (80.0, 130.0)  # of portal-venous organs


@dataclass(frozen=True)
class MonaiModel:
    """What a download holds.

    Attributes
    ----------
    kind : str
        ``"bundle"`` or ``"auto3dseg"``.
    network : dict
        Class and arguments; its last layer is `last`.
    last : str
        Name of that layer.
    spacing, patch : tuple
        Along x, y, z.
    scaling : list of dict
        Transforms of the intensity; for Auto3DSeg the bounds in HU.
    inferer : dict
        Fields of ``SlidingWindowInferer``.
    label : str
        The wanted one, of value 1: no pancreas, since ours refuses what cannot be one.
    """

    kind: str
    network: dict[str, Any]
    last: str
    spacing: tuple[float, float, float]
    patch: tuple[int, int, int]
    scaling: list[dict[str, Any]]
    inferer: dict[str, Any]
    label: str = "liver"
    sigmoid: bool = False


def write_monai_model(model: MonaiModel, ct: Path, folder: Path) -> Path:
    """Write the folder and return it."""
    from monai.networks import nets

    shutil.rmtree(folder, ignore_errors=True)
    options = {name: value for name, value in model.network.items() if name != "_target_"}
    torch.manual_seed(0)
    network = getattr(nets, model.network["_target_"])(**options)
    hu = _seen(model, read_volume(ct))
    target = targets(hu, (hu >= _WANTED_HU[0]) & (hu < _WANTED_HU[1]))
    image = torch.from_numpy(_fed(model, hu))[None, None]
    fit_last_layer(network, network.get_submodule(model.last), image, target, model.sigmoid)
    if model.kind == "auto3dseg":
        folder.mkdir(parents=True)
        content = {"state_dict": network.state_dict(), "config": auto3dseg_config(model)}
        torch.save(content, folder / "model.pt")
        (folder / "labels.csv").write_text(f"LabelValue,Name\n1,{model.label}\n")
        return folder
    classes = int(options["out_channels"])
    names = {"0": "background", "1": model.label, **{str(n): f"structure {n}" for n in range(2, classes)}}
    if model.sigmoid:
        names = {"0": model.label}
    metadata = {**METADATA, "network_data_format": {"outputs": {"pred": {"channel_def": names}}}}
    return write_bundle(folder, _config(model), metadata, network.state_dict())


def auto3dseg_config(model: MonaiModel) -> dict[str, Any]:
    """Return the configuration that lies in the checkpoint."""
    return {
        "network": dict(model.network),
        "resample_resolution": list(model.spacing),
        "normalize_mode": "ct",
        "intensity_bounds": [model.scaling[0]["a_min"], model.scaling[0]["a_max"]],
        "roi_size": list(model.patch),
        "orientation_ras": True,
        "crop_foreground": False,
        "sigmoid": model.sigmoid,
    }


def _config(model: MonaiModel) -> dict[str, Any]:
    config = bundle_config(network_def=dict(model.network))
    transforms = config["preprocessing"]["transforms"]
    transforms[3]["pixdim"] = list(model.spacing)
    transforms[4:5] = [{**step, "keys": "@image_key"} for step in model.scaling]
    config["inferer"] |= {"roi_size": list(model.patch), **model.inferer}
    if model.sigmoid:
        config["postprocessing"]["transforms"][0] = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
        config["postprocessing"]["transforms"][2] = {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}
    return config


def _seen(model: MonaiModel, volume: Volume) -> NDArray[np.float32]:
    canonical, _ = volume.canonical()
    grid = geometry_with_spacing(canonical.geometry, model.spacing)
    found = resample(canonical.voxels.astype(np.float32), canonical.geometry, grid)
    turned = NetworkAxes("RAS").apply(found[None])[0]
    cut = tuple(slice(0, n // _SMALLEST * _SMALLEST) for n in turned.shape)
    return np.ascontiguousarray(turned[cut])


def _fed(model: MonaiModel, hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image by the same transforms."""
    from monai import transforms

    if model.kind == "auto3dseg":
        low, high = model.scaling[0]["a_min"], model.scaling[0]["a_max"]
        scaled = (hu - (low + high) / 2) / ((high - low) / 2)
        return np.asarray(1 / (1 + np.exp(-scaled)), dtype=np.float32)
    for step in model.scaling:
        name = step["_target_"].removesuffix("d")
        options = {key: value for key, value in step.items() if key != "_target_"}
        hu = np.asarray(getattr(transforms, name)(**options)(torch.from_numpy(hu)[None]))[0]
    return hu.astype(np.float32)
