"""Small datasets in the layout in which others publish them, with names and traps; every voxel is made up."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
from dicom_writer import write_series
from pydicom.uid import generate_uid

from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

SHAPE = (16, 40, 48)
SPACING = (1.6, 1.6, 3.0)
ORGANS = {"liver": 1, "pancreas": 2, "tumour": 3, "spleen": 4}
RAS = (-1, 0, 0, 0, -1, 0, 0, 0, 1)
"""Direction of a NIfTI file whose axes run to Right, Anterior, Superior."""


def little_abdomen(seed: int = 0, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> tuple[Volume, np.ndarray]:
    """Return a CT with a fat body, a spine and four organs in it, and their labels (:data:`ORGANS`)."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")

    def blob(centre, radii):
        return sum(((axis - c) / r) ** 2 for axis, c, r in zip((z, y, x), centre, radii, strict=True)) < 1

    hu = np.full(SHAPE, -1000.0)
    hu[blob((8, 20, 24), (99, rng.uniform(15.5, 19), rng.uniform(19, 23)))] = -95
    hu[blob((8, 31, 24), (99, 4, 4))] = 450
    for _ in range(4):  # bowel, which makes one patient look unlike another
        centre = (rng.uniform(1, 15), rng.uniform(6, 34), rng.choice((rng.uniform(8, 16), rng.uniform(32, 40))))
        hu[blob(centre, (3, 3.5, 4))] = rng.choice((-800, 25, 180))
    labels = np.zeros(SHAPE, np.uint8)
    labels[blob((9, 16, 12), (5, 8, 6))] = ORGANS["liver"]
    labels[blob((7 + rng.integers(0, 2), 15, 27 + rng.integers(-1, 2)), (3.5, 3.2, 7))] = ORGANS["pancreas"]
    labels[blob((3.5, 17, 21), (3, 3, 3))] = ORGANS["pancreas"]  # its head: no flip looks like another
    labels[blob((7.5, 15, 27), (1.6, 1.6, 2.2))] = ORGANS["tumour"]
    labels[blob((10, 24, 39), (3.5, 5, 3))] = ORGANS["spleen"]
    for value, level in ((1, 110), (2, 90), (3, 60), (4, 120)):
        hu[labels == value] = level
    hu += rng.normal(0, 8, SHAPE)
    geometry = Geometry(SHAPE[::-1], SPACING, (10.0, -20.0, 300.0), direction)
    return Volume(np.rint(hu).astype(np.int16), geometry), labels


def write_pair(image: Path, label: Path, seed: int, *, organ: str | None = None, **changes) -> None:
    """Write a CT and its label map, or 0/1 for one organ (pancreas with its tumour)."""
    ct, labels = little_abdomen(seed, **changes)
    write_volume(image, ct)
    write_mask(label, one_organ(labels, organ) if organ else labels, ct.geometry)


def one_organ(labels: np.ndarray, organ: str) -> np.ndarray:
    """Return 1 inside an organ, the tumour counted to the pancreas."""
    inside = labels == ORGANS[organ]
    return (inside | (labels == ORGANS["tumour"]) if organ == "pancreas" else inside).astype(np.uint8)


def mac_litter(folder: Path) -> None:
    """Put the ``._`` file beside every file of a folder, as macOS archives hold them."""
    for path in [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("._")]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\x05\x16\x07 not an image")


def write_nih(root: Path, numbers=(1, 2, 3), *, flip: str = "y", compressed: bool = False) -> Path:
    """Write DICOM with UUID names in shuffled order, the label archive flipped, and the two empty folders."""
    labels = root / "TCIA_pancreas_labels-02-05-2017"
    axes = {"x": 2, "y": 1, "z": 0}
    for number in numbers:
        ct, organs = little_abdomen(number)
        rng = np.random.default_rng(number)
        names = [f"{rng.integers(1 << 60):015x}.dcm" for _ in range(SHAPE[0])]
        folder = root / "Pancreas-CT" / f"PANCREAS_{number:04d}" / generate_uid() / generate_uid()
        paths = write_series(folder, ct.voxels, spacing=SPACING, name=lambda n, names=names: names[n])
        if compressed:
            for path in paths:
                compress_losslessly(path)
        mask = one_organ(organs, "pancreas")
        turned = np.flip(mask, [axes[letter] for letter in flip if letter in axes])
        write_mask(labels / f"label{number:04d}.nii.gz", turned, Geometry(SHAPE[::-1], SPACING, (0, 0, 0), RAS))
    for number in (25, 70):
        (root / "Pancreas-CT" / f"PANCREAS_{number:04d}").mkdir(parents=True)
    shutil.copy(labels / f"label{numbers[0]:04d}.nii.gz", labels / "label0070.nii.gz")
    return root


