"""Abdomens that the whole cascade can segment: as a model was trained on them, and as it meets them later."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import yaml

from PancreasSegLib.data import TrainingCase, save_training_case
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks
from PancreasSegLib.volume import Geometry, Volume

LIVER, PANCREAS = 1, 2
FIRST_LOOK, LATER_LOOK = 190, 60
"""HU of the pancreas: in the first training, and in another contrast phase. The liver is 110, the body 20."""


def abdomen(seed: int, pancreas_hu: int = FIRST_LOOK) -> tuple[Volume, np.ndarray]:
    """Return HU and labels of a body of 32 x 24 x 20 cm with a liver and a pancreas somewhere in it."""
    geometry = Geometry((80, 60, 40), (4.0, 4.0, 5.0), (-160.0, -120.0, 0.0))
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in geometry.shape_zyx), indexing="ij")
    mm = np.stack([x * 4.0 - 158, y * 4.0 - 118, z * 5.0 - 97], -1)

    def ellipsoid(centre, radii):
        return (((mm - np.asarray(centre)) / np.asarray(radii)) ** 2).sum(-1) < 1

    move = rng.uniform(-12, 12, 3)
    labels = np.zeros(geometry.shape_zyx, np.uint8)
    labels[ellipsoid((-75, -10, 10), (45, 60, 50))] = LIVER
    labels[ellipsoid(np.array((30, 0, 0)) + move, (55, 18, 22))] = PANCREAS
    hu = np.where((mm[..., 0] / 150) ** 2 + (mm[..., 1] / 108) ** 2 < 1, 20, -1000).astype(float)
    hu[labels == LIVER] = 110
    hu[labels == PANCREAS] = pancreas_hu
    return Volume((hu + rng.normal(0, 6, hu.shape)).astype(np.int16), geometry), labels


def write_base(root: Path, seeds=range(4)) -> Path:
    """Write a folder of cases with both organs, in the first look."""
    entries = []
    for seed in seeds:
        ct, labels = abdomen(seed)
        write_volume(root / "imagesTr" / f"base_{seed}.nii.gz", ct)
        write_mask(root / "labelsTr" / f"base_{seed}.nii.gz", labels, ct.geometry)
        entries.append({"image": f"imagesTr/base_{seed}.nii.gz", "label": f"labelsTr/base_{seed}.nii.gz"})
    content = {"name": "base", "labels": {"0": "background", "1": "liver", "2": "pancreas"}, "training": entries}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def write_corrected(root: Path, seeds=range(10, 13), pancreas_hu: int = LATER_LOOK) -> Path:
    """Save cases that were read for the pancreas alone."""
    for seed in seeds:
        ct, labels = abdomen(seed, pancreas_hu)
        save_training_case(root, TrainingCase(ct, (labels == PANCREAS).astype(np.uint8), reader="R"))
    return root


def train_start(base: Path, folder: Path) -> Path:
    """Train a small model of two members on the base cases and return its package."""
    content = {
        "name": "start",
        "version": "3",
        "description": "A model for tests.",
        "licence": "Apache-2.0",
        "sources": [{"name": "generated", "licence": "CC0"}],
        "data": {"root": str(base), "cache": str(folder / "cache"), "labels": ["liver", "pancreas"], "folds": 2},
        "output": str(folder / "runs"),
        "device": "cpu",
        "precision": "fp32",
        "monitor": {"curves": False},
        "stages": {
            "segmenter": {
                "spacing_mm": [4.0, 4.0, 5.0],
                "patch_ijk": [32, 24, 16],
                "members": 2,
                "arguments": {
                    "filters": [8, 16, 16],
                    "kernel_size": [[3, 3, 3]] * 3,
                    "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2]],
                    "norm": "instance",
                    "deep_supervision": True,
                },
                "sampling": {"batch_size": 1, "organ_share": 0.6, "label_share": 0.2},
                "augmentation": {"phase_probability": 0.0, "intensity_probability": 0.0, "gamma_probability": 0.0},
                "optimizer": {"learning_rate": 0.01, "ema": 0.95},
                "steps": 40,
                "validate_every": 1000,
            }
        },
    }
    path = folder / "start.yaml"
    path.write_text(yaml.safe_dump(content))
    recipe = load_recipe(path)
    train_networks(recipe)
    return export_run(recipe)
