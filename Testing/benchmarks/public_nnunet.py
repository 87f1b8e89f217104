"""Folders of nnU-Net v2 in the form of public downloads, without their weights.

A plain U-Net of theirs gets our default segmenter below a finest level that hands everything through: its masks
have the shape of organs. Other networks get random weights, and a last layer by least squares.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunet_models import architecture, checkpoint
from numpy.typing import NDArray
from public_heads import fit_last_layer, targets
from safetensors.torch import load_file

from PancreasSegLib.io import read_labels, read_volume
from PancreasSegLib.models import default_folder
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.networks import build_network
from PancreasSegLib.volume import Volume, geometry_with_spacing, resample

HU = {"mean": 60.0, "std": 85.0, "percentile_00_5": -125.0, "percentile_99_5": 275.0}
ORGANS = ["background", "spleen", "right kidney", "left kidney", "gallbladder", "liver", "stomach", "aorta"]
ORGANS = [*ORGANS, "pancreas"]
WIDTHS = [32, 64, 128, 256, 320, 320]


@dataclass(frozen=True)
class NnunetModel:
    """What a download holds.

    Attributes
    ----------
    labels : list of str
        Of its ``dataset.json``, from 1.
    organs : dict of str to str
        Which of them each organ of our segmenter becomes.
    spacing, patch : list
        Along z, y, x.
    strides : list
        Of its levels, the finest first.
    kind : str
        ``"plain"``, ``"residual"`` (a ResEncUNet plan) or ``"slices"`` (2d).
    reader : str
        Of its plans.
    mirroring : tuple of int or None
        Axes that its checkpoint allows to mirror.
    folds : tuple of int
        Trainings.
    checkpoint : str
        File name.
    trainers : tuple of str
        Names of trainings.
    zipped : bool
        Whether it is a zip.
    of_ours : str
        Which of our stages it gets, ``"segmenter"`` (1.5 mm) or ``"localiser"`` (3 mm).
    """

    labels: list[str]
    organs: dict[str, str]
    spacing: list[float]
    patch: list[int]
    strides: list[list[int]]
    kind: str = "plain"
    reader: str = "NibabelIOWithReorient"
    mirroring: tuple[int, ...] | None = None
    folds: tuple[int, ...] = (0,)
    checkpoint: str = "checkpoint_final.pth"
    trainers: tuple[str, ...] = ("nnUNetTrainerNoMirroring",)
    zipped: bool = False
    of_ours: str = "segmenter"

    @property
    def configuration(self) -> str:
        """Its name in the plans."""
        return "2d" if self.kind == "slices" else "3d_fullres"

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the network."""
        levels, dims = len(self.strides), len(self.patch)
        return {
            "spatial_dims": dims,
            "out_channels": 1 + len(self.labels),
            "filters": WIDTHS[:levels],
            "strides": self.strides,
            "kernel_size": [[3] * dims] * levels,
            "blocks": [1, 3, 4, 6, 6, 6][:levels] if self.kind == "residual" else [2] * levels,
            "decoder_blocks": [1 if self.kind == "residual" else 2] * (levels - 1),
            "conv_bias": True,
            "norm": ["instance", {"eps": 1e-5, "affine": True}],
            "activation": ["leakyrelu", {"inplace": True}],
        }


def write_nnunet_model(model: NnunetModel, ct: Path, pancreas: Path, folder: Path) -> Path:
    """Write the folder, or the zip where there are several trainings, and return the path."""
    dataset = folder / "Dataset001_Public"
    shutil.rmtree(dataset, ignore_errors=True)
    image, wanted = _seen(model, read_volume(ct)), _seen(model, read_labels(pancreas), hu=False)
    for trainer in model.trainers:
        training = dataset / f"{trainer}__nnUNetPlans__{model.configuration}"
        training.mkdir(parents=True)
        (training / "plans.json").write_text(json.dumps(_plans(model)))
        labels = {name: value for value, name in enumerate(["background", *model.labels])}
        about = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
        (training / "dataset.json").write_text(json.dumps(about))
        for fold in model.folds:
            (training / f"fold_{fold}").mkdir()
            content = checkpoint(
                _weights(model, fold, image, wanted),
                trainer_name=trainer,
                init_args={"configuration": model.configuration, "fold": fold, "device": torch.device("cpu")},
                inference_allowed_mirroring_axes=model.mirroring,
            )
            torch.save(content, training / f"fold_{fold}" / model.checkpoint)
    return Path(shutil.make_archive(str(dataset), "zip", folder, dataset.name)) if model.zipped else training