def compress_losslessly(path: Path) -> None:
    """Replace the pixels of a DICOM file by JPEG lossless (process 14, as old archives hold them)."""
    import SimpleITK as sitk

    ds = pydicom.dcmread(path)
    other = path.with_suffix(".jpeg-lossless")
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(other))
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(ds.pixel_array[None].astype(np.int16)))
    packed = pydicom.dcmread(other)
    ds.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    ds.PixelData = packed.PixelData
    ds["PixelData"].is_undefined_length = True
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = packed.BitsAllocated, packed.BitsStored, packed.HighBit
    ds.PixelRepresentation = packed.PixelRepresentation
    ds.save_as(path)
    other.unlink()


def write_ircadb(root: Path, patients=(1, 2), *, positions: bool = True) -> Path:
    """Write extensionless DICOM a patient and a structure; only the first patient has a pancreas and a tumour."""
    for number in patients:
        ct, labels = little_abdomen(number)
        folder = root / f"3Dircadb1.{number}"

        def name(n: int) -> str:
            return f"image_{SHAPE[0] - 1 - n}"  # numbered from the top down

        write_series(folder / "PATIENT_DICOM", ct.voxels, spacing=SPACING, name=name)
        structures = {"liver": (1,), "livertumor1": (3,), "livertumor2": (4,), "pancreas": (2, 3)}
        if number != patients[0]:
            structures = {"liver": (1,)}
        for structure, values in structures.items():
            mask = np.isin(labels, values).astype(np.int16) * 255

            def plain(n: int, ds: pydicom.Dataset) -> None:
                if not positions:
                    del ds.ImagePositionPatient

            place = folder / "MASKS_DICOM" / structure
            write_series(place, mask, spacing=SPACING, name=name, change=plain, rescale=lambda n: (1.0, 0.0))
        (folder / "MESHES_VTK").mkdir()
        (folder / "LABELLED_DICOM").mkdir()
    return root


def write_msd(root: Path, names=("pancreas_001", "pancreas_004"), modality: str = "CT") -> Path:
    """Write Task07_Pancreas with the ``._`` files of its archive, and one test image."""
    task = root / "Task07_Pancreas"
    values = {ORGANS["pancreas"]: 1, ORGANS["tumour"]: 2}
    for seed, name in enumerate(names):
        ct, labels = little_abdomen(seed, direction=RAS)
        own = sum((value * (labels == old) for old, value in values.items()), np.zeros(SHAPE, np.uint8))
        write_volume(task / "imagesTr" / f"{name}.nii.gz", ct)
        write_mask(task / "labelsTr" / f"{name}.nii.gz", own, ct.geometry)
    write_volume(task / "imagesTs" / "pancreas_002.nii.gz", little_abdomen(50)[0])
    content = {
        "name": "Pancreas",
        "description": "Pancreas and cancer",
        "reference": "Memorial Sloan Kettering Cancer Center",
        "licence": "CC-BY-SA 4.0",
        "release": "1.0 04/05/2018",
        "tensorImageSize": "3D",
        "modality": {"0": modality},
        "labels": {"0": "background", "1": "pancreas", "2": "cancer"},
        "numTraining": len(names),
        "numTest": 1,
        "training": [
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names
        ],
        "test": ["./imagesTs/pancreas_002.nii.gz"],
    }
    (task / "dataset.json").write_text(json.dumps(content))
    mac_litter(task)
    return task


def write_flare22(root: Path) -> Path:
    """Write two labelled cases, and an image without a label."""
    folder = root / "FLARE22_LabeledCase50"
    for number in (1, 2):
        ct, labels = little_abdomen(number, RAS)
        own = np.select([labels == 1, np.isin(labels, (2, 3)), labels == 4], [1, 4, 3], 0).astype(np.uint8)
        write_volume(folder / "images" / f"FLARE22_Tr_{number:04d}_0000.nii.gz", ct)
        write_mask(folder / "labels" / f"FLARE22_Tr_{number:04d}.nii.gz", own, ct.geometry)
    write_volume(folder / "images" / "FLARE22_Tr_0003_0000.nii.gz", little_abdomen(3)[0])
    return root


