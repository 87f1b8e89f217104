"""Every patient is scored once, by a model that never saw the patient; also where processes share the work."""

import subprocess
import sys

import pytest
import yaml
from abdomens import write_base

from PancreasSegLib.training.cross_validation import cross_validate
from PancreasSegLib.training.recipe import load_recipe


@pytest.fixture
def abdomen_recipe(tmp_path):
    """Four abdomens, two folds, and a patch that is left to be chosen."""
    content = {
        "name": "folds",
        "data": {
            "root": str(write_base(tmp_path / "base")),
            "cache": str(tmp_path / "cache"),
            "labels": ["liver", "pancreas"],
            "folds": 2,
        },
        "output": str(tmp_path / "runs"),
        "device": "cpu",
        "precision": "fp32",
        "memory_gb": 0.02,
        "monitor": {"previews": 0},
        "stages": {
            "segmenter": {
                "spacing_mm": [4.0, 4.0, 5.0],
                "patch_ijk": "auto",
                "arguments": {"filters": [4, 8, 8], "strides": [2, 2, 2], "kernel_size": 3},
                "sampling": {"batch_size": 2, "organ_share": 0.6},
                "optimizer": {"learning_rate": 0.01, "ema": 0.5},
                "steps": 12,
                "validate_every": 12,
            }
        },
    }
    path = tmp_path / "folds.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
def test_every_patient_is_scored_once(abdomen_recipe):
    recipe, seen = load_recipe(abdomen_recipe), []
    cohort = cross_validate(recipe, scored=seen.append)
    assert sorted(score.case for score in cohort.scores) == [f"base_{n}" for n in range(4)]
    assert len(seen) == 4
    folder = recipe.output / "folds"
    patches = set()
    for fold in range(2):
        made = yaml.safe_load((folder / f"fold-{fold}" / "recipe.yaml").read_text())
        patches.add(tuple(made["stages"]["segmenter"]["patch_ijk"]))
    assert len(patches) == 1  # what was chosen for the first fold holds for all
    assert min(next(iter(patches))) > 1
    assert (folder / "cross-validation" / "cases.csv").is_file()


@pytest.mark.slow
def test_two_processes_cross_validate(abdomen_recipe):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "PancreasSegLib", "cross-validate", str(abdomen_recipe), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    folder = load_recipe(abdomen_recipe).output / "folds" / "cross-validation"
    assert len((folder / "cases.csv").read_text().splitlines()) == 5
