"""Cases within a budget of memory: the same patches and the same result as with all of them held."""

import pytest
import torch
from safetensors.torch import load_file
from small_networks import SMALL, STAGE

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.case_memory import CaseMemory
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import network_file, train_networks


class Sized:
    nbytes = 10


@pytest.mark.parametrize(("budget", "most"), [(None, 5), (100, 5), (35, 3), (1, 1)])
def test_the_least_recently_used_gives_way(budget, most):
    memory = CaseMemory(lambda number: Sized(), budget)
    for number in (0, 1, 2, 3, 4, 4, 3):
        memory[number]
    assert memory.nbytes == 10 * most
    loads = memory.loads
    memory[3]
    assert memory.loads == loads


def test_the_one_used_last_stays_longest():
    memory = CaseMemory(lambda number: Sized(), 20)
    memory[0], memory[1], memory[0], memory[2]
    loads = memory.loads
    memory[0]
    assert memory.loads == loads
    memory[1]
    assert memory.loads == loads + 1


def test_what_comes_next_is_read_once_and_ahead():
    read = []

    def load(number):
        read.append(number)
        return Sized()

    memory = CaseMemory(load, 25)
    memory[0]
    memory.expect([0, 1, 2])  # 0 is held
    memory[1], memory[2]
    assert sorted(read) == [0, 1, 2]
    assert memory.nbytes <= 25

    def broken(number):
        raise DatasetError(f"case {number} is damaged")

    memory = CaseMemory(broken, 25)
    memory.expect([3])
    with pytest.raises(DatasetError, match="case 3"):
        memory[3]


def test_batches_within_a_budget_are_those_without(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, f"{STAGE}.sampling.batch_size=2"])
    stage = recipe.stages["segmenter"]
    stored = CaseCache(recipe.data, stage).stored()
    everything = PatchSampler([case.load() for case in stored], stage, 2, torch.device("cpu"), 7)
    frugal = PatchSampler(stored, stage, 2, torch.device("cpu"), 7, memory_gb=1e-9)
    for step in range(12):
        for a, b in zip(everything.batch(step)[:2], frugal.batch(step)[:2], strict=True):
            assert torch.equal(a, b)
    assert everything.memory.loads == 4
    assert frugal.memory.loads > 4
    held = [frugal.memory[n].nbytes for n in range(4)]
    assert frugal.memory.nbytes <= max(held)


def test_a_run_within_a_budget_ends_as_one_without(recipe_file):
    settings = [*SMALL, "fold=0", f"{STAGE}.steps=4"]
    whole = load_recipe(recipe_file, [*settings, "name=whole"])
    frugal = load_recipe(recipe_file, [*settings, "name=frugal", "data.cache_memory_gb=0.0001"])
    for recipe in (whole, frugal):
        train_networks(recipe)
    one, other = (load_file(network_file(recipe, "segmenter-0")) for recipe in (whole, frugal))
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_a_damaged_prepared_case_is_named(recipe_file):
    recipe = load_recipe(recipe_file, SMALL)
    stored = CaseCache(recipe.data, recipe.stages["segmenter"]).stored()
    stored[2].file.write_bytes(b"PK nothing")
    with pytest.raises(DatasetError, match="case_2"):
        stored[2].load()
