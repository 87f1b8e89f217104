"""A folder run accounts for every scan, whatever lies among them, and keeps its table as it goes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from PancreasSegLib.cli.app import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of bytes, pipes and signals of Linux")


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["scan"]: row for row in csv.DictReader(file)}


def hostile_folder(place: Path, sound: Path) -> None:
    content = sound.read_bytes()
    place.mkdir()
    for name in (b"M\xfcller.nii.gz", b"=cmd.nii.gz", b"a\x1b[2Jb.nii.gz", b"z.nii.gz", b"n" * 245 + b".nii.gz"):
        Path(os.fsdecode(os.fsencode(place) + b"/" + name)).write_bytes(content)
    (place / "broken.nrrd").write_text("NRRD0004\n" + "x" * 1000 + "\n\n")
    (place / "broken.mha").write_text("ObjectType = Image\nNDims = -1\nElementDataFile = LOCAL\n")
    os.mkfifo(place / "pipe.nii.gz")
    (place / "zero.nii.gz").symlink_to("/dev/zero")
    (place / "dicom").mkdir()
    (place / "dicom" / "a.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x02\x00U\xe0" * 40)


def test_every_scan_is_accounted_for(tmp_path, abdomen, bright, capfd):
    scans, out = tmp_path / "scans", tmp_path / "out"
    hostile_folder(scans, abdomen)
    command = ["segment", str(scans), "--output", str(out), "--report", str(out), "--model", str(bright)]
    assert run([*command, "--device", "cpu"]) == 2
    table = rows(out)
    done = sorted(name for name, row in table.items() if row["outcome"] == "done")
    assert done == ["'=cmd.nii.gz", "M\\udcfcller.nii.gz", "a\\x1b[2Jb.nii.gz", "z.nii.gz"]
    assert all(float(table[name]["volume_ml"]) > 0 for name in done)
    failed = {name: row["sentence"] for name, row in table.items() if row["outcome"] == "failed"}
    assert {"broken.nrrd", "broken.mha"} <= failed.keys()
    assert any("too long" in sentence for sentence in failed.values())
    printed = capfd.readouterr()
    assert "\x1b[2J" not in printed.out + printed.err


def test_the_table_is_there_when_all_scans_fail(tmp_path, bright):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    (scans / "broken.nii").write_bytes(b"nothing of the kind")
    assert run(["segment", str(scans), "--output", str(out), "--model", str(bright), "--device", "cpu"]) == 2
    assert rows(out)["broken.nii"]["outcome"] == "failed"


def test_a_kill_loses_no_figures(tmp_path, abdomen, bright):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for number in range(4):
        (scans / f"{number}.nii.gz").write_bytes(abdomen.read_bytes())
    command = ["segment", str(scans), "--output", str(out), "--model", str(bright), "--device", "cpu"]
    script = f"from PancreasSegLib.cli.app import run; run({command!r})"
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while len(list(out.glob("*.nii.gz"))) < 2 and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    masks = {path.name.removesuffix("_pancreas.nii.gz") for path in out.glob("*.nii.gz")}
    kept = {name.removesuffix(".nii.gz") for name, row in rows(out).items() if row["volume_ml"]}
    assert kept <= masks and len(masks - kept) <= 1  # the scan whose mask has just taken its name
    assert run(command) == 0
    assert sorted(rows(out)) == [f"{number}.nii.gz" for number in range(4)]
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
