"""The page of commands from the raw NIH download to a model in the panel's list, run on a made-up download."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dicom_writer import write_series
from pydicom.uid import generate_uid
from source_trees import RAS

from PancreasSegLib.cli.app import run
from PancreasSegLib.data import read_provenance
from PancreasSegLib.io import read_labels, write_mask, write_volume
from PancreasSegLib.models import find_package
from PancreasSegLib.volume import Geometry, Volume

SIZE, SPACING = (64, 48, 32), (5.0, 5.0, 6.0)
ORGANS = {
    "liver": ((-75, -10, 10), (45, 60, 50), 110),
    "spleen": ((85, 30, 15), (28, 40, 40), 150),
    "spine": ((0, 75, 0), (18, 18, 300), 450),
    "pancreas": ((30, -25, -6), (50, 18, 22), 190),
}
TINY = [
    "spacing_mm=[5,5,6]",
    "patch_ijk=[48,32,16]",
    "augmentation.phase_probability=0",
    "augmentation.intensity_probability=0",
    "augmentation.gamma_probability=0",
    "optimizer.learning_rate=0.02",
    "optimizer.schedule=constant",
    "optimizer.ema=0.9",
    "sampling.batch_size=1",
    "arguments={filters: [8, 16, 16], strides: [[1, 2, 2], 2, 2], norm: instance}",
    "epochs=2",
    "steps_per_epoch=40",
    "validate_every=40",
]


def patient(seed: int) -> tuple[Volume, np.ndarray]:
    """Return a CT of a body of fat with four organs, and the pancreas."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in SIZE[::-1]), indexing="ij")
    mm = np.stack([x * 5.0 - 157.5, y * 5.0 - 117.5, z * 6.0 - 93], -1)
    hu = np.where((mm[..., 0] / 150) ** 2 + (mm[..., 1] / 108) ** 2 < 1, -95.0, -1000.0)
    move, pancreas = rng.uniform(-8, 8, 3), np.zeros(SIZE[::-1], bool)
    for name, (centre, radii, value) in ORGANS.items():
        inside = (((mm - np.asarray(centre) - move) / np.asarray(radii)) ** 2).sum(-1) < 1
        hu[inside] = value
        if name == "pancreas":
            pancreas = inside
    hu += rng.normal(0, 6, hu.shape)
    return Volume(np.rint(hu).astype(np.int16), Geometry(SIZE, SPACING, (-157.5, -117.5, 0.0))), pancreas


def write_download(root, patients: int) -> None:
    """Write DICOM under random names and the label archive, flipped in y."""
    for number in range(1, patients + 1):
        ct, pancreas = patient(number)
        names = [f"{generate_uid()}.dcm" for _ in range(SIZE[2])]
        folder = root / f"PANCREAS_{number:04d}" / generate_uid() / generate_uid()
        write_series(folder, ct.voxels, spacing=SPACING, origin=(-157.5, -117.5, 0.0), name=names.__getitem__)
        label = root / "TCIA_pancreas_labels-02-05-2017" / f"label{number:04d}.nii.gz"
        write_mask(label, pancreas[:, ::-1], Geometry(SIZE, SPACING, (0.0, 0.0, 0.0), RAS))
    (root / "PANCREAS_0025").mkdir()


@pytest.mark.slow
def test_from_the_raw_download_to_a_model_in_the_list(tmp_path, capsys):
    download, dataset, runs = tmp_path / "Pancreas-CT-download", tmp_path / "nih", tmp_path / "runs"
    write_download(download, 5)

    def pancreasseg(*words) -> str:
        assert run([str(word) for word in words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    assert "PANCREAS_0005" in pancreasseg("data", "inspect", "nih", download, "--list")
    pancreasseg("data", "prepare", "nih", download, dataset)
    records = read_provenance(dataset)
    assert {record.source["label_flip"] for record in records.values()} == {"y"}
    pancreasseg("data", "split", dataset, "--validation", 1, "--test", 1)
    test = json.loads((dataset / "splits.json").read_text())["test"]
    places = [f"data.root={dataset}", f"data.cache={tmp_path / 'cache'}", f"output={runs}"]
    tiny = [f"stages.segmenter.{setting}" for setting in TINY]
    split = "data.split={kind: file, file: splits.json}"
    pancreasseg("train", "nih-hu-unet3d", *places, split, *tiny, "device=cpu", "precision=fp32")
    package = runs / "nih-hu-unet3d" / "fold-0" / "package"
    scores = tmp_path / "scores"
    pancreasseg("evaluate", dataset, "--model", package, "--cases", test[0], "-o", scores, "--device", "cpu")
    assert list(scores.rglob("cases.csv"))
    pancreasseg("models", "add", package)
    assert find_package("nih-hu-unet3d-fold-0").organ == "pancreas"
    ct, pancreas = patient(99)
    write_volume(tmp_path / "ct.nii.gz", ct)
    mask = tmp_path / "pancreas.nii.gz"
    pancreasseg(
        "segment", tmp_path / "ct.nii.gz", "--model", "nih-hu-unet3d-fold-0", "-o", mask, "--device", "cpu"
    )
    found = read_labels(mask).voxels > 0
    # The label was the right way round: a model of flipped labels finds nothing here.
    assert 2 * (found & pancreas).sum() / (found.sum() + pancreas.sum()) > 0.7
