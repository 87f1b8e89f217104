"""``configs/inference.json``: how MONAI's own runner uses a package, without this library.

``python -m monai.bundle run --config_file configs/inference.json --bundle_root . --dataset_dir FOLDER``, in the
package's folder, segments every NIfTI file of FOLDER. It is simpler than our cascade and slower: both networks run
over the whole scan, and what the segmenter finds counts near the largest thing that the localiser finds.
"""

from __future__ import annotations

from typing import Any

from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.networks import monai_definition
from PancreasSegLib.networks.imported import TORCHSCRIPT

INFERENCE_FILE = "configs/inference.json"

_NEAR_MM = 30.0
"""How far from the localiser's finding the segmenter's counts."""

_PREDICT = (
    "$lambda x, members, keep: "
    "(lambda p: torch.cat([1 - p[:, keep].sum(1, keepdim=True), p[:, keep]], 1))"
    "(sum({} for n in members) / len(members))"
)
_ACTIVATION = {
    "softmax": "torch.softmax(n(x).float(), 1)",
    # labels count from 1: a channel that nothing reads stands for the background
    "sigmoid": "torch.nn.functional.pad(torch.sigmoid(n(x).float()), (0, 0, 0, 0, 0, 0, 1, 0))",
}
_INFER = "$lambda x, i=@{0}inferer, f=@predict, n=@{0}network, k=@{0}keep: i(x, lambda part: f(part, n, k))"
_RUN_ONE = (
    "$torch.no_grad()(lambda file, before, infer, device, gate, after: "
    "(lambda item: after({**item, 'pred': gate(file, infer(item['image'][None].to(device))[0].cpu())}))"
    "(before({'image': file})))"
)
_LOCALISE = (
    "$lambda file, before=@localiser_preprocessing, infer=@localiser_infer, device=@device, largest=@largest: "
    "largest(infer(before({'image': file})['image'][None].to(device))[0].cpu().argmax(0, keepdim=True) > 0)"
)
_GATE = (
    "$lambda file, pred, localise=@localise, window=@near_window: "
    "(lambda p: torch.cat([1 - p.sum(0, keepdim=True), p]))"
    "(pred[1:] * F.interpolate(F.max_pool3d(localise(file).float()[None], window, 1, [w // 2 for w in window]),"
    " size=pred.shape[1:])[0])"
)


def inference_config(package: ModelPackage) -> dict[str, Any] | None:
    """Write the configuration of MONAI's bundle runner for a package.

    Parameters
    ----------
    package : ModelPackage
        Whose stages are run.

    Returns
    -------
    dict or None
        Plain JSON; None if a stage needs this library's soft-tissue mask, which MONAI does not have, or is a
        program of another maker.

    Notes
    -----
    The axes of our own networks are z, y, x: ``axcodes="SPL"`` makes them so (first axis to Superior, then
    Posterior, then Left), and spacing and window size are given in that order.
    """
    if any(stage.hu_mask != "none" or stage.network == TORCHSCRIPT for stage in package.stages):
        return None
    segmenter, localiser = package.stages[-1], package.stage("localiser")
    loads, parts = _stage_parts(segmenter, package, "")
    gate: dict[str, Any] = {"gate": "$lambda file, pred: pred"}
    if localiser is not None:
        more_loads, more_parts = _stage_parts(localiser, package, "localiser_")
        loads, parts = loads + more_loads, parts | more_parts
        gate = {
            "largest": {"_target_": "KeepLargestConnectedComponent", "applied_labels": [1], "is_onehot": False},
            "near_window": [
                2 * round(_NEAR_MM / v) + 1 for v in NetworkAxes(localiser.axes).of_zyx(localiser.spacing_mm[::-1])
            ],
            "localise": _LOCALISE,
            "gate": _GATE,
        }
    return {
        "imports": [
            "$import glob",
            "$import os",
            "$import torch",
            "$import torch.nn.functional as F",
            "$from safetensors.torch import load_file",
        ],
        "bundle_root": ".",
        "dataset_dir": "$os.path.join(@bundle_root, 'data')",
        "datalist": "$sorted(glob.glob(os.path.join(@dataset_dir, '*.nii*')))",
        "output_dir": "$os.path.join(@bundle_root, 'eval')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "predict": _PREDICT.format(_ACTIVATION[segmenter.activation]),
        **parts,
        **gate,
        "postprocessing": _postprocessing(package),
        "segment": _RUN_ONE,
        "initialize": loads,
        "run": ["$[@segment(f, @preprocessing, @infer, @device, @gate, @postprocessing) for f in @datalist]"],
    }


