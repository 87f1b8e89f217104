"""Every recipe that comes along, end to end on a generated miniature: train, segment, evaluate."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import SimpleITK as sitk
from miniatures import write_dataset

from PancreasSegLib.cli.app import run
from PancreasSegLib.training.recipe import load_recipe

FLARE = (
    "liver", "right kidney", "spleen", "pancreas", "aorta", "inferior vena cava", "right adrenal gland",
    "left adrenal gland", "gallbladder", "oesophagus", "stomach", "duodenum", "left kidney",
)  # fmt: skip
BTCV = ("spleen", "right kidney", "left kidney", "gallbladder", "liver", "stomach", "aorta", "pancreas")
GRID, SMALL = ["spacing_mm=[5,5,6]", "patch_ijk=[48,32,16]"], "filters=[8,16],strides=[[1,2,2],2]"
QUICK = [
    "augmentation.phase_probability=0",
    "augmentation.intensity_probability=0",
    "augmentation.gamma_probability=0",
    "optimizer.learning_rate=0.02",
    "optimizer.schedule=constant",
    "optimizer.ema=0.9",
    "sampling.batch_size=1",
]
MINI = [*GRID, *QUICK, "arguments={filters: [8, 16, 16], strides: [[1, 2, 2], 2, 2], norm: instance}"]
SLICES = [
    "spacing_mm=[5,5,6]",
    "patch_ijk=[64,48,1]",
    *QUICK,
    "sampling.batch_size=4",
    "optimizer.learning_rate=0.01",
    "arguments={spatial_dims: 2, filters: [8, 16, 16], strides: [1, 2, 2], norm: batch}",
]


def stage(role: str, settings: list[str]) -> list[str]:
    return [f"stages.{role}.{setting}" for setting in settings]


def train(name: str, folder: Path, labels: tuple[str, ...], patients: int, overrides: list[str]) -> list[str]:
    """Write the miniature and return what stands after the command's name."""
    root = write_dataset(folder / "data", "mini", labels, patients)
    places = [f"data.root={root}", f"data.cache={folder / 'cache'}", f"output={folder / 'runs'}"]
    return [name, *places, "device=cpu", "precision=fp32", *overrides]


def trained_package(name: str, folder: Path, fold: str) -> Path:
    package = folder / "runs" / name / fold / "package"
    assert (package / "configs/metadata.json").is_file()
    return package


def mask_of(package: Path, folder: Path, case: str = "mini_000", *options: str):
    """Segment one case by the command and return the mask and its reference as arrays."""
    scan, mask = folder / f"data/imagesTr/{case}.nii.gz", folder / "mask.nii.gz"
    assert run(["segment", str(scan), "--model", str(package), "-o", str(mask), "--device", "cpu", *options]) == 0
    read = [
        sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (mask, folder / f"data/labelsTr/{case}.nii.gz")
    ]
    return read[0], read[1]


