"""No file that a user may meet ends, hangs or fills the process that reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_writer import body, write_series
from hostile_headers import DATA, META, NRRD, VOXELS, crafted_files

from PancreasSegLib.io import read_volume, write_volume
from PancreasSegLib.io.image_file import read_values
from PancreasSegLib.volume import Geometry, Volume

CHILD = Path(__file__).with_name("read_in_child.py")
SLOW_S = 20.0  # beside other processes; alone the slowest takes 1.4 s
ROUNDS = 2000


def outcomes(paths: Sequence[Path]) -> tuple[Counter[str], list[str], float]:
    """Read files in child processes; count what became of them, and say what must not."""
    counts: Counter[str] = Counter()
    wrong, most_mb, done = [], 0.0, 0
    while done < len(paths):
        child = subprocess.run(
            [sys.executable, CHILD],
            input="\n".join(map(str, paths[done:])) + "\n",
            capture_output=True,
            encoding="utf-8",
            timeout=600,
        )
        lines = child.stdout.splitlines()
        for path, line in zip(paths[done:], lines, strict=False):
            said, seconds, kilobytes = line.split("\t")
            most_mb = max(most_mb, float(kilobytes) / 1024)
            counts[said if said in ("read", "refused") else "another error"] += 1
            if said not in ("read", "refused") or float(seconds) > SLOW_S:
                wrong.append(f"{path.name}: {said} after {seconds} s")
        done += len(lines)
        if done < len(paths):
            counts["crashed"] += 1
            wrong.append(f"{paths[done].name}: the process ended with {child.returncode}")
            done += 1
    return counts, wrong, most_mb


def test_crafted_headers_are_refused_and_harm_nobody(tmp_path, record_property):
    """ITK 5.4 ended 55 of 232 such processes."""
    paths = crafted_files(tmp_path)
    counts, wrong, most_mb = outcomes(paths)
    record_property("counts", f"{len(paths)} crafted files: {dict(counts)}, at most {most_mb:.0f} MB")
    assert not wrong
    assert most_mb < 700


def mutants(folder: Path, count: int) -> list[Path]:
    """Change bytes, cut, or repeat parts of sound files of every format."""
    rng = np.random.default_rng(16)
    volume = Volume(body(), Geometry((32, 24, 12), (0.8, 0.7, 2.5)))
    sound = []
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha"):
        write_volume(folder / name, volume)
        sound.append(folder / name)
    sitk.WriteImage(sitk.GetImageFromArray(body()), str(folder / "raw.nrrd"), useCompression=False)
    sitk.WriteImage(sitk.GetImageFromArray(body()), str(folder / "raw.mha"), useCompression=False)
    sound += [folder / "raw.nrrd", folder / "raw.mha", write_series(folder / "dicom", body())[0]]
    made = []
    for number in range(count):
        source = sound[number % len(sound)]
        raw = bytearray(source.read_bytes())
        head = min(len(raw), 600)
        for _ in range(int(rng.integers(1, 12))):
            at = int(rng.integers(0, head if rng.random() < 0.8 else len(raw)))
            raw[at] = int(rng.integers(0, 256)) if rng.random() < 0.7 else raw[int(rng.integers(0, head))]
        if rng.random() < 0.1:
            raw = raw[: int(rng.integers(1, len(raw)))]
        if rng.random() < 0.1:
            at = int(rng.integers(0, head))
            raw[at:at] = raw[: int(rng.integers(1, 2000))]
        place = folder / "mutants" / f"{number:05d}"
        place.mkdir(parents=True)
        made.append(place / source.name)
        made[-1].write_bytes(raw)
    return made


def test_some_mutants_harm_nobody(tmp_path):
    counts, wrong, _ = outcomes(mutants(tmp_path, 140))
    assert not wrong
    assert counts["refused"] > 20 and counts["read"] > 20


@pytest.mark.slow
def test_many_mutants_harm_nobody(tmp_path, record_property):
    counts, wrong, most_mb = outcomes(mutants(tmp_path, ROUNDS))
    record_property("counts", f"{ROUNDS} mutants: {dict(counts)}, at most {most_mb:.0f} MB")
    assert not wrong


def test_pipes_and_devices_are_no_scans(tmp_path):
    paths = []
    for name in ("ct.nii.gz", "ct.nrrd", "ct.dcm", "ct.zip", "ct"):
        paths += [tmp_path / f"pipe-{name}", tmp_path / f"device-{name}"]
        os.mkfifo(paths[-2])
        paths[-1].symlink_to("/dev/zero")
    counts, wrong, _ = outcomes(paths)
    assert counts == {"refused": 10} and not wrong


@pytest.mark.parametrize("pixel", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("extension", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_read_as_itk_reads(tmp_path, pixel, extension, compressed):
    turn = np.array([[0.0, -1.0, 0.0], [0.8, 0.0, -0.6], [0.6, 0.0, 0.8]])
    image = sitk.GetImageFromArray(np.abs(body()).astype(pixel))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-100.5, 20.25, -700.0))
    image.SetDirection(turn.ravel())
    path = tmp_path / f"x{extension}"
    sitk.WriteImage(image, str(path), useCompression=compressed)
    found, expected = read_values(path), sitk.ReadImage(str(path))
    assert np.array_equal(found.voxels, sitk.GetArrayFromImage(expected).astype(found.voxels.dtype))
    assert found.voxels.dtype == (np.float32 if pixel == np.float64 else pixel)
    assert found.geometry.spacing_mm == pytest.approx(expected.GetSpacing())
    assert found.geometry.origin_lps == pytest.approx(expected.GetOrigin())
    assert found.geometry.direction_lps == pytest.approx(expected.GetDirection(), abs=1e-6)


SPACE = "space: {}\nspace directions: (0.7,0,0) (0,0.6,-0.8) (0,1.6,1.2)\nspace origin: (5,6,7)\n"
HEADERS = {
    "ras.nrrd": NRRD.replace("spacings: 1 1 2\n", SPACE.format("right-anterior-superior")),
    "las.nrrd": NRRD.replace("spacings: 1 1 2\n", SPACE.format("LAS")),
    "lps.nrrd": NRRD.replace("spacings: 1 1 2\n", SPACE.format("left-posterior-superior")),
    "big.nrrd": NRRD.replace("little", "big"),
    "plain.nrrd": NRRD,
    "skip.nrrd": NRRD + "byte skip: 24\n",
    "end.nrrd": NRRD + "byte skip: -1\n",
    "lines.nrrd": NRRD + "line skip: 2\n",
    "text.nrrd": NRRD.replace("raw", "ascii"),
    "plain.mha": META,
    "big.mha": META.replace("BinaryData =", "BinaryDataByteOrderMSB = True\nBinaryData ="),
    "text.mha": META.replace("BinaryData = True", "BinaryData = False"),
    "rotation.mha": META.replace("BinaryData", "Rotation = 0 1 0 0 0 1 1 0 0\nPosition = 1 2 3\nBinaryData"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_itk_knows_too(tmp_path, name):
    path = tmp_path / name
    data = {"skip.nrrd": bytes(24) + DATA, "end.nrrd": b"more before" + DATA, "lines.nrrd": b"a\nb\n" + DATA}.get(
        name, DATA
    )
    if name.startswith("text"):
        data = " ".join(map(str, VOXELS.ravel())).encode() + b"\n"
    path.write_bytes(HEADERS[name].encode() + (b"\n" if name.endswith("nrrd") else b"") + data)
    found, expected = read_values(path), sitk.ReadImage(str(path))
    assert np.array_equal(found.voxels, sitk.GetArrayFromImage(expected))
    assert found.geometry.spacing_mm == pytest.approx(expected.GetSpacing())
    assert found.geometry.origin_lps == pytest.approx(expected.GetOrigin())
    assert found.geometry.direction_lps == pytest.approx(expected.GetDirection(), abs=1e-6)


@pytest.mark.parametrize("listed", ["LIST", "slice%03d.raw 0 11 1"])
@pytest.mark.parametrize("extension", [".nhdr", ".mhd"])
def test_a_file_a_slice(tmp_path, listed, extension):
    names = [f"slice{number:03d}.raw" for number in range(12)]
    for name, plane in zip(names, VOXELS, strict=True):
        (tmp_path / name).write_bytes(plane.tobytes())
    lines = "\n".join(names) + "\n" if listed == "LIST" else ""
    nrrd, metaimage = f"{NRRD}data file: {listed}\n{lines}", META.replace("LOCAL", listed) + lines
    (tmp_path / f"x{extension}").write_text(nrrd if extension == ".nhdr" else metaimage)
    assert np.array_equal(read_values(tmp_path / f"x{extension}").voxels, VOXELS)


def test_a_sound_file_is_read_as_a_ct(tmp_path):
    write_volume(tmp_path / "a.nrrd", Volume(body(), Geometry((32, 24, 12), (0.8, 0.7, 2.5))))
    assert np.array_equal(read_volume(tmp_path / "a.nrrd").voxels, body())
