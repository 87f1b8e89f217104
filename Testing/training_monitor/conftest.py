"""The beginning of a network's run, and a small dataset to train on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from observed import LABELS, blob

from PancreasSegLib.training.observer import NetworkRun
from PancreasSegLib.training.recipe import StageRecipe


@pytest.fixture
def run(tmp_path):
    """Makes the beginning of a network's run."""

    def make(step: int = 0, *, validation=("case_1",), labels=LABELS, organ="pancreas") -> NetworkRun:
        stage = StageRecipe(spacing_mm=(2, 2, 3), patch_ijk=(16, 16, 16), steps=100, validate_every=10)
        folder = tmp_path / "recipe" / "fold-0" / "segmenter-0"
        folder.mkdir(parents=True, exist_ok=True)
        return NetworkRun(
            "segmenter-0", folder, stage, labels, organ, ("case_0",), validation, "cpu", "float32", 1234567, step
        )

    return make


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """An MSD-style folder of three patients."""
    root = tmp_path_factory.mktemp("monitored")
    entries = []
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir()
    for seed in range(3):
        hu, label = blob(seed)
        for folder, array in (("imagesTr", hu.astype(np.int16)), ("labelsTr", label)):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((2.0, 2.0, 3.0))
            sitk.WriteImage(image, str(root / folder / f"case_{seed}.nii.gz"))
        entries.append({"image": f"imagesTr/case_{seed}.nii.gz", "label": f"labelsTr/case_{seed}.nii.gz"})
    labels = {"0": "background", "1": "liver", "2": "pancreas"}
    (root / "dataset.json").write_text(json.dumps({"name": "blobs", "labels": labels, "training": entries}))
    return root


@pytest.fixture
def recipe_file(dataset, tmp_path):
    """A recipe of four steps, watched by everything there is."""
    stage = {
        "spacing_mm": [2.0, 2.0, 3.0],
        "patch_ijk": [24, 16, 16],
        "arguments": {
            "filters": [4, 8, 8],
            "kernel_size": [[3, 3, 3]] * 3,
            "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
            "norm": "instance",
            "deep_supervision": False,
        },
        "sampling": {"batch_size": 1},
        "optimizer": {"learning_rate": 0.01, "ema": 0.5},
        "steps": 4,
        "validate_every": 2,
    }
    content = {
        "name": "watched",
        "data": {
            "root": str(dataset),
            "cache": str(tmp_path / "cache"),
            "labels": list(LABELS),
            "split": {"kind": "holdout", "validation": ["case_1"]},
        },
        "fold": 0,
        "output": str(tmp_path / "runs"),
        "device": "cpu",
        "precision": "fp32",
        "monitor": {"log_every": 1, "tensorboard": True, "previews": 1, "preview_every": 1},
        "stages": {"segmenter": stage},
    }
    path = tmp_path / "watched.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
