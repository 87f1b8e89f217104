"""The default model through the command line: the demonstration, what is no abdomen, and the real CTs."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys

import pytest
from hostile import head_ct, snapshot, write_nifti

from PancreasSegLib import phantom
from PancreasSegLib.cli import demo
from PancreasSegLib.cli.app import run
from PancreasSegLib.io import read_labels, read_volume

MODEL = os.environ.get("PANCREASSEG_TEST_MODEL", "default")


def test_demonstration_without_network(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(demo, "_URL", "http://127.0.0.1:9/nothing-listens-here")
    coarse = functools.partial(phantom.make_phantom, spacing_mm=(2.0, 2.0, 4.0))  # a quarter of the time
    monkeypatch.setattr(phantom, "make_phantom", coarse)
    status = run(["demo", "--output", str(tmp_path / "demo"), "--model", MODEL, "--device", "cpu"])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert "A phantom is made instead." in err
    assert sorted(snapshot(tmp_path / "demo")) == [
        "phantom.nii.gz",
        "phantom_pancreas.json",
        "phantom_pancreas.nii.gz",
        "phantom_pancreas.png",
        "phantom_true_pancreas.nii.gz",
    ]
    dice = float(re.search(r"Dice against .*: (\d\.\d+)", out).group(1))
    assert dice > 0.7
    truth = read_labels(tmp_path / "demo" / "phantom_true_pancreas.nii.gz").voxels > 0
    mask = read_labels(tmp_path / "demo" / "phantom_pancreas.nii.gz").voxels > 0
    assert 2 * (truth & mask).sum() / (truth.sum() + mask.sum()) == pytest.approx(dice, abs=0.006)


def test_address_without_checksum_is_refused(capfd):
    assert run(["demo", "--url", "https://example.org/ct.nrrd"]) == 2
    assert "belong together" in capfd.readouterr().err


def test_head_is_status_3(tmp_path, capfd):
    source = write_nifti(tmp_path / "head.nii.gz", head_ct())
    before = snapshot(tmp_path)
    arguments = ["-o", str(tmp_path / "m.nii.gz"), "--model", MODEL, "--quiet"]
    status = run(["segment", str(source), *arguments])
    out, err = capfd.readouterr()
    assert (status, out, err.count("\n")) == (3, "", 1), err
    assert snapshot(tmp_path) == before


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["hcc_048_portal.nii.gz", "crlm_1004_dicom"])
def test_real_ct(shared_data, tmp_path, name):
    source = shared_data / "ct" / name
    if not source.exists():
        pytest.skip(f"{source} is not there")
    files = ["-o", "m.nii.gz", "--picture", "p.png", "--report", "r.json", "--save-probability", "prob.nii.gz"]
    command = [
        sys.executable,
        "-m",
        "PancreasSegLib",
        "segment",
        source,
        *files,
        "--model",
        MODEL,
        "--device",
        "cpu",
    ]
    # A process in between: what a child is said to have used is at least what its parent held when it was made.
    launcher = "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); "
    launcher += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    answer = subprocess.run(
        [sys.executable, "-c", launcher, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    mask, ct = read_labels(tmp_path / "m.nii.gz"), read_volume(source)
    assert mask.geometry.size_ijk == ct.geometry.size_ijk
    assert mask.geometry.spacing_mm == pytest.approx(ct.geometry.spacing_mm, rel=1e-5)
    assert mask.geometry.origin_lps == pytest.approx(ct.geometry.origin_lps, abs=1e-3)
    organ = json.loads((tmp_path / "r.json").read_text("utf-8"))["organs"]["pancreas"]
    assert 25 < organ["volume_ml"] < 160
    assert 40 < organ["mean_hu"] < 160
    assert organ["volume_ml"] == pytest.approx((mask.voxels == 1).sum() * ct.geometry.voxel_volume_ml, rel=1e-3)
    assert int(answer.stdout.split()[-1]) < 2 * 2**20  # kB; 2 GB is what is promised for 512 x 512 x 89
