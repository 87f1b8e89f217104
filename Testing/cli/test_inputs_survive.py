"""Whatever the output is called, no file that was read is written over."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from bright_model import make_abdomen

from PancreasSegLib.cli.app import run
from PancreasSegLib.cli.output_files import OutputFiles
from PancreasSegLib.io import write_volume

sys.path.append(str(Path(__file__).parents[1] / "io"))
from dicom_writer import write_series

VOLUME = make_abdomen()[0]


def a_dicom_folder(place: Path) -> tuple[Path, Path]:
    paths = write_series(place / "series", VOLUME.voxels, spacing=VOLUME.geometry.spacing_mm)
    return place / "series", paths[3]


def a_dicom_file_and_another_slice(place: Path) -> tuple[Path, Path]:
    paths = write_series(place / "series", VOLUME.voxels, spacing=VOLUME.geometry.spacing_mm)
    return paths[0], paths[5]


def a_slice_of_another_series(place: Path) -> tuple[Path, Path]:
    paths = write_series(place / "other", VOLUME.voxels[:9])
    return a_dicom_folder(place)[0], paths[2]


def a_header_and_its_voxels(place: Path) -> tuple[Path, Path]:
    image = sitk.GetImageFromArray(VOLUME.voxels)
    image.SetSpacing(VOLUME.geometry.spacing_mm)
    sitk.WriteImage(image, str(place / "x.mhd"))
    (place / "x.raw").rename(place / "x.mha")
    header = (place / "x.mhd").read_text().replace("x.raw", "x.mha")
    (place / "x.mhd").write_text(header)
    return place / "x.mhd", place / "x.mha"


def a_nrrd_header_and_its_voxels(place: Path) -> tuple[Path, Path]:
    image = sitk.GetImageFromArray(VOLUME.voxels)
    image.SetSpacing(VOLUME.geometry.spacing_mm)
    sitk.WriteImage(image, str(place / "x.nhdr"))
    (place / "x.raw").rename(place / "x.nrrd")
    header = (place / "x.nhdr").read_text().replace("x.raw", "x.nrrd")
    (place / "x.nhdr").write_text(header)
    return place / "x.nhdr", place / "x.nrrd"


def the_file_itself(place: Path) -> tuple[Path, Path]:
    write_volume(place / "x.nii.gz", VOLUME)
    return place / "x.nii.gz", place / "x.nii.gz"


def a_hard_link(place: Path) -> tuple[Path, Path]:
    source, _ = the_file_itself(place)
    os.link(source, place / "y.nii.gz")
    return source, place / "y.nii.gz"


def a_link_to_it(place: Path) -> tuple[Path, Path]:
    source, _ = the_file_itself(place)
    (place / "y.nii.gz").symlink_to(source)
    return source, place / "y.nii.gz"


def a_link_to_its_folder(place: Path) -> tuple[Path, Path]:
    (place / "scans").mkdir()
    source, _ = the_file_itself(place / "scans")
    (place / "alias").symlink_to(place / "scans")
    return source, place / "alias" / source.name


@pytest.mark.parametrize(
    "make",
    [
        a_dicom_folder,
        a_dicom_file_and_another_slice,
        a_slice_of_another_series,
        a_header_and_its_voxels,
        a_nrrd_header_and_its_voxels,
        the_file_itself,
        a_hard_link,
        a_link_to_it,
        a_link_to_its_folder,
    ],
    ids=lambda make: make.__name__,
)
@pytest.mark.parametrize("command", ["segment", "roi"])
def test_the_input_is_not_the_output(tmp_path, bright, make, command, capsys):
    source, output = make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    options = ["--model", str(bright), "--device", "cpu"] if command == "segment" else []
    assert run([command, str(source), "--output", str(output), *options]) == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "Choose another name" in " ".join(capsys.readouterr().err.split())


def test_two_outputs_that_many_disks_take_for_one(tmp_path):
    files = OutputFiles(tmp_path / "Mask.nii.gz", probability=tmp_path / "mask.nii.gz")
    with pytest.raises(Exception, match="same file"):
        files.check(tmp_path / "ct.nii.gz")


def test_a_report_names_its_mask_and_a_torn_pair_is_done_again(tmp_path, abdomen, bright):
    """A kill between two renames leaves a new report beside an old mask: the next run of the folder says so."""
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    (scans / "a.nii.gz").write_bytes(abdomen.read_bytes())
    command = ["segment", str(scans), "--output", str(out), "--report", str(out), "--picture", str(out)]
    command += ["--model", str(bright), "--device", "cpu"]
    assert run(command) == 0
    (mask,), (report,), (picture,) = (list(out.glob(f"*{end}")) for end in (".nii.gz", ".json", ".png"))
    said = json.loads(report.read_text())["files_sha256"]
    assert said["output"] == hashlib.sha256(mask.read_bytes()).hexdigest()
    assert said["picture"] == hashlib.sha256(picture.read_bytes()).hexdigest()
    whole, at = mask.read_bytes(), mask.stat().st_mtime_ns
    assert run(command) == 0
    assert mask.stat().st_mtime_ns == at, "what is done is not done again"
    mask.write_bytes(whole[:-40] + bytes(40))  # of another run
    assert run(command) == 0
    assert mask.read_bytes() == whole
    picture.unlink()
    assert run(command) == 0
    assert picture.exists() and np.any(mask.stat().st_mtime_ns > at)
