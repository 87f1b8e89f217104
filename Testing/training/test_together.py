"""Two processes that train one network give what one process gives with the same batch."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_networks import SMALL, STAGE, rows

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.distributed import World
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import network_file, train_networks

TOLERANCE = 2e-3
"""Of the weights, by the largest of a tensor: sums are taken in another order, and Adam divides by them."""

SETTINGS = [
    *SMALL,
    "fold=0",
    f"{STAGE}.arguments.deep_supervision=true",
    f"{STAGE}.sampling.batch_size=2",
    f"{STAGE}.optimizer.learning_rate=0.003",
    f"{STAGE}.optimizer.clip_norm=0.5",
    f"{STAGE}.steps=6",
    f"{STAGE}.validate_every=3",
    f"{STAGE}.keep=best",
]


def together(recipe_file, words, size=2, each=None):
    """Run `size` processes to their end and return the folder of what they were told."""
    folder = Path(tempfile.mkdtemp(dir=recipe_file.parent))
    told = [[*words, *(each or {}).get(rank, [])] for rank in range(size)]
    script = Path(__file__).with_name("together.py")
    processes = [
        subprocess.Popen(
            [sys.executable, script, folder / "rendezvous", str(rank), str(size), recipe_file, *told[rank]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        said = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * size, "\n".join(said)
    return folder


def assert_close(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        scale = float(tensor.abs().max()) or 1.0
        assert float((tensor - other[name]).abs().max()) <= TOLERANCE * scale, name


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def alone(recipe_file, one_thread):
    """The recipe as one process ran it."""
    recipe = load_recipe(recipe_file, [*SETTINGS, "name=alone"])
    train_networks(recipe)
    return recipe


def assert_the_same_run(alone, pair):
    assert_close(*(load_file(network_file(recipe, "segmenter-0")) for recipe in (alone, pair)))
    for name in ("losses.csv", "validation.csv"):
        for one, two in zip(rows(alone, name), rows(pair, name), strict=True):
            expected = pytest.approx({k: float(v) for k, v in one.items()}, rel=TOLERANCE)
            assert {k: float(v) for k, v in two.items()} == expected


@pytest.mark.slow
def test_two_processes_learn_what_one_does(recipe_file, alone):
    words = [*SETTINGS, "name=pair"]
    ended = together(recipe_file, words)
    assert not list(ended.glob("problem-*"))
    assert_the_same_run(alone, load_recipe(recipe_file, words))
    told = (ended / "told-0.txt").read_text()
    assert told.startswith("started 2")
    assert "finished steps" in told
    assert not (ended / "told-1.txt").exists()  # only the first speaks


@pytest.mark.slow
def test_processes_stop_and_go_on_together(recipe_file, alone):
    words = [*SETTINGS, "name=pair"]
    pair = load_recipe(recipe_file, words)
    stopped = together(recipe_file, words, each={1: ["--stop", "4"]})  # the second alone is cancelled
    for rank in range(2):
        assert "CancelledError: Stopped at step 4" in (stopped / f"problem-{rank}.txt").read_text()
    assert not network_file(pair, "segmenter-0").is_file()
    assert not (stopped / "told-1.txt").exists()
    ended = together(recipe_file, [*words, "--resume"])
    assert not list(ended.glob("problem-*"))
    assert_the_same_run(alone, pair)


@pytest.mark.slow
def test_a_problem_of_the_first_reaches_all(recipe_file):
    words = [*SMALL, f"{STAGE}.sampling.batch_size=3", "name=odd"]
    folder = together(recipe_file, words)
    for rank in range(2):
        assert "batch of 3 cannot be shared by 2 processes" in (folder / f"problem-{rank}.txt").read_text()
    folder = together(recipe_file, [*SMALL, "data.root=/nowhere", "data.cache=/nowhere/at/all"])
    for rank in range(2):
        assert "dataset.json" in (folder / f"problem-{rank}.txt").read_text()


@pytest.mark.parametrize(("count", "parts"), [(4, 1), (4, 2), (8, 2)])
def test_every_sample_belongs_to_one_process(count, parts):
    shares = [World(rank, 2).share(count, parts) for rank in range(2)]
    whole = World().share(count, parts)
    for part in range(parts):
        assert shares[0][part] + shares[1][part] == whole[part]  # in the order in which they are put together
    assert sorted(n for part in whole for n in part) == list(range(count))


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(RecipeError, match=r"multiple of 6"):
        World(0, 3).share(4, 2)


@pytest.mark.slow
def test_torchrun_trains_and_exports_once(recipe_file):
    settings = [*SETTINGS, "name=torchrun"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "PancreasSegLib", "train", str(recipe_file), *settings, "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The model package is") == 1
    recipe = load_recipe(recipe_file, settings)
    assert (recipe.run_folder / "package" / "SHA256SUMS").is_file()