def write_btcv(root: Path) -> Path:
    """Write the training part as Synapse's archive unpacks, with a label whose CT is not there."""
    folder = root / "RawData" / "Training"
    for number in (1, 2, 21):
        ct, labels = little_abdomen(number, RAS)
        own = np.select([labels == 1, np.isin(labels, (2, 3)), labels == 4], [6, 11, 1], 0).astype(np.uint8)
        write_volume(folder / "img" / f"img{number:04d}.nii.gz", ct)
        write_mask(folder / "label" / f"label{number:04d}.nii.gz", own, ct.geometry)
    (folder / "img" / "img0021.nii.gz").unlink()
    return root


def write_amos22(root: Path) -> Path:
    """Write CT and MR in one folder (MR from 500 on), with validation and without a label for the test image."""
    folder = root / "amos22"
    for part, number in (("Tr", 1), ("Tr", 410), ("Va", 22), ("Tr", 500), ("Va", 591)):
        ct, labels = little_abdomen(number, RAS)
        if number >= 500:
            ct = Volume(np.abs(ct.voxels), ct.geometry)
        own = np.select([labels == 1, np.isin(labels, (2, 3)), labels == 4], [6, 10, 1], 0).astype(np.uint8)
        write_volume(folder / f"images{part}" / f"amos_{number:04d}.nii.gz", ct)
        write_mask(folder / f"labels{part}" / f"amos_{number:04d}.nii.gz", own, ct.geometry)
    write_volume(folder / "imagesTr" / "amos_0007.nii.gz", little_abdomen(7)[0])
    return root


def write_totalsegmentator(root: Path) -> Path:
    """Write scans with a file a structure, most of them empty, and one scan that is MR."""
    names = {"liver": (1,), "pancreas": (2, 3), "spleen": (4,), "kidney_left": (), "kidney_right": ()}
    for scan in ("s0000", "s0004"):
        ct, labels = little_abdomen(int(scan[1:]), RAS)
        write_volume(root / scan / "ct.nii.gz", ct)
        for name, values in names.items():
            mask = np.isin(labels, values).astype(np.uint8)
            write_mask(root / scan / "segmentations" / f"{name}.nii.gz", mask, ct.geometry)
    write_volume(root / "s0009" / "mri.nii.gz", little_abdomen(9)[0])
    (root / "s0009" / "segmentations").mkdir()
    (root / "meta.csv").write_text("image_id;age;gender\ns0000;60;m\n")
    mac_litter(root)
    return root


def write_nnunet(root: Path, channels=None, labels=None) -> Path:
    """Write nnU-Net's raw format, version 2."""
    folder = root / "Dataset017_Abdomen"
    channels = channels or {"0": "CT"}
    for seed in (0, 1):
        ct, organs = little_abdomen(seed, RAS)
        for channel in channels:
            write_volume(folder / "imagesTr" / f"abd_{seed:03d}_{int(channel):04d}.nii.gz", ct)
        write_mask(folder / "labelsTr" / f"abd_{seed:03d}.nii.gz", organs, ct.geometry)
    content = {
        "channel_names": channels,
        "labels": labels or {"background": 0, "liver": 1, "pancreas": [2, 3], "tumour": 3, "spleen": 4},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def write_folder(root: Path) -> Path:
    """Write one's own pairs: images and masks with the same names."""
    for seed, name in enumerate(("first", "second")):
        write_pair(
            root / "images" / f"{name}_ct.nii.gz", root / "masks" / f"{name}_mask.nii.gz", seed, organ="pancreas"
        )
    return root


def write_list(root: Path, delimiter: str = ",") -> Path:
    """Write a CSV file of pairs, two of them of one patient."""
    write_folder(root)
    rows = [
        ["Image", "Label", "case", "patient"],
        ["images/first_ct.nii.gz", "masks/first_mask.nii.gz", "A1", "A"],
        ["images/second_ct.nii.gz", "masks/second_mask.nii.gz", "A2", "A"],
    ]
    with (root / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return root / "cases.csv"