def _stage_parts(stage: Stage, package: ModelPackage, prefix: str) -> tuple[list[str], dict[str, Any]]:
    """Expressions that load a stage's weights, and the entries with which it runs, their names after a prefix."""
    names = [f"{prefix}network_def_{i}" if i else f"{prefix}network_def" for i in range(len(stage.weights))]
    definition = monai_definition(stage.network, **stage.arguments)
    # MONAI's DynUNet has a second name for each parameter, which files need not hold
    strict = definition is None or definition["_target_"] != "DynUNet"
    if definition is None:
        target = "PancreasSegLib.networks.build_network"
        definition = {"_target_": target, "name": stage.network, **stage.arguments}
    loads = [
        f"$@{name}.load_state_dict(load_file(os.path.join(@bundle_root, {file!r})), strict={strict})"
        for name, file in zip(names, stage.weights, strict=True)
    ]
    return loads, {
        **dict.fromkeys(names, definition),
        f"{prefix}network": f"$[{', '.join(f'@{name}.to(@device).eval()' for name in names)}]",
        f"{prefix}preprocessing": _preprocessing(stage),
        f"{prefix}keep": [stage.labels[label] for label in package.labels if label in stage.labels],
        f"{prefix}inferer": {
            **_windows(stage),
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": "gaussian",
            "cval": (stage.window_hu[0] - stage.mean_hu) / stage.std_hu,
        },
        f"{prefix}infer": _INFER.format(prefix),
    }


def _windows(stage: Stage) -> dict[str, Any]:
    """The inferer and its windows: volumes, or slices along the first axis."""
    size = list(NetworkAxes(stage.axes).of_zyx(stage.patch_ijk[::-1]))
    if stage.spatial_dims == 2:
        return {"_target_": "SliceInferer", "spatial_dim": 0, "roi_size": size[1:]}
    return {"_target_": "SlidingWindowInferer", "roi_size": size}


def _preprocessing(stage: Stage) -> dict[str, Any]:
    low, high = stage.window_hu
    pixdim = list(NetworkAxes(stage.axes).of_zyx(stage.spacing_mm[::-1]))
    return {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            # the labels are those of MONAI's RAS space; newer versions warn when they are left out
            {"_target_": "Orientationd", "keys": "image", "axcodes": stage.axes, "labels": ["LR", "PA", "IS"]},
            {"_target_": "Spacingd", "keys": "image", "pixdim": pixdim, "mode": "bilinear"},
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "image",
                "a_min": low,
                "a_max": high,
                "b_min": (low - stage.mean_hu) / stage.std_hu,
                "b_max": (high - stage.mean_hu) / stage.std_hu,
                "clip": True,
            },
            {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
        ],
    }


def _postprocessing(package: ModelPackage) -> dict[str, Any]:
    found = list(range(1, len(package.labels) + 1))
    wanted = list(package.labels.values())
    transforms: list[dict[str, Any]] = [
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
            "output_postfix": "pancreas" if package.seeks_pancreas else "segmentation",
            "output_dtype": "$torch.uint8",
            "resample": False,
            "separate_folder": False,
        },
    ]
    if wanted != found:
        mapping = {"_target_": "MapLabelValued", "keys": "pred", "orig_labels": found, "target_labels": wanted}
        transforms.insert(2, mapping)
    return {"_target_": "Compose", "transforms": transforms}


def bundle_readme(package: ModelPackage) -> str:
    """Write ``docs/README.md``: how the bundle is run, and what its runner leaves out."""
    labels = ", ".join(f"{value} {name}" for name, value in package.labels.items())
    return f"""# {package.name} {package.version}

{package.description}

In this folder, for every NIfTI file of a folder with CTs in HU:

    python -m monai.bundle run --config_file {INFERENCE_FILE} --bundle_root . --dataset_dir FOLDER --output_dir OUT

It needs the Python packages monai, torch, nibabel, fire and safetensors{_ours_too(package)}. Masks hold {labels},
on the CT's own grid.

The runner reads `models/*.safetensors`. `models/model.pt` is the first network of the segmenter, `network_def`
in `{INFERENCE_FILE}`, once more: a state dict in 32 bits, for programs that look for this name.

`pancreasseg segment CT --model FOLDER` runs the same networks in a fraction of the time, removes stray pieces,
measures, and says when there is nothing to be found; the runner does none of this. `MODEL_CARD.md` says what the
model was trained and measured on, and with which program.
"""


def _ours_too(package: ModelPackage) -> str:
    foreign = all(monai_definition(s.network, **s.arguments) is not None for s in package.stages)
    return "" if foreign else ", and PancreasSegLib, since MONAI lacks the network"
