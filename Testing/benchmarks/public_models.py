"""Imported models against their own programs: the same file, the same weights, voxel by voxel.

    python Testing/benchmarks/public_models.py --peers PYTHON --ct CT.nii.gz --out FOLDER

writes the table of ``Testing/benchmarks/public_models.md``. PYTHON is that of an environment with nnunetv2. The
real weights cannot be had everywhere; so folders are made in the form of the downloads, with our default segmenter
inside a network of theirs, so that masks have the shape of organs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1] / "models")]
PAGE = HERE.with_suffix(".md")

WIDTHS = [32, 64, 128, 256, 320]
STRIDES = [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]]
WINDOW = {"mean": 60.0, "std": 85.0, "percentile_00_5": -125.0, "percentile_99_5": 275.0}
ORGANS = [
    "background",
    "spleen",
    "right kidney",
    "left kidney",
    "gallbladder",
    "liver",
    "stomach",
    "aorta",
    "pancreas",
]


@dataclass
class Row:
    """A model in the form of a public one, and the file that both programs get."""

    name: str
    labels: list[str]
    organs: dict[str, str]
    spacing: list[float]
    patch: list[int]
    wanted: str = "pancreas"
    reader: str = "NibabelIOWithReorient"
    mirroring: tuple[int, ...] | None = None
    folds: tuple[int, ...] = (0,)
    checkpoint: str = "checkpoint_final.pth"
    options: list[str] = field(default_factory=list)
    mirrored: bool = False

    @property
    def values(self) -> list[int]:
        """Values of the peer's mask that make the organ."""
        return [self.labels.index(label) + 1 for label in self.wanted.split("+")]


_SAME = {name: name.replace(" ", "_") for name in ORGANS[1:]}
_BODY = [*_SAME.values(), *(f"structure_{n}" for n in range(109))]
ROWS = [
    Row(
        "TotalSegmentator 291: 1.5 mm, 24 organs",
        [*_SAME.values(), *(f"organ_{n}" for n in range(16))],
        _SAME,
        [1.5, 1.5, 1.5],
        [128, 128, 128],
    ),
    Row("TotalSegmentator 297: 3 mm, 117 structures", _BODY, _SAME, [3.0, 3.0, 3.0], [112, 112, 128]),
    Row(
        "PANORAMA: 6 labels, pancreas of three",
        ["PDAC", "veins", "arteries", "pancreas", "pancreatic_duct", "common_bile_duct"],
        {"pancreas": "pancreas", "aorta": "arteries", "gallbladder": "PDAC"},
        [2.5, 0.9, 0.9],
        [48, 128, 160],
        wanted="PDAC+pancreas+pancreatic_duct",
        reader="SimpleITKIO",
        mirroring=(0, 1, 2),
        checkpoint="checkpoint_best_panorama.pth",
    ),
    Row(
        "Task07: pancreas with its tumour, 3 folds",
        ["pancreas", "cancer"],
        {"pancreas": "pancreas", "gallbladder": "cancer"},
        [2.5, 0.8, 0.8],
        [40, 160, 160],
        wanted="pancreas+cancer",
        reader="SimpleITKIO",
        mirroring=(0, 1, 2),
        folds=(0, 1, 2),
    ),
    Row(
        "the same, one fold, mirrored eight ways",
        ["pancreas", "cancer"],
        {"pancreas": "pancreas", "gallbladder": "cancer"},
        [3.0, 1.5, 1.5],
        [40, 96, 112],
        wanted="pancreas+cancer",
        reader="SimpleITKIO",
        mirroring=(0, 1, 2),
        options=["--mirror"],
        mirrored=True,
    ),
]


