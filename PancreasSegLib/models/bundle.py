"""``configs/inference.json``: how MONAI's own runner uses a package, without this library.

``python -m monai.bundle run --config_file configs/inference.json --bundle_root . --dataset_dir FOLDER``, in the
package's folder, segments every NIfTI file of FOLDER. It runs the segmenter alone over the whole scan, with all
members of its ensemble: slower than our cascade and without its localiser, region and post-processing.
"""

from __future__ import annotations

from typing import Any

from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.networks import monai_definition

INFERENCE_FILE = "configs/inference.json"

_PREDICT = (
    "$lambda x, members, keep: "
    "(lambda p: torch.cat([1 - p[:, keep].sum(1, keepdim=True), p[:, keep]], 1))"
    "(sum(torch.softmax(n(x).float(), 1) for n in members) / len(members))"
)
_SEGMENT = (
    "$torch.no_grad()(lambda file, before, infer, device, after: "
    "(lambda item: after({**item, 'pred': infer(item['image'][None].to(device))[0].cpu()}))"
    "(before({'image': file})))"
)


def inference_config(package: ModelPackage) -> dict[str, Any] | None:
    """Write the configuration of MONAI's bundle runner for a package.

    Parameters
    ----------
    package : ModelPackage
        Whose segmenter is run.

    Returns
    -------
    dict or None
        Plain JSON; None if the segmenter needs this library's soft-tissue mask, which MONAI does not have.

    Notes
    -----
    The network's axes are z, y, x: ``axcodes="SPL"`` makes them so (first axis to Superior, then Posterior, then
    Left), and spacing and window size are given in that order.
    """
    stage = package.stages[-1]
    if stage.hu_mask != "none":
        return None
    names = [f"network_def_{i}" if i else "network_def" for i in range(len(stage.weights))]
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
    return {
        "imports": ["$import glob", "$import os", "$import torch", "$from safetensors.torch import load_file"],
        "bundle_root": ".",
        "dataset_dir": "$os.path.join(@bundle_root, 'data')",
        "datalist": "$sorted(glob.glob(os.path.join(@dataset_dir, '*.nii*')))",
        "output_dir": "$os.path.join(@bundle_root, 'eval')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        **dict.fromkeys(names, definition),
        "network": f"$[{', '.join(f'@{name}.to(@device).eval()' for name in names)}]",
        "preprocessing": _preprocessing(stage),
        "predict": _PREDICT,
        "keep": [stage.labels[label] for label in package.labels],
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(stage.patch_ijk[::-1]),
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": "gaussian",
            "cval": (stage.window_hu[0] - stage.mean_hu) / stage.std_hu,
        },
        "infer": "$lambda x, i=@inferer, f=@predict, n=@network, k=@keep: i(x, lambda part: f(part, n, k))",
        "postprocessing": _postprocessing(package),
        "segment": _SEGMENT,
        "initialize": loads,
        "run": ["$[@segment(f, @preprocessing, @infer, @device, @postprocessing) for f in @datalist]"],
    }


def _preprocessing(stage: Stage) -> dict[str, Any]:
    low, high = stage.window_hu
    return {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "SPL"},
            {"_target_": "Spacingd", "keys": "image", "pixdim": list(stage.spacing_mm[::-1]), "mode": "bilinear"},
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
            "output_postfix": "pancreas",
            "output_dtype": "$torch.uint8",
            "resample": False,
            "separate_folder": False,
        },
    ]
    if wanted != found:
        mapping = {"_target_": "MapLabelValued", "keys": "pred", "orig_labels": found, "target_labels": wanted}
        transforms.insert(2, mapping)
    return {"_target_": "Compose", "transforms": transforms}
