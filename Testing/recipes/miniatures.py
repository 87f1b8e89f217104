"""Tiny datasets in the form that ``pancreasseg data prepare`` writes: abdomens of a few ellipsoids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

ORGANS = {
    "liver": ((-75, -10, 10), (45, 60, 50), 110),
    "spleen": ((85, 30, 15), (28, 40, 40), 150),
    "right kidney": ((-55, 60, -40), (25, 22, 40), 230),
    "left kidney": ((60, 60, -40), (25, 22, 40), 230),
    "aorta": ((8, 55, 0), (14, 14, 200), 270),
    "stomach": ((55, -45, 25), (35, 25, 35), 60),
    "pancreas": ((30, 0, 0), (55, 18, 22), 190),
}
"""Centre and radii in mm from the middle of the body, and HU."""


def abdomen(seed: int, labelled: dict[str, int]) -> tuple[Volume, np.ndarray]:
    """Return HU and labels of a body of 32 x 24 x 19 cm with all organs, labelled where a value is given."""
    geometry = Geometry((64, 48, 32), (5.0, 5.0, 6.0), (-157.5, -117.5, 0.0))
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in geometry.shape_zyx), indexing="ij")
    mm = np.stack([x * 5.0 - 157.5, y * 5.0 - 117.5, z * 6.0 - 93], -1)
    move = rng.uniform(-8, 8, 3)
    labels = np.zeros(geometry.shape_zyx, np.uint8)
    hu = np.where((mm[..., 0] / 150) ** 2 + (mm[..., 1] / 108) ** 2 < 1, 20.0, -1000.0)
    for name, (centre, radii, value) in ORGANS.items():
        inside = (((mm - np.asarray(centre) - move) / np.asarray(radii)) ** 2).sum(-1) < 1
        labels[inside], hu[inside] = labelled.get(name, 0), value
    return Volume((hu + rng.normal(0, 6, hu.shape)).astype(np.int16), geometry), labels


def write_dataset(root: Path, name: str, labels: tuple[str, ...], patients: int) -> Path:
    """Write a dataset whose labels are these in their order; those that no organ has are in no case."""
    values = {organ: index for index, organ in enumerate(labels, 1)}
    entries = []
    for number in range(patients):
        case = f"{name}_{number:03d}"
        ct, mask = abdomen(number, values)
        write_volume(root / "imagesTr" / f"{case}.nii.gz", ct)
        write_mask(root / "labelsTr" / f"{case}.nii.gz", mask, ct.geometry, labels=values)
        entries.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
    content = {
        "name": name,
        "labels": {"0": "background"} | {str(value): organ for organ, value in values.items()},
        "training": entries,
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root
