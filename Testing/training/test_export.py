import numpy as np
import pytest
import torch

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.models import build_stage_network, load_package, verify_package
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks


def test_an_exported_run_predicts_as_it_was_trained(recipe_file):
    recipe = load_recipe(recipe_file, ["stages.segmenter.steps=50", "stages.segmenter.members=2"])
    train_networks(recipe)
    package = load_package(export_run(recipe, scores={"dice": 0.5}))
    verify_package(package.path)
    assert package.labels == {"pancreas": 1}
    assert package.scores == {"dice": 0.5}
    assert package.recipe["data"]["labels"] == ["decoy", "pancreas"]
    stage = package.stage("segmenter")
    assert stage.multiple_ijk == (4, 4, 2)
    assert stage.labels == {"background": 0, "decoy": 1, "pancreas": 2}
    assert len(stage.weights) == 2

    case = CaseCache(recipe.data, recipe.stages["segmenter"]).load()[0]
    low, high = stage.window_hu
    hu = torch.from_numpy(case.image).float() * ((high - low) / 255) + low
    with torch.no_grad():
        logits = build_stage_network(package, stage, 1)(((hu - stage.mean_hu) / stage.std_hu)[None, None])
    organ, reference = logits[0].argmax(0).numpy() == 2, case.label == 2
    assert 2 * np.sum(organ & reference) / (organ.sum() + reference.sum()) > 0.6


def test_an_unfinished_run_is_not_exported(recipe_file):
    recipe = load_recipe(recipe_file, ["stages.segmenter.members=2", "only=[segmenter-0]"])
    train_networks(recipe)
    with pytest.raises(RecipeError, match="segmenter-1"):
        export_run(recipe)
