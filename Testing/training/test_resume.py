"""A run that was cut off goes on to the very result of an unbroken one; no other file passes for a checkpoint."""

import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file
from small_networks import PLANAR, SMALL, STAGE, StopsAfter, rows

from PancreasSegLib.errors import CancelledError, RecipeError
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import network_file, train_networks


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, so that runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


WATCHED = [
    f"{STAGE}.steps=16",
    f"{STAGE}.validate_every=3",
    "fold=0",
    f"{STAGE}.optimizer.schedule=plateau",
    f"{STAGE}.optimizer.plateau={{patience: 1, min_delta: 0.01, factor: 0.3}}",
    f"{STAGE}.early_stopping={{patience: 3, min_delta: 0.02}}",
    f"{STAGE}.keep=best",
]
WAYS = {
    "average, plateau, early end, best": [*SMALL, *WATCHED],
    "no average, SGD, nobody held out": [
        *SMALL,
        f"{STAGE}.steps=12",
        f"{STAGE}.validate_every=2",
        f"{STAGE}.optimizer={{name: sgd, momentum: 0.9, ema: 0, schedule: plateau, plateau: {{patience: 1}}}}",
        f"{STAGE}.early_stopping={{patience: 4}}",
    ],
    "dropout, cosine, batches in two parts": [
        *SMALL,
        f"{STAGE}.network=unet",
        f"{STAGE}.arguments={{filters: [4, 8], strides: [1, 2], dropout: 0.3}}",
        f"{STAGE}.optimizer.schedule=cosine",
        f"{STAGE}.sampling={{batch_size: 2, accumulate: 2}}",
        f"{STAGE}.steps=9",
        "fold=0",
    ],
    "slices": [*PLANAR, f"{STAGE}.steps=9", f"{STAGE}.validate_every=4", "fold=1"],
}


LESS_USUAL = {"no average, SGD, nobody held out", "slices"}


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.slow] if way in LESS_USUAL else []) for way in WAYS]
)
def test_a_broken_run_equals_an_unbroken_one(recipe_file, way):
    whole = load_recipe(recipe_file, [*WAYS[way], "name=whole"])
    train_networks(whole)
    broken = load_recipe(recipe_file, [*WAYS[way], "name=broken"])
    for steps in (4, 3):  # neither the steps of a row nor those of a look
        with pytest.raises(CancelledError):
            train_networks(broken, resume=True, cancel=StopsAfter(steps))
    train_networks(broken, resume=True)
    for name in ("losses.csv", "validation.csv"):
        assert rows(broken, name) == rows(whole, name)
    assert rows(whole, "losses.csv")
    one, other = (load_file(network_file(recipe, "segmenter-0")) for recipe in (whole, broken))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    if whole.stages["segmenter"].keep == "best":
        assert_a_plateau_was_met_and_the_best_kept(whole)


def assert_a_plateau_was_met_and_the_best_kept(recipe):
    """Make sure that the settings do what they are there for."""
    state = torch.load(recipe.run_folder / "segmenter-0" / "checkpoint.pt", weights_only=True)["watch"]
    assert state["reductions"] >= 1
    kept = load_file(network_file(recipe, "segmenter-0"))
    assert all(torch.equal(kept[name], tensor) for name, tensor in state["kept"].items())
    looks = rows(recipe, "validation.csv")
    assert state["kept_step"] == int(max(looks, key=lambda row: float(row["pancreas"]))["step"])


def begun(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, f"{STAGE}.steps=4", "name=begun"])
    with pytest.raises(CancelledError):
        train_networks(recipe, cancel=StopsAfter(2))
    return recipe, recipe.run_folder / "segmenter-0" / "checkpoint.pt"


class Evil:
    def __reduce__(self):
        return (shutil.rmtree, ("/nonexistent-folder-of-a-test",))


def test_no_other_file_is_taken_for_a_checkpoint(recipe_file):
    recipe, path = begun(recipe_file)
    good = torch.load(path, weights_only=True)
    hostile = {
        "code": pickle.dumps(Evil()),
        "a cut file": path.read_bytes()[:-100],
        "nothing": b"",
        "a list": [1, 2],
        "nothing in it": {},
        "no weights": {**good, "network": {}},
        "other shapes": {**good, "network": {name: torch.zeros(3) for name in good["network"]}},
        "no optimiser": {**good, "optimizer": {"state": {}, "param_groups": []}},
        "words for numbers": {**good, "step": "many"},
        "a strange watch": {**good, "watch": {"gains": []}},
        "losses of another kind": {**good, "losses": 3},
    }
    for what, content in hostile.items():
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        with pytest.raises(RecipeError, match="checkpoint") as caught:
            train_networks(recipe, resume=True)
        assert "Delete it" in str(caught.value), what
    torch.save(good, path)
    train_networks(recipe, resume=True)
    assert network_file(recipe, "segmenter-0").is_file()


def test_a_checkpoint_of_an_earlier_version_goes_on(recipe_file):
    recipe, path = begun(recipe_file)
    state = torch.load(path, weights_only=True)
    old = {name: state[name] for name in ("step", "elapsed", "network", "average", "optimizer", "scaler")}
    torch.save(old, path)
    train_networks(recipe, resume=True)
    assert [row["step"] for row in rows(recipe, "losses.csv")] == ["4"]
