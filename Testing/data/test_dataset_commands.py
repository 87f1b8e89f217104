"""``pancreasseg data inspect | prepare | split``, as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import source_trees as trees

from PancreasSegLib.cli.app import run
from PancreasSegLib.data import read_dataset, read_provenance, read_split


def data(*arguments) -> int:
    return run(["data", *map(str, arguments)])


def test_from_the_raw_nih_download_to_a_split(tmp_path, capsys):
    """The commands of Resources/Docs/datasets.md, on a miniature of the download."""
    source, target = tmp_path / "nih-download", tmp_path / "nih"
    trees.write_nih(source, (1, 2, 3))
    assert data("inspect", "nih", source, "--list") == 0
    said = capsys.readouterr()
    assert "PANCREAS_0001\nPANCREAS_0002\nPANCREAS_0003" in said.out
    assert "PANCREAS_0025, PANCREAS_0070" in said.err
    assert data("prepare", "nih", source, target) == 0
    said = capsys.readouterr()
    assert f"3 cases written: {target}" in said.out
    assert "3 cases" in said.out
    assert (target / "quality" / "report.html").is_file()
    assert {record.source["label_flip"] for record in read_provenance(target).values()} == {"y"}
    assert data("prepare", "nih", source, target) == 0
    assert "0 cases written, 3 were there" in capsys.readouterr().out
    assert data("split", target, "--folds", 3, "--seed", 7) == 0
    said = capsys.readouterr()
    assert "fold 2" in said.out
    assert "Volumes of pancreas were known of 3" in said.out
    split = read_split(target)
    assert len(split.folds) == 3
    assert split.patients == {case.patient for case in read_dataset(target).cases}
    assert data("split", target, "--check", target / "splits.json") == 0
    assert "fits" in capsys.readouterr().out


def test_labels_cases_and_failures(tmp_path, capsys):
    task = trees.write_msd(tmp_path, ("pancreas_001", "pancreas_004", "pancreas_005"))
    (task / "imagesTr" / "pancreas_005.nii.gz").write_bytes(b"damaged")
    target = tmp_path / "out"
    wanted = ("--labels", "pancreas=pancreas+tumour")
    assert data("prepare", "msd", task, target, *wanted, "--cases", "pancreas_001") == 0
    assert [case.name for case in read_dataset(target).cases] == ["pancreas_001"]
    capsys.readouterr()
    assert data("prepare", "msd", task, target, *wanted) == 2
    said = capsys.readouterr()
    assert "pancreas_005" in said.err
    assert "1 case could not be prepared" in said.err
    assert "1 case written, 1 were there" in said.out
    assert data("prepare", "msd", task, tmp_path / "x", "--labels", "pancras") == 2
    assert "perhaps 'pancreas'" in capsys.readouterr().err
    assert data("prepare", "msd", task, tmp_path / "x", "--cases", "nobody") == 2
    assert "no case nobody" in capsys.readouterr().err
    assert data("prepare", "msd", task, tmp_path / "x", "--cases", "pancreas_005") == 2
    assert "No case of Pancreas could be prepared" in capsys.readouterr().err
    assert data("prepare", "nih", task, tmp_path / "x") == 2
    assert "does not look like NIH Pancreas-CT" in capsys.readouterr().err


def test_inspect_compares_and_tells(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trees.write_folder(tmp_path / "mine")
    trees.write_list(tmp_path / "copy")
    assert data("inspect", "folder", tmp_path / "copy" / "cases.csv", "-o", tmp_path / "seen") == 0
    capsys.readouterr()
    assert data("inspect", "folder", tmp_path / "mine", "--against", tmp_path / "seen" / "quality.json") == 0
    said = capsys.readouterr()
    assert "2 cases, 2 with remarks. The report is mine-quality/report.html" in said.out.replace(os.sep, "/")
    assert "The same scan as A1 of quality.json" in said.out
    assert data("inspect", "folder", tmp_path / "mine", "--values", "organ") == 2
    assert "pancreas=1,tumour=2" in capsys.readouterr().err


def test_a_split_is_not_replaced_unasked(tmp_path, capsys):
    trees.write_msd(tmp_path, tuple(f"pancreas_{n:03d}" for n in range(6)))
    task = tmp_path / "Task07_Pancreas"
    assert data("split", task, "--validation", 0.34, "--test", 1) == 0
    first = read_split(task)
    assert (first.kind, len(first.folds[0]), len(first.test), len(first.training)) == ("holdout", 2, 1, 3)
    assert data("split", task, "--validation", 0.34, "--test", 1) == 0  # the same again
    assert data("split", task, "--folds", 2) == 2
    assert "--force" in capsys.readouterr().err
    assert read_split(task) == first
    assert data("split", task, "--folds", 2, "--force") == 0
    assert data("split", task, "--folds", 2, "--validation", 1) == 2
    assert data("split", task, "--stratify", "liver") == 2
    assert "no label 'liver'" in capsys.readouterr().err
    (tmp_path / "other.json").write_text(json.dumps({"kind": "folds", "folds": [["a"], ["b"]]}))
    assert data("split", task, "--check", tmp_path / "other.json") == 2
    assert "not in the dataset" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a console's Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_whole_cases_and_the_same_command_goes_on(tmp_path, heeding_sigint, workers):
    task = trees.write_msd(tmp_path, tuple(f"pancreas_{n:03d}" for n in range(20)))
    target = tmp_path / "out"
    command = [sys.executable, "-m", "PancreasSegLib", "data", "prepare", "msd", str(task), str(target)]
    command += ["--labels", "pancreas=pancreas+tumour", "--workers", str(workers)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeding_sigint)
    deadline = time.monotonic() + 120
    while not (target / "dataset.json").exists():
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=120)[1]
    assert child.returncode == 130, said
    assert "the cases so far are whole" in said
    done = len(read_dataset(target).cases)
    assert 0 < done < 20
    assert not [path for path in target.iterdir() if path.name.startswith(".pancreasseg-")]
    assert run([*command[3:], "--quiet"]) == 0
    assert len(read_dataset(target).cases) == 20