def network_of(row: Row, member: int, image: Any) -> dict[str, Any]:
    """Weights of a plain U-Net of nnU-Net: our segmenter below a finest level that hands everything through."""
    import torch
    from safetensors.torch import load_file

    from PancreasSegLib.models import default_folder
    from PancreasSegLib.networks import build_network

    ours = {
        k: v.float() for k, v in load_file(default_folder() / f"models/segmenter-{member % 3}.safetensors").items()
    }
    if row.reader != "SimpleITKIO":  # its images lead to Right and Anterior, ours to Left and Posterior
        ours = {k: v.flip(3, 4) if v.ndim == 5 else v for k, v in ours.items()}
    net = build_network(
        "nnunet-plain",
        out_channels=1 + len(row.labels),
        filters=WIDTHS,
        strides=STRIDES,
        kernel_size=[[3, 3, 3]] * 5,
        blocks=[2] * 5,
        decoder_blocks=[2] * 4,
        conv_bias=True,
        norm=["instance", {"eps": 1e-5, "affine": True}],
        activation=["leakyrelu", {"inplace": True}],
    ).eval()

    def place(convs: Any, name: str, numbers: tuple[str, str], inputs: list[int] | None = None) -> None:
        for i, (conv, norm) in enumerate(zip(("conv1", "conv2"), numbers, strict=True)):
            w = ours[f"{name}.{conv}.conv.weight"]
            columns = inputs if inputs and i == 0 else list(range(w.shape[1]))
            convs[i].conv.weight[: len(w), columns] = w
            convs[i].norm.weight[: len(w)] = ours[f"{name}.{norm}.weight"]
            convs[i].norm.bias[: len(w)] = ours[f"{name}.{norm}.bias"]

    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for layer in net.encoder.stages[0][0].convs:
            layer.conv.weight[0, 0, 1, 1, 1] = layer.norm.weight[0] = 1
            layer.norm.bias[0] = 2.5  # above 0 for nearly all HU, where the activation changes nothing
        names = ("input_block", "downsamples.0", "downsamples.1", "bottleneck")
        for level, name in enumerate(names, 1):
            place(net.encoder.stages[level][0].convs, name, ("norm1", "norm2"))
        for step in range(3):
            up, block = net.decoder.transpconvs[step], net.decoder.stages[step].convs
            w = ours[f"upsamples.{step}.transp_conv.conv.weight"]
            up.weight[: w.shape[0], : w.shape[1]] = w
            wide, own = up.weight.shape[1], w.shape[1]
            columns = [*range(own), *range(wide, wide + own)]
            place(block, f"upsamples.{step}.conv_block", ("norm1", "norm2"), columns)
        same = torch.arange(32)
        net.decoder.transpconvs[3].weight[same, same] = 1
        for layer in net.decoder.stages[3].convs:
            layer.conv.weight[same, same, 1, 1, 1] = 1
            seen: list[Any] = []
            hook = layer.norm.register_forward_pre_hook(lambda _, x, seen=seen: seen.append(x[0]))
            net(image)
            hook.remove()
            values = seen[0][0].flatten(1)
            layer.norm.weight[:], layer.norm.bias[:] = values.std(1).clamp(min=1e-6), values.mean(1)
        head, last = net.decoder.seg_layers[-1], "output_block.conv.conv"
        head.bias.fill_(-25)
        for channel, name in enumerate(ORGANS):
            target = 0 if channel == 0 else row.labels.index(row.organs[name]) + 1 if name in row.organs else None
            if target is not None:
                head.weight[target, :32] = ours[f"{last}.weight"][channel]
                head.bias[target] = ours[f"{last}.bias"][channel]
    return net.state_dict()


def make_folder(row: Row, ct: Path, folder: Path) -> Path:
    """Write what a download of the row's model would hold."""
    import numpy as np
    import torch
    from nnunet_models import checkpoint

    from PancreasSegLib.io import read_volume
    from PancreasSegLib.models.axes import NetworkAxes
    from PancreasSegLib.volume import geometry_with_spacing, resample

    volume, _ = read_volume(ct).canonical()
    grid = geometry_with_spacing(volume.geometry, row.spacing[::-1])
    hu = np.clip(resample(volume.voxels, volume.geometry, grid), -125, 275)[None]
    if row.reader != "SimpleITKIO":
        hu = NetworkAxes("SAR").apply(hu)
    hu = hu[:, : hu.shape[1] // 16 * 16, : hu.shape[2] // 16 * 16, : hu.shape[3] // 16 * 16]
    image = torch.from_numpy(((hu - WINDOW["mean"]) / WINDOW["std"]).astype(np.float32).copy())[None]
    trainer = "nnUNetTrainer" if row.mirroring else "nnUNetTrainerNoMirroring"
    model = folder / "Dataset001_Public" / f"{trainer}__nnUNetPlans__3d_fullres"
    model.mkdir(parents=True, exist_ok=True)
    (model / "plans.json").write_text(json.dumps(plans_of(row)))
    labels = {name: value for value, name in enumerate(["background", *row.labels])}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (model / "dataset.json").write_text(json.dumps(dataset))
    for fold in row.folds:
        place = model / f"fold_{fold}"
        place.mkdir(exist_ok=True)
        state = network_of(row, fold, image)
        torch.save(
            checkpoint(state, trainer_name=trainer, inference_allowed_mirroring_axes=row.mirroring),
            place / row.checkpoint,
        )
    return model


def plans_of(row: Row) -> dict[str, Any]:
    """``plans.json`` in the form that nnU-Net before 2.4 wrote, as TotalSegmentator's are."""
    again = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    resampling = {
        **{f"resampling_fn_{what}": "resample_data_or_seg_to_shape" for what in ("data", "seg", "probabilities")},
        "resampling_fn_data_kwargs": again,
        "resampling_fn_seg_kwargs": {**again, "is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": {**again, "order": 1},
    }
    fullres = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": row.patch,
        "median_image_size_in_voxels": row.patch,
        "spacing": row.spacing,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 32,
        "unet_max_num_features": 320,
        "n_conv_per_stage_encoder": [2] * 5,
        "n_conv_per_stage_decoder": [2] * 4,
        "num_pool_per_axis": [3, 4, 4],
        "pool_op_kernel_sizes": STRIDES,
        "conv_kernel_sizes": [[3, 3, 3]] * 5,
        "batch_dice": False,
        **resampling,
    }
    return {
        "dataset_name": "Dataset001_Public",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": row.spacing,
        "original_median_shape_after_transp": row.patch,
        "image_reader_writer": row.reader,
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": fullres},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {**WINDOW, "max": 3072.0, "min": -1024.0, "median": 70.0}
        },
    }


