"""Imported models against their own programs: the same file, the same weights, voxel by voxel.

    python Testing/benchmarks/public_models.py --peers PYTHON --ct CT.nii.gz --out FOLDER

makes a model in the form of each public one, runs both programs, and writes the table of
``Testing/benchmarks/public_models.md``. PYTHON is that of an environment with nnunetv2 and monai. The real weights
cannot be had everywhere; ``public_nnunet.py`` and ``public_monai.py`` say what stands for them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1] / "models"), str(HERE.parent)]
from public_monai import MonaiModel, write_monai_model  # noqa: E402
from public_nnunet import ORGANS, NnunetModel, write_nnunet_model  # noqa: E402

from PancreasSegLib.io import read_labels, read_volume  # noqa: E402
from PancreasSegLib.volume import Box, Geometry  # noqa: E402

PAGE = HERE.with_suffix(".md")
PEERS = HERE.with_name("public_peers.py")
TRAINER = """from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainer_Loss_CE_checkpoints(nnUNetTrainer):
    pass
"""
MARGIN_MM = 15.0  # of the crop around the pancreas

SAME = {name: name.replace(" ", "_") for name in ORGANS[1:]}
BODY = [*SAME.values(), *(f"structure_{n}" for n in range(109))]
FINE = [*SAME.values(), *(f"organ_{n}" for n in range(16))]
HALVED = [[1, 1, 1], *[[2, 2, 2]] * 5]
THICK = [[1, 1, 1], [1, 2, 2], *[[2, 2, 2]] * 3]
TASK07 = NnunetModel(
    ["pancreas", "cancer"],
    {"pancreas": "pancreas", "gallbladder": "cancer"},
    [2.5, 1.2, 1.2],  # in plane 0.8 in the original, which takes three times as long
    [40, 128, 128],
    THICK,
    reader="SimpleITKIO",
    mirroring=(0, 1, 2),
    folds=(0, 1, 2),
    trainers=("nnUNetTrainer",),
)


@dataclass(frozen=True)
class Row:
    """A model in the form of a public one, and how both programs run it.

    Attributes
    ----------
    name : str
        First cell of the row.
    model : NnunetModel or MonaiModel
        What is written.
    values : tuple of int
        Values of the peer's mask that make the organ.
    options : tuple of str
        Of ``pancreasseg models import``.
    mirrored : bool
        Whether both mirror.
    whole : bool
        Whether both get the whole CT instead of the crop.
    found : bool
        Whether ours then looks for the pancreas; the other program gets the box that ours looked into, as a file.
    """

    name: str
    model: NnunetModel | MonaiModel
    values: tuple[int, ...] = (1,)
    options: tuple[str, ...] = ()
    mirrored: bool = False
    whole: bool = False
    found: bool = False


ORGANS_15 = NnunetModel(FINE, SAME, [1.5, 1.5, 1.5], [128, 128, 128], HALVED)
ROWS = [
    Row(
        "TotalSegmentator 291 (1.5 mm, 24 organs), whole CT, our localiser",
        ORGANS_15,
        (8,),
        whole=True,
        found=True,
    ),
    Row("the same, a crop below its window of 192 mm", ORGANS_15, (8,)),
    Row(
        "TotalSegmentator 297 (3 mm, 117 structures), whole CT",
        NnunetModel(
            BODY,
            SAME,
            [3.0, 3.0, 3.0],
            [112, 112, 128],
            HALVED[:5],
            trainers=("nnUNetTrainer_4000epochs_NoMirroring",),
            of_ours="localiser",
        ),
        (8,),
        whole=True,
    ),
    Row(
        "TotalSegmentator 3 (831): a zip with two trainings",
        NnunetModel(
            FINE,
            SAME,
            [1.5, 1.5, 1.5],
            [128, 128, 128],
            HALVED,
            trainers=("nnUNetTrainerNoMirroring", "nnUNetTrainer_2000epochs_NoMirroring"),
            zipped=True,
        ),
        (8,),
        ("--training", "nnUNetTrainerNoMirroring"),
    ),
    Row(
        "PANORAMA: 6 labels, the pancreas of three",
        NnunetModel(
            ["tumor", "veins", "arteries", "pancreas", "pancreatic duct", "common bile duct"],
            {"pancreas": "pancreas", "aorta": "arteries", "gallbladder": "tumor"},
            [2.5, 0.9, 0.9],
            [48, 128, 160],
            THICK,
            reader="SimpleITKIO",
            mirroring=(0, 1, 2),
            checkpoint="checkpoint_best_panorama.pth",
            trainers=("nnUNetTrainer_Loss_CE_checkpoints",),
        ),
        (1, 4, 5),
    ),
    Row("Task07: the pancreas with its tumour, 3 folds", TASK07, (1, 2)),
    Row(
        "the same, one fold, mirrored eight ways",
        NnunetModel(
            TASK07.labels,
            TASK07.organs,
            [3.0, 1.5, 1.5],
            [40, 96, 112],
            THICK,
            reader="SimpleITKIO",
            mirroring=(0, 1, 2),
            trainers=("nnUNetTrainer",),
        ),
        (1, 2),
        ("--mirror",),
        mirrored=True,
    ),
    Row(
        "nnU-Net 2D, slice by slice",
        NnunetModel(
            ["pancreas", *(f"tissue_{n}" for n in range(4))],
            {},
            [0.9, 0.9],
            [160, 192],
            [[1, 1], *[[2, 2]] * 4],
            kind="slices",
            reader="SimpleITKIO",
            mirroring=(0, 1),
            trainers=("nnUNetTrainer",),
        ),
    ),
    Row(
        "nnU-Net ResEncUNet plans",
        NnunetModel(
            ["pancreas", *(f"tissue_{n}" for n in range(4))],
            {},
            [2.5, 1.5, 1.5],
            [48, 96, 112],
            THICK,
            kind="residual",
            reader="SimpleITKIO",
            mirroring=(0, 1, 2),
            trainers=("nnUNetTrainer",),
        ),
    ),
    Row(
        "MONAI spleen_ct_segmentation (UNet)",
        MonaiModel(
            "bundle",
            {
                "_target_": "UNet",
                "spatial_dims": 3,
                "in_channels": 1,
                "out_channels": 2,
                "channels": [16, 32, 64, 128, 256],
                "strides": [2, 2, 2, 2],
                "num_res_units": 2,
                "norm": "batch",
            },
            "model.2.1.conv.unit0.conv",
            (1.5, 1.5, 2.0),
            (96, 96, 96),
            [
                {
                    "_target_": "ScaleIntensityRanged",
                    "a_min": -57,
                    "a_max": 164,
                    "b_min": 0,
                    "b_max": 1,
                    "clip": True,
                }
            ],
            {"overlap": 0.5, "mode": "constant"},
        ),
        options=("--organ", "liver"),
    ),
    Row(
        "MONAI wholeBody_ct_segmentation (SegResNet, 105 classes, each scan's own range)",
        MonaiModel(
            "bundle",
            {
                "_target_": "SegResNet",
                "spatial_dims": 3,
                "in_channels": 1,
                "out_channels": 105,
                "init_filters": 32,
                "blocks_down": [1, 2, 2, 4],
                "blocks_up": [1, 1, 1],
                "dropout_prob": 0.2,
            },
            "conv_final.2.conv",
            (3.0, 3.0, 3.0),
            (96, 96, 96),
            [
                {"_target_": "NormalizeIntensityd", "nonzero": True},
                {"_target_": "ScaleIntensityd", "minv": -1.0, "maxv": 1.0},
            ],
            {"overlap": 0.25, "mode": "gaussian", "padding_mode": "replicate"},
        ),
        options=("--organ", "liver"),
    ),
    Row(
        "a MONAI bundle with a sigmoid a label",
        MonaiModel(
            "bundle",
            {"_target_": "SegResNet", "in_channels": 1, "out_channels": 1, "init_filters": 16},
            "conv_final.2.conv",
            (2.0, 2.0, 2.0),
            (96, 96, 96),
            [
                {
                    "_target_": "ScaleIntensityRanged",
                    "a_min": -150,
                    "a_max": 250,
                    "b_min": -1,
                    "b_max": 1,
                    "clip": True,
                }
            ],
            {"overlap": 0.5, "mode": "gaussian"},
            sigmoid=True,
        ),
        options=("--organ", "liver"),
    ),
    Row(
        "Auto3DSeg (SegResNetDS, sigmoid of HU)",
        MonaiModel(
            "auto3dseg",
            {
                "_target_": "SegResNetDS",
                "init_filters": 32,
                "blocks_down": [1, 2, 2, 4],
                "norm": "INSTANCE",
                "in_channels": 1,
                "out_channels": 6,
                "dsdepth": 4,
            },
            "up_layers.2.head",
            (1.5, 1.5, 2.5),
            (96, 96, 64),
            [{"a_min": -250, "a_max": 350}],
            {},
        ),
        options=("--organ", "liver"),
    ),
]


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


class Benchmark:
    """The files and programs of a run.

    Parameters
    ----------
    peers : str
        Python with the other programs.
    ct : Path
        The whole CT.
    out : Path
        Where all that is made lies.
    """

    def __init__(self, peers: str, ct: Path, out: Path) -> None:
        self.peers, self.ct, self.out = peers, ct, out
        self.home = {"PANCREASSEG_MODELS": str(out / "models"), "PYTHONPATH": str(HERE.parents[2])}
        self.crop, self.pancreas = out / "crop.nii.gz", out / "crop-pancreas.nii.gz"
        if not self.pancreas.is_file():
            self._make_crop()

    def _make_crop(self) -> None:
        """Cut the CT around what our default model finds."""
        mask = self.out / "pancreas.nii.gz"
        self.segment(self.ct, mask)
        found = read_labels(mask)
        box = Box.of_mask(found.voxels > 0)
        assert box is not None
        box = box.grown(MARGIN_MM, found.geometry)
        cut(self.ct, box, self.crop)
        cut(mask, box, self.pancreas)

    def segment(self, ct: Path, mask: Path, *options: str) -> tuple[float, float, float]:
        """Run ours."""
        command = [sys.executable, "-m", "PancreasSegLib", "segment", str(ct), "-o", str(mask), *options]
        return timed(command, **self.home)

    def line(self, row: Row) -> str:
        """Make, run and compare one row; return it as a line of the table."""
        name = re.sub(r"\W+", "-", row.name)[:40].strip("-")
        made = self.out / "made" / name
        is_nnunet = isinstance(row.model, NnunetModel)
        if isinstance(row.model, NnunetModel):
            model = write_nnunet_model(row.model, self.crop, self.pancreas, made)
        else:
            model = write_monai_model(row.model, self.crop, made)
        program = [sys.executable, "-m", "PancreasSegLib", "models", "import", str(model), "--name", name]
        timed([*program, "--force", *row.options], **self.home)
        ours, theirs, report = (self.out / f"{name}-{what}" for what in ("ours.nii.gz", "peer.nii.gz", "r.json"))
        if row.found:
            run = self.segment(self.ct, ours, "--model", name, "--report", str(report))
            box = seen_box(report, read_volume(self.ct).geometry)
            seen = self.out / f"{name}-box.nii.gz"
            cut(self.ct, box, seen)
            cut(ours, box, ours)
        else:
            seen = self.ct if row.whole else self.crop
            run = self.segment(seen, ours, "--model", name, "--roi", "none", "--allow-empty")
        training = next(made.rglob("fold_0")).parent if is_nnunet else model
        peer = self._peer(row, training, seen, theirs)
        return self._compared(row, ours, theirs, run, peer)

    def _peer(self, row: Row, model: Path, ct: Path, mask: Path) -> tuple[float, float, float]:
        kind, more = "nnunet", []
        if isinstance(row.model, NnunetModel):
            more = [",".join(map(str, row.model.folds)), row.model.checkpoint, str(int(row.mirrored))]
        else:
            kind = row.model.kind
        trainers = self.out / "trainers"
        trainers.mkdir(exist_ok=True)
        (trainers / "panorama.py").write_text(TRAINER)
        folders = dict.fromkeys(("nnUNet_results", "nnUNet_raw", "nnUNet_preprocessed"), str(self.out))
        command = [self.peers, str(PEERS), kind, str(model), str(ct), str(mask), *more]
        return timed(command, nnUNet_compile="f", nnUNet_extTrainer=str(trainers), **folders)

    @staticmethod
    def _compared(row: Row, ours: Path, theirs: Path, *used: tuple[float, float, float]) -> str:
        other = sitk.ReadImage(str(theirs))
        a = sitk.GetArrayFromImage(sitk.ReadImage(str(ours))) > 0
        b = np.isin(np.rint(sitk.GetArrayFromImage(other)).astype(int), row.values)
        dice = 2 * (a & b).sum() / max(1, a.sum() + b.sum())
        millilitres = b.sum() * np.prod(other.GetSpacing()) / 1000
        cells = [f"{t[0]:.0f} s, {t[1]:.0f} CPU s, {t[2]:.1f} GB" for t in used]
        differ = f"{int((a != b).sum())} of {b.sum()}"
        return f"| {row.name} | {millilitres:.1f} mL | {dice:.4f} | {differ} | {cells[0]} | {cells[1]} |"


def cut(source: Path, box: Box, target: Path) -> None:
    """Write a part of an image."""
    image = sitk.ReadImage(str(source))
    part = tuple(slice(low, high) for low, high in zip(box.lower_ijk, box.upper_ijk, strict=True))
    sitk.WriteImage(image[part], str(target))


def seen_box(report: Path, ct: Geometry) -> Box:
    """Return the part of a CT that the network saw, by the grid of its probability."""
    (grid,) = json.loads(report.read_text())["probability_grids"].values()
    seen = Geometry(
        tuple(grid["size_ijk"]),
        tuple(grid["spacing_mm"]),
        tuple(grid["origin_lps"]),
        tuple(np.ravel(grid["direction_lps"])),
    )
    corners = ct.lps_to_index(seen.index_to_lps(np.array([np.full(3, -0.5), np.array(seen.size_ijk) - 0.5])))
    low, high = (np.round(values + 0.5).astype(int) for values in (corners.min(axis=0), corners.max(axis=0)))
    return Box(tuple(map(int, low)), tuple(map(int, high)))


def main() -> None:
    """Measure all rows and write the page."""
    about = argparse.ArgumentParser(description=__doc__)
    about.add_argument("--peers", required=True, help="Python of an environment with nnunetv2 and monai")
    about.add_argument("--ct", type=Path, required=True)
    about.add_argument("--out", type=Path, required=True)
    about.add_argument("--rows", default="", help="numbers, with commas; all if left out")
    given = about.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    benchmark = Benchmark(given.peers, given.ct, given.out)
    chosen = [ROWS[int(n)] for n in given.rows.split(",")] if given.rows else ROWS
    kept, lines = given.out / "rows.json", {}
    for row in chosen:
        line = benchmark.line(row)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        lines = (json.loads(kept.read_text()) if kept.is_file() else {}) | {row.name: line}
        kept.write_text(json.dumps(lines))
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index("| model |"), text.index("\n\n", text.index("| model |"))
    head = "| model | organ | Dice | voxels that differ | ours | its own program |\n|---|---|---|---|---|---|\n"
    table = head + "\n".join(lines[row.name] for row in ROWS if row.name in lines)
    PAGE.write_text(text[:start] + table + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
