"""A disk that fills up while the results are written: one sentence, and nothing half written."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import snapshot

from PancreasSegLib.cli.app import run


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB with an older mask on it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    (place / "m.nii.gz").write_text("an older mask")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def file_size_limit():
    """A limit of 256 kB on every file, which ends a write as a full disk does."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def segment(scan: Path, model: Path, folder: Path) -> int:
    files = [
        "-o",
        str(folder / "m.nii.gz"),
        "--picture",
        str(folder / "p.png"),
        "--report",
        str(folder / "r.json"),
    ]
    return run(["segment", str(scan), *files, "--model", str(model), "--threads", "1", "--quiet"])


def test_full_disk(abdomen, bright, small_disk, capfd):
    before = snapshot(small_disk)
    assert segment(abdomen, bright, small_disk) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1), err
    assert "the disk is full" in err
    assert snapshot(small_disk) == before


def test_disk_without_any_space_is_refused_before_the_run(abdomen, bright, small_disk, capfd, monkeypatch):
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass
    monkeypatch.setattr("PancreasSegLib.cli.segment.load_early", None)  # would be called only for a run
    before = snapshot(small_disk)
    assert segment(abdomen, bright, small_disk) == 2
    assert "the disk is full" in capfd.readouterr().err
    assert snapshot(small_disk) == before


def test_file_that_may_not_grow(abdomen, bright, tmp_path, file_size_limit, capfd):
    with file_size_limit():
        status = segment(abdomen, bright, tmp_path)
    out, err = capfd.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert snapshot(tmp_path) == {}