def dice(a, b) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def evaluated(package: Path, folder: Path, *options: str) -> list[dict[str, str]]:
    """Evaluate the package on the miniature and return the rows of cases.csv."""
    output = folder / "scores"
    arguments = ["evaluate", str(folder / "data"), "--model", str(package), "-o", str(output), "--device", "cpu"]
    assert run([*arguments, *options]) == 0
    file = next(output.rglob("cases.csv"))
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_volumes_nih_hu_unet3d(tmp_path):
    settings = [*MINI, "epochs=2", "steps_per_epoch=25", "validate_every=25"]
    arguments = train(
        "nih-hu-unet3d", tmp_path, ("pancreas",), 4, ["data.split.validation=1", *stage("segmenter", settings)]
    )
    assert run(["train", *arguments]) == 0
    package = trained_package("nih-hu-unet3d", tmp_path, "fold-0")
    mask, reference = mask_of(package, tmp_path)
    assert dice(mask == 1, reference == 1) > 0.7
    rows = evaluated(package, tmp_path)
    assert len(rows) == 4
    assert all(float(row["dice"]) > 0.5 for row in rows)
    with (package.parent / "segmenter-0/validation.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == ["25", "50"]


@pytest.mark.slow
def test_slices_nih_slices(tmp_path):
    settings = [*SLICES, "epochs=6", "steps_per_epoch=25"]
    overrides = ["data.split.validation=1", "data.split.test=1", "monitor.previews=1"]
    arguments = train("nih-slices", tmp_path, ("pancreas",), 4, [*overrides, *stage("segmenter", settings)])
    assert run(["train", *arguments]) == 0
    package = trained_package("nih-slices", tmp_path, "fold-0")
    described = json.loads((package / "configs/metadata.json").read_text("utf-8"))["pancreasseg"]["stages"][0]
    assert described["patch_ijk"] == [64, 48, 1]
    assert described["arguments"]["spatial_dims"] == 2
    mask, reference = mask_of(package, tmp_path)
    assert dice(mask == 1, reference == 1) > 0.7
    assert len(evaluated(package, tmp_path)) == 4


@pytest.mark.slow
def test_slices_whole_cropped_and_deep_are_compared(tmp_path):
    shared = ["epochs=2", "steps_per_epoch=25"]
    overrides = ["data.split.validation=1", "data.split.test=1", "monitor.previews=0"]
    overrides += stage("segmenter", [*SLICES, *shared])
    arguments = train("nih-slices", tmp_path, ("pancreas",), 4, overrides)
    cropped = load_recipe("nih-slices").variants["cropped-slices"]
    cropped |= {"stages.segmenter.patch_ijk": [48, 32, 1]}
    cropped["stages.localiser"] |= {
        "spacing_mm": [5, 5, 6],
        "patch_ijk": [64, 48, 1],
        "arguments": {"spatial_dims": 2, "filters": [8, 16, 16], "strides": [1, 2, 2], "norm": "batch"},
        "augmentation": {"phase_probability": 0, "intensity_probability": 0, "gamma_probability": 0},
        "optimizer": {"learning_rate": 0.01, "schedule": "constant", "ema": 0.9},
        "sampling": {"batch_size": 4, "organ_share": 0.6},
        "epochs": 2,
        "steps_per_epoch": 25,
    }
    arguments.append(f"variants.cropped-slices={json.dumps(cropped)}")
    assert run(["compare", *arguments]) == 0
    with (tmp_path / "runs/nih-slices/comparison/comparison.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["variant"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["slices", "cropped-slices", "deep-small"]
    assert [row["error"] for row in rows.values()] == ["", "", ""]
    assert float(rows["slices"]["dice_mean"]) > 0.3
    assert float(rows["cropped-slices"]["dice_mean"]) > 0.15
    assert 0 <= float(rows["deep-small"]["dice_mean"]) <= 1  # fifty steps are far too few for it
    assert int(rows["deep-small"]["parameters"]) < 100_000


@pytest.mark.slow
def test_four_architectures_msd07(tmp_path):
    settings = [*GRID, *QUICK, "steps=20", "validate_every=10"]  # V-Net has 45 million weights
    arguments = train("msd07-architectures", tmp_path, ("pancreas", "cancer"), 4, stage("segmenter", settings))
    small = {"filters": [8, 16, 16], "strides": [1, 2, 2], "norm": "instance"}
    arguments.append(f"stages.segmenter.arguments={json.dumps(small)}")
    assert run(["compare", *arguments]) == 0
    folder = tmp_path / "runs/msd07-architectures"
    content = json.loads((folder / "comparison/comparison.json").read_text("utf-8"))
    assert [v["variant"] for v in content["variants"]] == ["unet", "small-unet", "fcn", "vnet"]
    assert [v["error"] for v in content["variants"]] == [""] * 4
    assert content["variants"][0]["dice_mean"] > 0.3
    assert (folder / "comparison/comparison.png").is_file()
    mask, reference = mask_of(folder / "variants/unet/fold-0/package", tmp_path)
    assert dice(mask == 1, reference > 0) > 0.3


@pytest.mark.slow
def test_liver_ircadb(tmp_path):
    arguments = ["activation: selu", "filters: [8, 16, 16]", "strides: [[1, 2, 2], 2, 2]", "norm: instance"]
    settings = [
        *GRID,
        *QUICK,
        f"arguments={{{', '.join(arguments)}}}",
        "epochs=3",
        "steps_per_epoch=40",
        "optimizer.learning_rate=0.01",
    ]
    command = train("ircadb-liver", tmp_path, ("liver", "bone"), 3, stage("segmenter", settings))
    assert run(["train", *command]) == 0
    package = trained_package("ircadb-liver", tmp_path, "fold-0")
    picture = tmp_path / "liver.png"
    mask, reference = mask_of(package, tmp_path, "mini_001", "--picture", str(picture))
    assert dice(mask == 1, reference == 1) > 0.5
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = evaluated(package, tmp_path)
    assert {row["label"] for row in rows} == {"liver"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        [*GRID, *QUICK, "optimizer.learning_rate=0.002", "steps=6", "validate_every=3"],  # 45 million weights
        [*MINI, "network=dynunet", "steps=80", "validate_every=40"],
    ],
    ids=["vnet", "dynunet"],
)
def test_thirteen_organs_flare22(settings, tmp_path):
    command = train("flare22-multiorgan", tmp_path, FLARE, 4, stage("segmenter", settings))
    assert run(["train", *command]) == 0
    package = trained_package("flare22-multiorgan", tmp_path, "fold-0")
    described = json.loads((package / "configs/metadata.json").read_text("utf-8"))["pancreasseg"]
    assert list(described["labels"]) == list(FLARE)
    if described["stages"][0]["network"] == "dynunet":
        mask, reference = mask_of(package, tmp_path)
        assert dice(mask == 1, reference == 1) > 0.5
    rows = evaluated(package, tmp_path, "--cases", "mini_000")
    assert [row["label"] for row in rows] == list(FLARE)
    with (package.parent / "segmenter-0/validation.csv").open(newline="", encoding="utf-8") as stream:
        assert set(FLARE) <= set(next(csv.DictReader(stream)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "gpu"])
def test_the_pancreas_among_eight_organs(name, tmp_path):
    settings = [*MINI, "steps=120", "validate_every=60", "sampling.organ_share=0.4", "sampling.label_share=0.5"]
    overrides = ["fold=0", "data.folds=2", *stage("segmenter", settings), *stage("localiser", settings)]
    if name == "gpu":
        overrides.append("stages.segmenter.members=1")
    assert run(["train", *train(name, tmp_path, BTCV, 4, overrides)]) == 0
    package = trained_package(name, tmp_path, "fold-0")
    mask, reference = mask_of(package, tmp_path)
    assert dice(mask == 1, reference == BTCV.index("pancreas") + 1) > 0.6


def test_every_recipe_that_comes_along_is_covered_here():
    names = {file.stem for file in (Path(load_recipe.__code__.co_filename).parents[2] / "recipes").glob("*.yaml")}
    known = {"nih-hu-unet3d", "nih-slices", "msd07-architectures", "ircadb-liver", "flare22-multiorgan"}
    assert names == known | {"default", "gpu"}