def _seen(model: NnunetModel, volume: Volume, hu: bool = True) -> NDArray[np.float32]:
    """Return about what the network will see of a CT (or of a mask), in its axes."""
    canonical, _ = volume.canonical()
    spacing = model.spacing if len(model.spacing) == 3 else [canonical.geometry.spacing_mm[2], *model.spacing]
    grid = geometry_with_spacing(canonical.geometry, spacing[::-1])
    found = resample(canonical.voxels.astype(np.float32), canonical.geometry, grid)
    if hu:
        found = (np.clip(found, HU["percentile_00_5"], HU["percentile_99_5"]) - HU["mean"]) / HU["std"]
    turned = found[None] if model.reader == "SimpleITKIO" else NetworkAxes("SAR").apply(found[None])
    factor = np.prod(model.strides, axis=0) if len(model.patch) == 3 else [1, *np.prod(model.strides, axis=0)]
    cut = tuple(slice(0, min(n, 160) // f * f) for n, f in zip(turned.shape[1:], factor, strict=True))
    return np.ascontiguousarray(turned[(slice(None), *cut)], dtype=np.float32)


def _weights(
    model: NnunetModel, fold: int, image: NDArray[np.float32], wanted: NDArray[np.float32]
) -> dict[str, Any]:
    torch.manual_seed(fold)
    name = "nnunet-residual" if model.kind == "residual" else "nnunet-plain"
    network = build_network(name, **model.arguments).eval()
    batch, target = torch.from_numpy(image)[None], targets(image[0] * HU["std"] + HU["mean"], wanted[0] >= 0.5)
    if model.kind == "plain":
        _embed(network, model, fold, batch)
    elif model.kind == "slices":
        fit_last_layer(network, network.decoder.seg_layers[-1], batch[0].swapaxes(0, 1), target[:, None])
    else:
        fit_last_layer(network, network.decoder.seg_layers[-1], batch, target)
    state: dict[str, Any] = network.state_dict()
    return state


def _embed(network: Any, model: NnunetModel, fold: int, image: torch.Tensor) -> None:
    file = default_folder() / f"models/{model.of_ours}-{fold % 3}.safetensors"
    ours = {name: value.float() for name, value in load_file(file).items()}
    if model.reader != "SimpleITKIO":  # its images lead to Right and Anterior, ours to Left and Posterior
        ours = {name: value.flip(3, 4) if value.ndim == 5 else value for name, value in ours.items()}
    encoder, decoder, levels = network.encoder.stages, network.decoder, len(model.strides)

    def place(convs: Any, name: str, inputs: list[int] | None = None) -> None:
        for number, layer in enumerate(convs[:2], 1):
            weights = ours[f"{name}.conv{number}.conv.weight"]
            columns = inputs if inputs and number == 1 else list(range(weights.shape[1]))
            layer.conv.weight[: len(weights), columns] = weights
            layer.norm.weight[: len(weights)] = ours[f"{name}.norm{number}.weight"]
            layer.norm.bias[: len(weights)] = ours[f"{name}.norm{number}.bias"]

    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for layer in encoder[0][0].convs:
            layer.conv.weight[0, 0, 1, 1, 1] = layer.norm.weight[0] = 1
            layer.norm.bias[0] = 2.5  # above 0 for nearly all HU, where the activation changes nothing
        for level, name in enumerate(("input_block", "downsamples.0", "downsamples.1", "bottleneck"), 1):
            place(encoder[level][0].convs, name)
        for step, level in enumerate((3, 2, 1)):
            place_at = levels - 2 - level
            up, weights = decoder.transpconvs[place_at], ours[f"upsamples.{step}.transp_conv.conv.weight"]
            up.weight[: weights.shape[0], : weights.shape[1]] = weights
            wide, own = up.weight.shape[1], weights.shape[1]
            columns = [*range(own), *range(wide, wide + own)]
            place(decoder.stages[place_at].convs, f"upsamples.{step}.conv_block", columns)
        same = torch.arange(32)
        decoder.transpconvs[-1].weight[same, same] = 1
        for layer in decoder.stages[-1].convs:
            layer.conv.weight[same, same, 1, 1, 1] = 1
            seen: list[Any] = []
            hook = layer.norm.register_forward_pre_hook(lambda _, x, seen=seen: seen.append(x[0]))
            network(image)
            hook.remove()
            values = seen[0][0].flatten(1)
            layer.norm.weight[:], layer.norm.bias[:] = values.std(1).clamp(min=1e-6), values.mean(1)
        head, last = decoder.seg_layers[-1], "output_block.conv.conv"
        head.bias.fill_(-25)
        for channel, name in enumerate(ORGANS):
            if name in model.organs or channel == 0:
                row = model.labels.index(model.organs[name]) + 1 if channel else 0
                head.weight[row, :32] = ours[f"{last}.weight"][channel]
                head.bias[row] = ours[f"{last}.bias"][channel]


def _plans(model: NnunetModel) -> dict[str, Any]:
    """Return ``plans.json``, for plain networks as nnU-Net before 2.4 wrote it, as TotalSegmentator's are."""
    again = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": f"nnUNetPlans_{model.configuration}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": model.patch,
        "median_image_size_in_voxels": model.patch,
        "spacing": model.spacing,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "batch_dice": False,
        **{f"resampling_fn_{what}": "resample_data_or_seg_to_shape" for what in ("data", "seg", "probabilities")},
        "resampling_fn_data_kwargs": again,
        "resampling_fn_seg_kwargs": {**again, "is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": {**again, "order": 1},
    }
    arguments, levels = model.arguments, len(model.strides)
    if model.kind == "plain":
        configuration |= {
            "UNet_class_name": "PlainConvUNet",
            "UNet_base_num_features": 32,
            "unet_max_num_features": 320,
            "n_conv_per_stage_encoder": arguments["blocks"],
            "n_conv_per_stage_decoder": arguments["decoder_blocks"],
            "num_pool_per_axis": [sum(stride[axis] == 2 for stride in model.strides) for axis in range(3)],
            "pool_op_kernel_sizes": model.strides,
            "conv_kernel_sizes": arguments["kernel_size"],
        }
    else:
        given = architecture(model.kind == "residual")
        keywords, dims = given["arch_kwargs"], len(model.patch)
        keywords |= {
            "n_stages": levels,
            "features_per_stage": arguments["filters"],
            "kernel_sizes": arguments["kernel_size"],
            "strides": model.strides,
            "n_conv_per_stage_decoder": arguments["decoder_blocks"],
            "n_blocks_per_stage" if model.kind == "residual" else "n_conv_per_stage": arguments["blocks"],
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
        }
        configuration["architecture"] = given
    spacing = model.spacing if len(model.spacing) == 3 else [2.5, *model.spacing]
    return {
        "dataset_name": "Dataset001_Public",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": [100, 200, 200],
        "image_reader_writer": model.reader,
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {model.configuration: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {**HU, "max": 3072.0, "min": -1024.0, "median": 70.0}
        },
    }
