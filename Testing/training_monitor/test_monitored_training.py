"""Trainings with all monitoring: the same weights, all files, and nothing that could end them."""

import csv
import json
import logging

import pytest
import torch
from safetensors.torch import load_file

from PancreasSegLib.cli.app import run as command
from PancreasSegLib.errors import CancelledError
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.training.monitor import monitors
from PancreasSegLib.training.monitor.forgiving import Forgiving
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks

OFF = ["monitor.tensorboard=false", "monitor.previews=0", "monitor.curves=false", "monitor.hash_data=false"]


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, so that runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(recipe):
    return load_file(recipe.run_folder / "segmenter-0" / "network.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class CancelsAt(CancelToken):
    """Set from a step on."""

    def __init__(self, step):
        super().__init__()
        self.step, self.calls = step, 0

    @property
    def cancelled(self):
        self.calls += 1
        return self.calls > self.step

    def check(self):
        pass


def test_monitoring_changes_no_weight_and_writes_all_files(recipe_file):
    watched = load_recipe(recipe_file)
    train_networks(watched)
    alone = load_recipe(recipe_file, ["name=alone", *OFF])
    train_networks(alone)
    assert same(weights(watched), weights(alone))
    folder = watched.run_folder / "segmenter-0"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    pictures = {
        f"previews/{name}" for name in ("step-000002.png", "step-000004.png", "learning.png", "learning.gif")
    }
    assert pictures | {"metrics.png", "previews/surfaces.png", "losses.csv", "validation.csv"} <= there
    assert any(name.startswith("tensorboard/events.out") for name in there)
    record = json.loads((watched.run_folder / "run.json").read_text())
    assert record["sessions"][0]["networks"]["segmenter-0"]["ending"] == "steps"
    bare = {path.name for path in (alone.run_folder / "segmenter-0").iterdir() if path.suffix != ".lock"}
    assert bare == {"checkpoint.pt", "losses.csv", "validation.csv", "network.safetensors"}
    assert (alone.run_folder / "run.json").is_file()


def test_a_resumed_run_appends(recipe_file):
    recipe = load_recipe(recipe_file)
    with pytest.raises(CancelledError):
        train_networks(recipe, cancel=CancelsAt(3))
    folder = recipe.run_folder / "segmenter-0"
    assert (folder / "previews" / "step-000002.png").is_file()
    train_networks(recipe, resume=True)
    whole = load_recipe(recipe_file, ["name=whole", *OFF])
    train_networks(whole)
    assert same(weights(recipe), weights(whole))
    sessions = json.loads((recipe.run_folder / "run.json").read_text())["sessions"]
    assert [session["reason"] for session in sessions] == ["cancelled", "finished"]
    assert [session["networks"]["segmenter-0"]["from_step"] for session in sessions] == [0, 3]
    with (folder / "losses.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4]
    train_networks(recipe, resume=True)  # nothing to do: no session
    assert len(json.loads((recipe.run_folder / "run.json").read_text())["sessions"]) == 2


class Broken:
    """Fails whenever it is told anything."""

    def __init__(self, *_, **__):
        self.asked = 0

    def __getattr__(self, name):
        def fail(*_):
            self.asked += 1
            raise OSError(28, "No space left on device")

        return fail


def test_failing_monitors_end_no_training(recipe_file, monkeypatch, caplog):
    monkeypatch.setattr(monitors, "Previews", Broken)
    monkeypatch.setattr(monitors, "Curves", Broken)
    recipe = load_recipe(recipe_file, ["monitor.tensorboard=false"])
    train_networks(recipe)
    assert weights(recipe)
    for name in ("previews", "metrics.png"):
        assert sum(name in record.message for record in caplog.records) == 1


def test_a_failing_observer_is_told_nothing_more_of_this_network(run, caplog):
    broken = Broken()
    forgiving = Forgiving(broken, "the table")
    forgiving.started(run())
    forgiving.stepped(1, {})
    assert broken.asked == 1
    assert "the table: no more of it for this network ([Errno 28] No space left on device)" in caplog.text
    forgiving.started(run())
    assert broken.asked == 2


def test_a_cancellation_is_no_failure(run):
    class Cancels(Broken):
        def started(self, run):
            raise CancelledError

    with pytest.raises(CancelledError):
        Forgiving(Cancels(), "x").started(run())


def test_missing_tensorboard_is_said_and_the_run_goes_on(recipe_file, monkeypatch, caplog):
    from PancreasSegLib.training.monitor import tensorboard

    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with monitors.monitored(load_recipe(recipe_file), "cpu") as observers:
        assert [observer.name for observer in observers] == ["run.json", "metrics.png", "previews"]
    assert "TensorBoard is not installed" in caplog.text


def test_the_command_line_in_a_log_and_the_list_of_runs(recipe_file, tmp_path, capsys, caplog, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    caplog.set_level(logging.WARNING)
    assert command(["train", str(recipe_file), "monitor.tensorboard=false", "monitor.previews=0"]) == 0
    said = capsys.readouterr()
    assert "watched · fold-0 · segmenter-0 begins: dynunet, 2 cases, 1 held out, on cpu in float32" in said.err
    assert "segmenter-0: step 4, Dice pancreas" in said.err
    assert "segmenter-0: done, 4 steps in" in said.err
    assert "\x1b" not in said.err and len(said.err.splitlines()) < 10

    assert command(["runs", str(tmp_path / "runs")]) == 0
    assert "watched/fold-0" in (table := capsys.readouterr().out) and "4/4" in table
    assert command(["runs", str(tmp_path / "runs" / "watched" / "fold-0")]) == 0
    shown = capsys.readouterr().out
    for words in ("watched 1, fold 0: finished", "held out: case_1", "torch", "metrics.png", "Model package"):
        assert words in shown
    assert command(["runs", str(tmp_path / "runs"), "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert run["state"] == "finished" and run["networks"][0]["step"] == 4
    assert command(["runs", str(tmp_path / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err
