"""Bad input: one sentence on stderr, exit status 2, and a folder that is as it was before."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile import can_drop_root, run_cli, snapshot, write_nifti

from PancreasSegLib.cli.app import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and limits")

SHAPE = (24, 40, 40)
RNG = np.random.default_rng(1)


def body(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return a CT-like block of soft tissue in air."""
    voxels = np.full(shape, -1000, np.int16)
    voxels[..., 8:32, 8:32] = 40
    return voxels + RNG.integers(-9, 9, shape).astype(np.int16)


def text_file(folder: Path) -> Path:
    path = folder / "text.nii.gz"
    path.write_text("This is no image.\n")
    return path


def truncated(folder: Path) -> Path:
    path = write_nifti(folder / "whole.nii.gz", body())
    cut = folder / "cut.nii.gz"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    path.unlink()
    return cut


def empty_file(folder: Path) -> Path:
    path = folder / "empty.nii.gz"
    path.touch()
    return path


def not_a_number(folder: Path) -> Path:
    voxels = body().astype(np.float32)
    voxels[:, 10:30, 10:20] = np.nan
    return write_nifti(folder / "nan.nii.gz", voxels)


def magnetic(folder: Path) -> Path:
    voxels = np.abs(RNG.normal(0, 12, SHAPE))
    voxels[:, 6:34, 6:34] = RNG.gamma(8, 60, (24, 28, 28))
    return write_nifti(folder / "mr.nii.gz", voxels.astype(np.int16))


def zipped_text(folder: Path) -> Path:
    path = folder / "zipped.nii.gz"
    path.write_bytes(gzip.compress(b"no image either" * 100))
    return path


def empty_folder(folder: Path) -> Path:
    path = folder / "nothing"
    path.mkdir()
    (path / "readme.txt").write_text("no scans here")
    return path


BAD = {
    "text": (text_file, "text.nii.gz"),
    "truncated": (truncated, "cut.nii.gz"),
    "empty": (empty_file, "is empty"),
    "zipped text": (zipped_text, "zipped.nii.gz"),
    "NaN": (not_a_number, "not numbers|NaN|infinite"),
    "2D": (lambda folder: write_nifti(folder / "2d.nii.gz", body((40, 40))), "2d.nii.gz"),
    "4D": (lambda folder: write_nifti(folder / "4d.nii.gz", body((3, *SHAPE))), "4"),
    "one slice": (lambda folder: write_nifti(folder / "one.nii.gz", body((1, 40, 40))), "slice"),
    "MR": (magnetic, "CT"),
    "missing": (lambda folder: folder / "missing.nii.gz", "does not exist"),
    "folder without scans": (empty_folder, "nothing"),
    "too long a name": (lambda folder: folder / ("x" * 300 + ".nii.gz"), "too long"),
    "not ASCII": (lambda folder: folder / "поджелудочная железа 膵臓.nii.gz", "поджелудочная железа 膵臓"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(tmp_path, name, capfd):
    make, part = BAD[name]
    source = make(tmp_path)
    before = snapshot(tmp_path)
    status = run(["segment", str(source), "-o", str(tmp_path / "m.nii.gz"), "--picture", str(tmp_path / "p.png")])
    out, err = capfd.readouterr()
    assert status == 2, err
    assert out == ""
    assert re.search(part, err), err
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    assert snapshot(tmp_path) == before


def test_the_same_in_a_process_of_its_own(tmp_path):
    make, part = BAD["truncated"]
    source = make(tmp_path)
    before = snapshot(tmp_path)
    answer = run_cli("segment", source, "-o", tmp_path / "m.nii.gz", cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout == ""
    assert re.search(part, answer.stderr), answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert snapshot(tmp_path) == before


BAD_OPTIONS = {
    ("--roi", "5:5,0:9,0:9"): "empty",
    ("--roi", "left"): "not understood",
    ("-o", "m.xyz"): "m.xyz",
    ("-o", "ct.nii.gz"): "is the input itself",
    ("-o", "m.nii.gz", "--report", "r.txt"): "r.txt",
    ("-o", "ct.nii.gz/m.nii.gz"): "a part of its folder is a file",
    ("-o", "y" * 300 + ".nii.gz"): "too long",
}


def test_bad_options_are_refused_before_an_engine_is_imported(tmp_path):
    write_nifti(tmp_path / "ct.nii.gz", body())
    before = snapshot(tmp_path)
    script = "import sys\nfrom PancreasSegLib.cli.app import run\n"
    script += f"for options in {list(BAD_OPTIONS)}:\n    assert run(['segment', 'ct.nii.gz', *options]) == 2\n"
    script += "assert not {'torch', 'openvino'} & set(sys.modules)"
    command = [sys.executable, "-c", script]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stderr.splitlines()
    assert len(lines) == len(BAD_OPTIONS)
    assert all(part in line for part, line in zip(BAD_OPTIONS.values(), lines, strict=True)), lines
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(not can_drop_root(), reason="needs a user without root's rights, or setpriv")
class TestPermissions:
    def test_unreadable_folder(self, tmp_path):
        folder = tmp_path / "closed"
        folder.mkdir()
        write_nifti(folder / "ct.nii.gz", body())
        folder.chmod(0)
        try:
            for output in ("m.nii.gz", "masks"):
                answer = run_cli("segment", folder, "-o", tmp_path / output, drop_root=True)
                assert answer.returncode == 2
                assert "closed" in answer.stderr
                assert answer.stderr.count("\n") == 1
            assert [p.name for p in tmp_path.iterdir()] == ["closed"]
        finally:
            folder.chmod(0o755)

    def test_unreadable_file(self, tmp_path):
        path = write_nifti(tmp_path / "ct.nii.gz", body())
        path.chmod(0)
        answer = run_cli("segment", path, "-o", tmp_path / "m.nii.gz", drop_root=True)
        assert answer.returncode == 2
        assert "ct.nii.gz" in answer.stderr
        assert answer.stderr.count("\n") == 1

    def test_read_only_output_folder(self, tmp_path):
        source = write_nifti(tmp_path / "ct.nii.gz", body())
        folder = tmp_path / "readonly"
        folder.mkdir()
        folder.chmod(0o555)
        answer = run_cli("segment", source, "-o", folder / "m.nii.gz", drop_root=True)
        assert answer.returncode == 2
        assert "the folder is not writable" in answer.stderr
        assert answer.stderr.count("\n") == 1
        assert list(folder.iterdir()) == []
