"""Small trained nnU-Net v2 models: the folders, files and fields that nnU-Net 2.5 writes."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from PancreasSegLib.networks import build_network

TRAINER = "nnUNetTrainer__nnUNetPlans__3d_fullres"
KERNELS = [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
STRIDES = [[1, 1, 1], [1, 2, 2], [2, 2, 2]]
FEATURES = [4, 6, 8]


def architecture(residual: bool = False) -> dict[str, Any]:
    """``architecture`` of a configuration."""
    name = "ResidualEncoderUNet" if residual else "PlainConvUNet"
    blocks = {"n_blocks_per_stage": [1, 2, 2]} if residual else {"n_conv_per_stage": [2, 2, 2]}
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": FEATURES,
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": KERNELS,
            "strides": STRIDES,
            **blocks,
            "n_conv_per_stage_decoder": [1, 1] if residual else [2, 2],
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def plans(residual: bool = False, **changes: Any) -> dict[str, Any]:
    """``plans.json``; `changes` are fields of the configuration 3d_fullres."""
    fullres = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [8, 24, 16],
        "median_image_size_in_voxels": [40.0, 60.0, 60.0],
        "spacing": [6.0, 4.0, 5.0],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": architecture(residual),
        "batch_dice": True,
    }
    return {
        "dataset_name": "Dataset007_Pancreas",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [6.0, 4.0, 5.0],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": {**fullres, **changes}},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "max": 400.0,
                "mean": 78.0,
                "median": 80.0,
                "min": -300.0,
                "percentile_00_5": -96.0,
                "percentile_99_5": 215.0,
                "std": 75.4,
            }
        },
    }


DATASET = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "pancreas": 1, "cancer": 2},
    "numTraining": 2,
    "file_ending": ".nii.gz",
}


def network_arguments(residual: bool = False) -> dict[str, Any]:
    """Arguments of the same network here."""
    return {
        "out_channels": 3,
        "filters": FEATURES,
        "kernel_size": KERNELS,
        "strides": STRIDES,
        "blocks": [1, 2, 2] if residual else [2, 2, 2],
        "decoder_blocks": [1, 1] if residual else [2, 2],
        "norm": ["instance", {"eps": 1e-5, "affine": True}],
        "activation": ["leakyrelu", {"inplace": True}],
    }


def with_second_names(state: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """Name weights two and four times, as nnU-Net's modules do: ``all_modules`` and ``decoder.encoder``."""
    found: OrderedDict[str, Tensor] = OrderedDict()
    for key, value in state.items():
        names = [key]
        for kind, place in (("conv", 0), ("norm", 1)):
            if f".{kind}." in key and ".transpconvs." not in key:
                names.append(key.replace(f".{kind}.", f".all_modules.{place}."))
        for name in names:
            found[name] = value
            if name.startswith("encoder."):
                found[f"decoder.{name}"] = value
    return found


def checkpoint(state: dict[str, Tensor], **more: Any) -> dict[str, Any]:
    """``checkpoint_final.pth``: the training log holds numbers of numpy."""
    return {
        "network_weights": with_second_names(state),
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.01}]},
        "grad_scaler_state": None,
        "logging": {
            "mean_fg_dice": [np.float64(0.5), np.mean(np.array([0.5, 0.7], dtype=np.float32))],
            "dice_per_class_or_region": [[np.float64(0.5), np.float32(0.4)]],
            "epoch_start_timestamps": [1.7e9],
        },
        "_best_ema": np.float64(0.61),
        "current_epoch": 1000,
        "init_args": {"configuration": "3d_fullres", "fold": 0, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2),
        **more,
    }


def random_state(residual: bool = False, seed: int = 0, **changes: Any) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    name = "nnunet-residual" if residual else "nnunet-plain"
    return build_network(name, **{**network_arguments(residual), **changes}).state_dict()


def moving_state(moved: bool = True) -> dict[str, Tensor]:
    """Weights that find what is brighter than 100 HU, and move it a voxel along the last axis.

    Normalised by batches: an instance would see a threshold of its own in every window.
    """
    state = {name: torch.zeros_like(value) for name, value in random_state(norm="batch").items()}
    for name, value in state.items():
        if name.endswith(("norm.weight", "running_var")):
            value.fill_(1)
    state["encoder.stages.0.0.convs.0.conv.weight"][0, 0, 0, 1, 0 if moved else 1] = 1
    state["encoder.stages.0.0.convs.1.conv.weight"][0, 0, 0, 1, 1] = 1
    state["decoder.stages.1.convs.0.conv.weight"][0, 4, 0, 1, 1] = 1
    state["decoder.stages.1.convs.1.conv.weight"][0, 0, 0, 1, 1] = 1
    state["decoder.seg_layers.1.weight"][1, 0] = 40
    state["decoder.seg_layers.1.bias"][1] = -40 * (100 - 78) / 75.4
    return state


def normalised_by_batches(plan: dict[str, Any]) -> dict[str, Any]:
    """Let a plan's network be normalised by batches."""
    given = next(iter(plan["configurations"].values()))["architecture"]["arch_kwargs"]
    given |= {"norm_op": "torch.nn.modules.batchnorm.BatchNorm3d", "norm_op_kwargs": {"eps": 1e-5}}
    return plan


def write_nnunet(
    folder: Path,
    *,
    residual: bool = False,
    folds: tuple[str, ...] = ("0",),
    trainer: str = TRAINER,
    plan: dict[str, Any] | None = None,
    dataset: dict[str, Any] | None = None,
    state: dict[str, Tensor] | None = None,
) -> Path:
    """Write ``Dataset007_Pancreas/<trainer>`` below a folder and return the latter."""
    model = folder / "Dataset007_Pancreas" / trainer
    model.mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(plan or plans(residual)))
    (model / "dataset.json").write_text(json.dumps(dataset or DATASET))
    for number, fold in enumerate(folds):
        (model / f"fold_{fold}").mkdir()
        weights = state if state is not None else random_state(residual, number)
        torch.save(checkpoint(weights), model / f"fold_{fold}" / "checkpoint_final.pth")
    return model
