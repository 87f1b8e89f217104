"""``pancreasseg segment`` on a folder: one load, one bad scan does not stop the rest, a second run goes on."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from PancreasSegLib.cli import batch
from PancreasSegLib.cli.app import run
from PancreasSegLib.inference import Segmenter


@pytest.fixture
def scans(tmp_path, abdomen, nothing) -> Path:
    """Three scans, one of them damaged, and files that are no scans."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(abdomen, folder / "a.nii.gz")
    shutil.copy(abdomen, folder / "sub" / "a.nii.gz")
    (folder / "damaged.nii.gz").write_text("no image")
    (folder / "notes.txt").write_text("no scan")
    return folder


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """Note every load of a model."""
    seen = []
    load = Segmenter.load.__func__

    def counted(cls, model, *args, **options):
        seen.append(model)
        return load(cls, model, *args, **options)

    monkeypatch.setattr(Segmenter, "load", classmethod(counted))
    return seen


@pytest.fixture
def segment(bright, capfd):
    def call(*arguments: object) -> tuple[int, str, str]:
        status = run(["segment", *map(str, arguments), "--model", str(bright), "--threads", "1"])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def summary(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / batch.SUMMARY_NAME).open(encoding="utf-8", newline="") as stream:
        return {row["scan"]: row for row in csv.DictReader(stream)}


def test_bad_scan_does_not_stop_the_rest_and_the_second_run_goes_on(segment, scans, tmp_path, loads):
    masks = tmp_path / "masks"
    status, out, err = segment(
        scans, "-o", masks, "--report", tmp_path / "reports", "--picture", tmp_path / "pictures"
    )
    assert status == 2
    assert "1 of 3 scans failed" in err
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files - {str(p.relative_to(tmp_path)) for p in scans.rglob("*")} == {
        "masks/a_pancreas.nii.gz",
        "masks/sub/a_pancreas.nii.gz",
        "masks/summary.csv",
        "reports/a_pancreas.json",
        "reports/sub/a_pancreas.json",
        "pictures/a_pancreas.png",
        "pictures/sub/a_pancreas.png",
    }
    for name in ("a.nii.gz", "sub/a.nii.gz", "damaged.nii.gz"):
        assert name in out
    assert len(loads) == 1
    first = summary(masks)
    assert first["a.nii.gz"]["outcome"] == "done"
    assert float(first["a.nii.gz"]["volume_ml"]) == pytest.approx(92, abs=5)
    assert "damaged.nii.gz" in first["damaged.nii.gz"]["sentence"]

    when = (masks / "a_pancreas.nii.gz").stat().st_mtime_ns
    (scans / "damaged.nii.gz").unlink()
    (masks / "sub" / "a_pancreas.nii.gz").unlink()
    status, out, _ = segment(scans, "-o", masks)
    assert status == 0
    assert "skipped" in out
    assert (masks / "a_pancreas.nii.gz").stat().st_mtime_ns == when
    assert (masks / "sub" / "a_pancreas.nii.gz").exists()
    assert summary(masks)["a.nii.gz"] == first["a.nii.gz"]

    assert segment(scans, "-o", masks)[0] == 0
    assert len(loads) == 2  # nothing was left to do: no model is loaded for that
    assert segment(scans, "-o", masks, "--overwrite", "--quiet") == (0, "", "")
    assert (masks / "a_pancreas.nii.gz").stat().st_mtime_ns > when


def test_no_pancreas_alone_is_status_3(segment, scans, nothing, tmp_path):
    (scans / "damaged.nii.gz").unlink()
    shutil.copy(nothing, scans / "nothing.nii.gz")
    status, out, _ = segment(scans, "-o", tmp_path / "masks")
    assert status == 3
    assert "no pancreas" in out
    assert not (tmp_path / "masks" / "nothing_pancreas.nii.gz").exists()


@pytest.mark.parametrize("place", [".", ".."])
def test_results_among_the_scans_are_not_taken_for_scans(segment, scans, place):
    (scans / "damaged.nii.gz").unlink()
    output = scans / place
    for _ in range(2):
        arguments = ["--save-probability", output / "probability", "--picture", "auto"]
        assert segment(scans, "-o", output, *arguments)[0] == 0
    masks = sorted(output.rglob("*_pancreas.nii.gz"))
    assert len(masks) == 2
    assert all(mask.with_name("a_pancreas.png").exists() for mask in masks)


def test_model_that_cannot_be_loaded_is_told_once(scans, tmp_path, capfd):
    assert run(["segment", str(scans), "-o", str(tmp_path / "masks"), "--model", "no-such-model"]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1), err
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize("output", [[], ["-o", "masks.nii.gz"]])
def test_a_folder_of_scans_needs_a_folder_for_the_masks(scans, output, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert run(["segment", str(scans), *output, "-q"]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]


def test_folder_without_scans(tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    assert run(["segment", str(tmp_path / "empty"), "-o", str(tmp_path / "masks")]) == 2
    assert "holds no scan" in capfd.readouterr().err
    assert not (tmp_path / "masks").exists()


def test_ctrl_c_keeps_what_is_finished(segment, scans, tmp_path, monkeypatch):
    (scans / "damaged.nii.gz").unlink()
    real, done = batch.segment_scan, []

    def interrupted(*args, **options):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return real(*args, **options)

    monkeypatch.setattr(batch, "segment_scan", interrupted)
    status, _, err = segment(scans, "-o", tmp_path / "masks")
    assert status == 130
    assert "Cancelled after 1 of 2 scans; the finished masks are kept." in err
    assert sorted(p.name for p in (tmp_path / "masks").rglob("*") if p.is_file()) == [
        "a_pancreas.nii.gz",
        "summary.csv",
    ]


def test_two_scans_of_one_name_do_not_share_a_mask(segment, abdomen, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(abdomen, folder / "a.nii.gz")
    from PancreasSegLib.io import read_volume, write_volume

    write_volume(folder / "a.nrrd", read_volume(abdomen))
    assert segment(folder, "-o", tmp_path / "masks")[0] == 0
    assert sorted(p.name for p in (tmp_path / "masks").glob("*.nii.gz")) == [
        "a.nii.gz_pancreas.nii.gz",
        "a.nrrd_pancreas.nii.gz",
    ]
