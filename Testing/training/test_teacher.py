"""An imported model labels CTs that nobody read, and a small one learns from them beside the experts' masks."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from abdomens import PANCREAS, abdomen, write_base

from PancreasSegLib.cli.app import run
from PancreasSegLib.data import read_dataset
from PancreasSegLib.io import read_labels, read_volume, write_volume
from PancreasSegLib.models import load_package

sys.path.append(str(Path(__file__).parents[1] / "models"))
from nnunet_models import moving_state, normalised_by_batches, plans, write_nnunet

BETWEEN_HU = 150  # of liver and pancreas
RECIPE = {
    "name": "small",
    "data": {"root": "nowhere", "labels": ["liver", "pancreas"]},
    "device": "cpu",
    "precision": "fp32",
    "monitor": {"curves": False},
    "stages": {
        "segmenter": {
            "spacing_mm": [4.0, 4.0, 5.0],
            "patch_ijk": [32, 24, 16],
            "arguments": {
                "filters": [4, 8, 8],
                "kernel_size": [[3, 3, 3]] * 3,
                "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2]],
                "norm": "instance",
            },
            "sampling": {"batch_size": 1},
            "augmentation": {"phase_probability": 0.0},
            "optimizer": {"learning_rate": 0.01, "ema": 0.95},
            "steps": 8,
            "validate_every": 1000,
        }
    },
}


@pytest.fixture
def classroom(tmp_path, monkeypatch):
    """Two cases of experts; two CTs of others, one of theirs, and one without a pancreas; a teacher."""
    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    base = write_base(tmp_path / "base", range(2))
    for seed, hu in ((20, 190), (21, 190), (22, 20)):
        write_volume(base / f"imagesTs/other_{seed}.nii.gz", abdomen(seed, hu)[0])
    shutil.copy(base / "imagesTr/base_0.nii.gz", base / "imagesTs/again.nii.gz")
    state = moving_state(moved=False)
    state["decoder.seg_layers.1.bias"][1] = -40 * (BETWEEN_HU - 78) / 75.4
    theirs = write_nnunet(
        tmp_path / "theirs", plan=normalised_by_batches(plans(spacing=[5.0, 4.0, 4.0])), state=state
    )
    command = ["models", "import", str(theirs), "--name", "big", "--organ", "pancreas", "--localiser", "none"]
    assert run(command) == 0
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path


def learn(folder, *more):
    command = ["train", "--teacher", "big", str(folder / "base"), "--recipe", str(folder / "small.yaml")]
    return run([*command, f"output={folder / 'runs'}", f"data.cache={folder / 'cache'}", *more])


@pytest.mark.slow
def test_a_small_model_learns_from_a_large_one_beside_experts(classroom, capsys):
    assert learn(classroom) == 0
    told = capsys.readouterr()
    assert "labelled 2 of 4 CTs" in told.out
    cases = classroom / "runs/big-student/cases"
    dataset = read_dataset(cases)
    assert len(dataset.cases) == 4
    taught = [case for case in dataset.cases if case.record is not None]
    assert [case.labels_present for case in taught] == [("pancreas",)] * 2
    truths = [abdomen(seed)[1] == PANCREAS for seed in (20, 21)]
    for case in taught:
        mask = read_labels(case.label).voxels == dataset.labels["pancreas"]
        assert max(2 * (mask & truth).sum() / (mask.sum() + truth.sum()) for truth in truths) > 0.9
    lessons = {one["scan"]: one for one in json.loads((cases / "lessons.json").read_text())["lessons"]}
    assert lessons["other_20.nii.gz"]["confidence"] > 0.7
    assert lessons["again.nii.gz"]["left_out"] == "an expert read it"
    assert lessons["other_22.nii.gz"]["left_out"]
    package = load_package(classroom / "runs/big-student/fold-all/package")
    card = (package.path / "MODEL_CARD.md").read_text()
    assert "labels of 2 CTs by the model big" in card and "base, 2 cases" in card
    assert "its teacher's: not stated" in package.licence
    assert not np.array_equal(read_volume(taught[0].image).voxels, read_volume(taught[1].image).voxels)


def test_nothing_is_learnt_from_a_teacher_who_is_not_sure(classroom, capsys):
    assert learn(classroom, "--least-confidence", "1", "stages.segmenter.steps=1") == 0
    assert "labelled 0 of 4 CTs" in capsys.readouterr().out


def test_a_teachers_labels_measure_nothing(classroom, capsys):
    assert learn(classroom, "fold=0", "data.folds=2") == 2
    assert "which measures nothing" in capsys.readouterr().err
