"""What a recipe leaves open is chosen by dataset and memory, and stated."""

import logging

import numpy as np
import pytest
import torch
import yaml
from small_networks import SMALL, STAGE

from PancreasSegLib.data import read_dataset
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.networks.footprint import network_footprint
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.plan import as_run, dataset_spacings, plan_spacing, planned
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks
from PancreasSegLib.training.stage_network import stage_arguments

CPU = torch.device("cpu")
AUTO = [f"{STAGE}.patch_ijk=auto", f"{STAGE}.sampling.batch_size=auto"]


def stage_of(recipe, memory_gb, **world):
    chosen = planned(recipe.model_copy(update={"memory_gb": memory_gb}), CPU, torch.float32, **world)
    return chosen.stages["segmenter"]


def test_a_recipe_that_says_all_is_left_alone(recipe_file):
    recipe = load_recipe(recipe_file, SMALL)
    assert planned(recipe, CPU, torch.float32) == recipe


def test_the_patch_grows_with_the_memory_and_fits(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, *AUTO])
    sizes = []
    for memory in (0.004, 0.008, 4.0):
        stage = stage_of(recipe, memory)
        sizes.append(int(np.prod(stage.patch_ijk)))
        assert all(length % multiple == 0 for length, multiple in zip(stage.patch_ijk, (4, 4, 4), strict=True))
        batch = stage.sampling.batch_size
        cost = network_footprint(stage.network, stage_arguments(stage, 2), stage.patch_ijk, batch=batch)
        assert cost.training_mb / 1024 <= memory
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert stage.patch_ijk == (44, 40, 24)  # the median case
    with pytest.raises(RecipeError, match="memory_gb"):
        stage_of(recipe, 0.00005)


def test_a_batch_is_shared_by_processes(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, f"{STAGE}.sampling.batch_size=auto"])
    assert stage_of(recipe, 4.0, processes=3).sampling.batch_size % 3 == 0


def test_slices_are_planned_as_slices(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, f"{STAGE}.arguments.spatial_dims=2", *AUTO])
    stage = stage_of(recipe, 4.0)
    assert stage.patch_ijk == (44, 40, 1)
    assert stage.sampling.batch_size > 1


def test_spacing_is_the_median_and_thick_slices_count_less(miniature):
    assert np.allclose(dataset_spacings(read_dataset(miniature)), [[2.0, 2.0, 3.0]] * 4)
    assert plan_spacing(np.asarray([[0.7, 0.7, 1.0], [0.9, 0.9, 2.0], [0.8, 0.8, 1.5]])) == (0.8, 0.8, 1.5)
    thick = plan_spacing(np.asarray([[0.7, 0.7, 5.0], [0.8, 0.8, 2.5], [0.9, 0.9, 5.0]]))
    assert thick == (0.8, 0.8, 3.0)


def test_a_run_states_what_was_chosen_and_goes_on_with_it(recipe_file, caplog):
    open_ = [*SMALL, *AUTO, f"{STAGE}.spacing_mm=auto", "data.labels=all", "memory_gb=0.05", f"{STAGE}.steps=2"]
    recipe = load_recipe(recipe_file, open_)
    assert recipe.data.every_label
    with caplog.at_level(logging.INFO, "PancreasSegLib"):
        train_networks(recipe)
    for words in ("spacing_mm auto is [2.0, 2.0, 3.0]", "patch_ijk [", "labels: all are decoy, pancreas"):
        assert words in caplog.text
    written = yaml.safe_load((recipe.run_folder / "recipe.yaml").read_text())
    stage = written["stages"]["segmenter"]
    assert written["data"]["labels"] == ["decoy", "pancreas"]
    assert stage["spacing_mm"] == [2.0, 2.0, 3.0]
    assert min(stage["patch_ijk"]) > 1
    assert stage["sampling"]["batch_size"] >= 1
    later = load_recipe(recipe_file, [*open_, "memory_gb=4"])  # more memory by now
    assert as_run(later).stages["segmenter"].patch_ijk == tuple(stage["patch_ijk"])
    package = yaml.safe_load((export_run(later) / "configs" / "metadata.json").read_text())
    assert "decoy" in str(package)


def test_labels_all_without_the_organ_is_refused(recipe_file):
    recipe = load_recipe(recipe_file, [*SMALL, "data.labels=all", "data.organ=spleen"])
    with pytest.raises(RecipeError, match=r"data\.organ.*spleen"):
        train_networks(recipe)