def run_peer(model: str, ct: str, out: str, folds: str, checkpoint: str, mirror: str) -> None:
    """Run nnU-Net's own inference: in its environment, not in ours."""
    import torch

    library = torch.library.Library("torchvision", "DEF")  # one of another torch may lie beside; it is not used
    library.define("nms(Tensor boxes, Tensor scores, float limit) -> Tensor")
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    torch.set_num_threads(2)
    predictor = nnUNetPredictor(
        use_mirroring=mirror == "1",
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(model, [int(f) for f in folds.split(",")], checkpoint)
    files = predictor.plans_manager.image_reader_writer_class()
    image, about = files.read_images([ct])
    files.write_seg(predictor.predict_single_npy_array(image, about), out, about)


def timed(command: list[str], **variables: str) -> tuple[float, float, float]:
    """Run a program; return its seconds, CPU seconds, and most memory in GB."""
    start = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}\n{said}")
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def measured(row: Row, peers: str, ct: Path, out: Path) -> str:
    """Make, run and compare one row; return it as a line of the table."""
    import numpy as np
    import SimpleITK as sitk

    name = re.sub(r"\W+", "-", row.name)[:40].strip("-")
    model = make_folder(row, ct, out / name)
    theirs, ours = out / f"{name}-peer.nii.gz", out / f"{name}-ours.nii.gz"
    folds = ",".join(map(str, row.folds))
    peer = timed(
        [
            peers,
            str(HERE),
            "peer",
            str(model),
            str(ct),
            str(theirs),
            folds,
            row.checkpoint,
            str(int(row.mirrored)),
        ],
        nnUNet_results=str(out),
        nnUNet_raw=str(out),
        nnUNet_preprocessed=str(out),
        nnUNet_compile="f",
    )
    program = [sys.executable, "-m", "PancreasSegLib"]
    home = {"PANCREASSEG_MODELS": str(out / "models"), "PYTHONPATH": str(HERE.parents[2])}
    timed([*program, "models", "import", str(model), "--name", name, "--force", *row.options], **home)
    run = timed([*program, "segment", str(ct), "-o", str(ours), "--model", name, "--roi", "none"], **home)
    a = sitk.GetArrayFromImage(sitk.ReadImage(str(ours))) > 0
    b = np.isin(sitk.GetArrayFromImage(sitk.ReadImage(str(theirs))), row.values)
    dice = 2 * (a & b).sum() / max(1, a.sum() + b.sum())
    millilitres = b.sum() * np.prod(sitk.ReadImage(str(theirs)).GetSpacing()) / 1000
    cells = [f"{t[0]:.0f} s, {t[1]:.0f} CPU s, {t[2]:.1f} GB" for t in (run, peer)]
    differ = f"{int((a != b).sum())} of {b.sum()}"
    return f"| {row.name} | {millilitres:.1f} mL | {dice:.4f} | {differ} | {cells[0]} | {cells[1]} |"


def main() -> None:
    """Measure all rows and write the page."""
    if sys.argv[1:2] == ["peer"]:
        run_peer(*sys.argv[2:])
        return
    about = argparse.ArgumentParser(description=__doc__)
    about.add_argument("--peers", required=True, help="Python of an environment with nnunetv2")
    about.add_argument("--ct", type=Path, required=True)
    about.add_argument("--out", type=Path, required=True)
    about.add_argument("--rows", default="", help="numbers, with commas; all if left out")
    given = about.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chosen = [ROWS[int(n)] for n in given.rows.split(",")] if given.rows else ROWS
    kept = given.out / "rows.json"
    lines = json.loads(kept.read_text()) if kept.is_file() else {}
    for row in chosen:
        lines[row.name] = measured(row, given.peers, given.ct, given.out)
        sys.stdout.write(lines[row.name] + "\n")
        kept.write_text(json.dumps(lines))
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index("| model |"), text.index("\n\n", text.index("| model |"))
    head = "| model | pancreas | Dice | voxels that differ | ours | its own program |\n|---|---|---|---|---|---|\n"
    table = head + "\n".join(lines[row.name] for row in ROWS if row.name in lines)
    PAGE.write_text(text[:start] + table + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
