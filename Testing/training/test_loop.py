import csv
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from small_networks import SMALL, StopsAfter

from PancreasSegLib.errors import CancelledError, RecipeError
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import network_file, train_networks


def weights(recipe):
    return load_file(network_file(recipe, "segmenter-0"))


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, so that runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_network_learns_one_case(recipe_file):
    settings = [
        "fold=0",
        "stages.segmenter.arguments={filters: [6, 8, 8], kernel_size: [3, 3, 3], strides: [1, 2, 2]}",
        "stages.segmenter.optimizer={learning_rate: 0.02, ema: 0.9}",
        "stages.segmenter.steps=50",
        "stages.segmenter.validate_every=50",
        "stages.segmenter.sampling.organ_share=1.0",
    ]
    recipe = load_recipe(recipe_file, settings)
    train_networks(recipe)
    with (recipe.run_folder / "segmenter-0" / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["pancreas"]) > 0.8
    with (recipe.run_folder / "segmenter-0" / "losses.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]


def test_a_run_folder_that_holds_work_is_not_begun_anew(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, "name=begun"])
    with pytest.raises(CancelledError):
        train_networks(recipe, cancel=StopsAfter(2))
    assert not network_file(recipe, "segmenter-0").is_file()
    with pytest.raises(RecipeError, match="already holds a run"):
        train_networks(recipe)
    train_networks(recipe, resume=True)
    assert network_file(recipe, "segmenter-0").is_file()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(recipe_file):
    settings = ["stages.segmenter.steps=400", "stages.segmenter.checkpoint_minutes=0.001"]
    recipe = load_recipe(recipe_file, settings)
    command = [sys.executable, "-m", "PancreasSegLib", "train", str(recipe_file), *settings, "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    checkpoint = recipe.run_folder / "segmenter-0" / "checkpoint.pt"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.is_file(), process.stderr.read()
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=300)
    assert network_file(recipe, "segmenter-0").is_file()


def test_it_starts_from_given_weights(recipe_file):
    first = load_recipe(recipe_file, ["name=first"])
    train_networks(first)
    start = network_file(first, "segmenter-0")
    still = load_recipe(
        recipe_file,
        [
            "name=second",
            "stages.segmenter.steps=1",
            "stages.segmenter.optimizer.learning_rate=1e-12",
            f"stages.segmenter.initial_weights=[{start}]",
        ],
    )
    train_networks(still)
    before, after = weights(first), weights(still)
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    wrong = load_recipe(recipe_file, ["name=third", f"stages.segmenter.initial_weights=[{recipe_file}]"])
    with pytest.raises(RecipeError, match="initial_weights"):
        train_networks(wrong)


def test_unknown_networks_are_refused(recipe_file):
    with pytest.raises(RecipeError, match="localiser-0"):
        train_networks(load_recipe(recipe_file, ["only=[localiser-0]"]))


def test_a_failing_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    from PancreasSegLib.errors import OutputError
    from PancreasSegLib.training.checkpoint import load_checkpoint, save_checkpoint

    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    def full(state, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="full"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path, torch.device("cpu")) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_checkpoint(path, torch.device("cpu"))
