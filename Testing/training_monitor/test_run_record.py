"""run.json: what a run was made of, and how it ended."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from observed import figures, scores_at

from PancreasSegLib.errors import CancelledError, UnreadableFileError
from PancreasSegLib.training.monitor import run_record as module
from PancreasSegLib.training.monitor.data_hashes import data_hashes
from PancreasSegLib.training.monitor.environment import git_state
from PancreasSegLib.training.monitor.run_folder import find_runs, read_run
from PancreasSegLib.training.monitor.run_record import RUN_FILE, RunRecord, read_record
from PancreasSegLib.training.observer import RunSummary
from PancreasSegLib.training.recipe import load_recipe


@pytest.fixture
def recipe(recipe_file, dataset, tmp_path):
    """The recipe, with a copy of the dataset that a test may change."""
    root = tmp_path / "data"
    shutil.copytree(dataset, root)
    recipe = load_recipe(recipe_file, [f"data.root={root}"])
    recipe.run_folder.mkdir(parents=True)
    shutil.copy(recipe_file, recipe.run_folder / "recipe.yaml")
    return recipe


def content(recipe):
    return json.loads((recipe.run_folder / RUN_FILE).read_text())


def test_it_says_all(recipe, run):
    with RunRecord(recipe, "cpu") as record:
        assert content(recipe)["sessions"][0]["ended"] is None
        record.started(run())
        record.stepped(10, figures(10))
        record.validated(10, scores_at(10, 0.6, best=True, liver=float("nan")))
        record.validated(20, scores_at(20, 0.5))
        record.finished(RunSummary(20, 10.04, "time", 10, 0.6))
    found = content(recipe)
    (session,) = found["sessions"]
    assert session["reason"] == "finished" and session["ended"] >= session["started"]
    assert {"python", "PancreasSegLib", "torch", "monai", "numpy"} <= session["versions"].keys()
    assert session["machine"]["cores"] == os.cpu_count() and session["machine"]["device"] == "cpu"
    assert session["command"]
    network = session["networks"]["segmenter-0"]
    assert network["best"] == {"step": 10, "watched": 0.6, "dice": {"pancreas": 0.6}}
    assert (network["ending"], network["step"], network["from_step"], network["seconds"]) == ("time", 20, 0, 10.0)
    assert network["validation"] == ["case_1"]
    assert found["data"]["cases"].keys() == {"case_0", "case_1", "case_2"}
    image = recipe.data.root / "imagesTr" / "case_0.nii.gz"
    import hashlib

    assert found["data"]["cases"]["case_0"]["image"] == hashlib.sha256(image.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(CancelledError(), "cancelled"), (KeyboardInterrupt(), "cancelled"), (RuntimeError("no\nmemory"), "failed")],
)
def test_every_end_has_its_reason_and_the_error_goes_on(recipe, error, reason):
    with pytest.raises(type(error)), RunRecord(recipe, "cpu"):
        raise error
    session = content(recipe)["sessions"][0]
    assert session["reason"] == reason
    assert session.get("error") == ("RuntimeError: no memory" if reason == "failed" else None)
    assert read_run(recipe.run_folder).state == reason


def test_a_resumed_run_adds_a_session_and_tells_of_changed_data(recipe, caplog):
    with RunRecord(recipe, "cpu"):
        pass
    label = recipe.data.root / "labelsTr" / "case_2.nii.gz"
    shutil.copy(recipe.data.root / "labelsTr" / "case_1.nii.gz", label)
    with RunRecord(recipe, "cpu"):
        pass
    sessions = content(recipe)["sessions"]
    assert len(sessions) == 2 and sessions[0]["data_sha256"] != sessions[1]["data_sha256"]
    assert "case_2 changed" in caplog.text


def test_hashes_are_remembered_until_a_file_changes(recipe, monkeypatch):
    from PancreasSegLib.training.monitor import data_hashes as hashes

    first = data_hashes(recipe.data)
    read = []
    plain = hashes._sha256
    monkeypatch.setattr(hashes, "_sha256", lambda path: read.append(path.name) or plain(path))
    assert data_hashes(recipe.data) == first and read == []
    image = recipe.data.root / "imagesTr" / "case_1.nii.gz"
    image.write_bytes(image.read_bytes() + b"x")
    assert data_hashes(recipe.data)["sha256"] != first["sha256"]
    assert read == ["case_1.nii.gz"]
    (recipe.data.cache / "hashes.json").write_text("[broken")
    assert data_hashes(recipe.data)["of"] == "dataset" and len(read) == 7


def test_without_the_dataset_the_prepared_cases_are_hashed(recipe):
    folder = recipe.data.cache / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "case_0.npz").write_bytes(b"voxels")
    shutil.rmtree(recipe.data.root)
    found = data_hashes(recipe.data)
    assert found["of"] == "prepared cases" and found["cases"].keys() == {"0123456789ab/case_0"}


def test_a_run_without_an_end_is_running_or_was_killed(recipe):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from PancreasSegLib.training.monitor.run_record import RunRecord\n"
        "from PancreasSegLib.training.recipe import load_recipe\n"
        "with RunRecord(load_recipe(sys.argv[1], sys.argv[2:]), 'cpu'):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(300)\n"
    )
    given = [str(recipe.run_folder / "recipe.yaml"), f"data.root={recipe.data.root}"]
    with subprocess.Popen([sys.executable, "-c", code, *given], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            assert read_run(recipe.run_folder).state == "running"
        finally:
            process.kill()
    assert read_run(recipe.run_folder).state == "killed"


def test_a_run_on_another_machine_lives_as_long_as_it_writes(recipe):
    with RunRecord(recipe, "cpu"):
        pass
    path = recipe.run_folder / RUN_FILE
    found = content(recipe)
    found["sessions"][0] |= {"ended": None, "machine": {"host": "elsewhere"}}
    path.write_text(json.dumps(found))
    assert read_run(recipe.run_folder).state == "running"
    os.utime(path, (0, 0))
    os.utime(recipe.run_folder / "recipe.yaml", (0, 0))
    assert read_run(recipe.run_folder).state == "killed"


def test_damaged_records_are_no_record(recipe):
    path = recipe.run_folder / RUN_FILE
    for text in ("", "[]", '{"sessions": 3}', "\0"):
        path.write_text(text)
        assert read_record(path) is None
    assert read_run(recipe.run_folder).state == "not recorded"
    with RunRecord(recipe, "cpu"):
        pass
    assert len(content(recipe)["sessions"]) == 1


def test_a_full_disk_is_told_once(recipe, caplog, monkeypatch):
    from PancreasSegLib.errors import OutputError

    def full(path):
        raise OutputError("the disk is full")

    monkeypatch.setattr(module, "atomic_path", full)
    with RunRecord(recipe, "cpu") as record:
        record.validated(10, scores_at(10, 0.5, best=True))
    assert caplog.text.count("the disk is full") == 1


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_state_of_the_source(tmp_path):
    assert git_state(tmp_path) is None
    source = tmp_path / "checkout" / "package"
    source.mkdir(parents=True)

    def git(*arguments):
        names = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(source.parent), *names, *arguments], check=True, capture_output=True)

    git("init", "-b", "trunk")
    assert git_state(source) is None  # a folder that git does not keep
    (source / "file.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    state = git_state(source)
    assert len(state["commit"]) == 40 and state["branch"] == "trunk" and not state["dirty"]
    (source / "file.py").write_text("2")
    (source / "notes.txt").write_text("not kept")
    assert git_state(source)["changed"] == ["package/file.py"]
    (source.parent / "environment").mkdir()
    assert git_state(source.parent / "environment") is None


def test_folders_that_hold_no_run(tmp_path):
    assert find_runs(tmp_path) == []
    (tmp_path / "recipe.yaml").write_text("stages: 3")
    assert find_runs(tmp_path) == [tmp_path]
    with pytest.raises(UnreadableFileError, match="no run folder"):
        read_run(tmp_path)
