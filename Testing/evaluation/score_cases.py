"""Scores, scans and models made for the tests of evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from PancreasSegLib.evaluation import CaseScore
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

GRID = Geometry((24, 20, 16), (1.0, 1.0, 2.0), (-12.0, -10.0, 5.0))
ORGANS = {"liver": 1, "pancreas": 2}


def score(case: str, dice: float, **fields) -> CaseScore:
    """A score with a Dice, and all else plausible."""
    values = {
        "nsd_1mm": dice / 2,
        "nsd_2mm": dice * 0.9,
        "nsd_3mm": dice * 0.95,
        "nsd_5mm": min(1.0, dice * 1.05),
        "hd95_mm": 20 * (1 - dice),
        "volume_ml": 80.0,
        "reference_ml": 75.0,
    }
    return CaseScore(case, dice, **(values | fields))


def block(organ: str, shift: int = 0) -> np.ndarray:
    """A box for each organ, moved to the Left by whole voxels."""
    mask = np.zeros(GRID.shape_zyx, bool)
    if organ == "liver":
        mask[3:12, 4:16, 1 + shift : 9 + shift] = True
    else:
        mask[4:10, 6:13, 12 + shift : 19 + shift] = True
    return mask


def labels(shift: int = 0, values: dict[str, int] = ORGANS) -> np.ndarray:
    """Both organs as a label map."""
    found = np.zeros(GRID.shape_zyx, np.uint8)
    for organ, value in values.items():
        found[block(organ, shift)] = value
    return found


def ct() -> Volume:
    """HU to which the organs belong."""
    rng = np.random.default_rng(0)
    voxels = np.full(GRID.shape_zyx, -80.0)
    voxels[block("liver")], voxels[block("pancreas")] = 110, 90
    return Volume((voxels + rng.normal(0, 5, voxels.shape)).astype(np.int16), GRID)


def write_dataset(root: Path, names=("a", "b", "c")) -> Path:
    """An MSD-style folder in which all cases are alike."""
    entries = []
    for name in names:
        write_volume(root / "imagesTr" / f"{name}.nii.gz", ct())
        write_mask(root / "labelsTr" / f"{name}.nii.gz", labels(), GRID)
        entries.append({"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"})
    content = {
        "name": "boxes",
        "labels": {"0": "background"} | {str(value): organ for organ, value in ORGANS.items()},
        "training": entries,
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def write_predictions(folder: Path, names=("a", "b", "c"), form: str = "{}.nii.gz", **options) -> Path:
    """A label map a case; each next case is one voxel further off."""
    for number, name in enumerate(names):
        write_mask(folder / form.format(name), labels(shift=number, **options), GRID, labels=ORGANS)
    return folder
