"""``pancreasseg compare``: variants trained alike, scored by their packages, in one table."""

from __future__ import annotations

import csv
import json

import pytest
import yaml
from miniatures import write_dataset

from PancreasSegLib.cli.app import run
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.compare import variant_recipes
from PancreasSegLib.training.recipe import load_recipe

SMALL = {"filters": [8, 16], "strides": [[1, 2, 2], 2], "deep_supervision": False}


def write_recipe(folder, root, **changes):
    content = {
        "name": "sides",
        "data": {
            "root": str(root),
            "cache": str(folder / "cache"),
            "labels": ["liver", "pancreas"],
            "outputs": ["liver", "pancreas"],
            "folds": 2,
        },
        "fold": 0,
        "output": str(folder / "runs"),
        "device": "cpu",
        "precision": "fp32",
        "stages": {
            "segmenter": {
                "spacing_mm": [5.0, 5.0, 6.0],
                "patch_ijk": [48, 32, 16],
                "network": "fcn",
                "arguments": SMALL,
                "sampling": {"batch_size": 1, "organ_share": 0.6},
                "augmentation": {"phase_probability": 0.0, "intensity_probability": 0.0, "gamma_probability": 0.0},
                "optimizer": {"learning_rate": 0.02, "ema": 0.9},
                "steps": 24,
                "validate_every": 12,
            }
        },
        "variants": {
            "fcn": {},
            "coarser": {"stages.segmenter.arguments": {**SMALL, "finest": 1}},
            "broken": {"stages.segmenter.arguments": {"filters": [8, 16], "strides": [3, 3, 3]}},
        },
    }
    file = folder / "sides.yaml"
    file.write_text(yaml.safe_dump(content | changes, sort_keys=False))
    return file


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    root = write_dataset(folder / "data", "mini", ("liver", "pancreas"), 4)
    file = write_recipe(folder, root)
    return file, run(["compare", str(file), "--threads", "1"]), folder / "runs/sides"


def test_variants_are_trained_and_scored_and_a_failed_one_is_reported(compared):
    _, status, folder = compared
    assert status == 0
    with (folder / "comparison/comparison.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["fcn", "coarser", "broken"]
    for name in ("fcn", "coarser"):
        row = rows[name]
        assert float(row["dice_mean"]) > 0.5
        assert float(row["dice liver"]) > 0.5
        assert int(row["parameters"]) > 1000
        assert float(row["peak_memory_mb"]) > 50
        assert int(row["cases"]) == 2
        assert row["error"] == ""
    assert float(rows["coarser"]["gflops"]) < float(rows["fcn"]["gflops"])
    assert "strides" in rows["broken"]["error"]
    assert "strides" in (folder / "variants/broken/error.txt").read_text("utf-8")
    content = json.loads((folder / "comparison/comparison.json").read_text("utf-8"))
    assert content["about"]["cases"] == sorted(content["about"]["cases"])
    assert content["variants"][2]["dice_mean"] is None
    assert (folder / "comparison/comparison.png").read_bytes().startswith(b"\x89PNG")
    text = (folder / "comparison/comparison.md").read_text("utf-8")
    assert "| coarser | fcn |" in text
    assert "broken failed" in text


def test_all_variants_are_scored_on_the_same_patients_whom_none_has_seen(compared):
    _, _, folder = compared
    with (folder / "comparison/cases.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases = {name: {row["case"] for row in rows if row["variant"] == name} for name in ("fcn", "coarser")}
    assert cases["fcn"] == cases["coarser"]
    assert len(cases["fcn"]) == 2
    validated = (folder / "variants/fcn/fold-0/package/configs/metadata.json").read_text("utf-8")
    assert json.loads(validated)["pancreasseg"]["labels"] == {"liver": 1, "pancreas": 2}


def test_a_second_call_needs_resume_and_trains_nothing_again(compared, capsys):
    file, _, folder = compared
    weights = folder / "variants/fcn/fold-0/segmenter-0/network.safetensors"
    made = weights.stat().st_mtime_ns
    assert run(["compare", str(file)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert run(["compare", str(file), "--resume", "--only", "fcn,coarser"]) == 0
    assert weights.stat().st_mtime_ns == made


def test_recipes_without_variants_or_with_wrong_ones_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no variants"):
        variant_recipes(load_recipe(write_recipe(tmp_path, tmp_path, variants={})))
    wrong = load_recipe(write_recipe(tmp_path, tmp_path, variants={"odd": {"stages.segmenter.stepps": 3}}))
    with pytest.raises(RecipeError, match=r"variant odd.*stepps"):
        variant_recipes(wrong)
