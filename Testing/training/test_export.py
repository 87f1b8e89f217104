import pytest
import torch
from safetensors.torch import load_file

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.models import build_stage_network, load_package, verify_package
from PancreasSegLib.networks import build_network
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import network_file, train_networks


def test_an_exported_run_predicts_as_it_was_trained(recipe_file):
    recipe = load_recipe(recipe_file, ["stages.segmenter.members=2", "stages.segmenter.temperature=1.5"])
    train_networks(recipe)
    package = load_package(export_run(recipe, scores={"dice": 0.5}, model_card="# Mine"))
    verify_package(package.path)
    assert package.labels == {"pancreas": 1}
    assert package.scores == {"dice": 0.5}
    assert package.recipe["data"]["labels"] == ["decoy", "pancreas"]
    assert (package.path / "MODEL_CARD.md").read_text() == "# Mine"
    stage = package.stage("segmenter")
    assert stage.multiple_ijk == (4, 4, 2)
    assert stage.labels == {"background": 0, "decoy": 1, "pancreas": 2}
    assert stage.temperature == 1.5
    assert len(stage.weights) == 2

    image = torch.randn(1, 1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    for member in range(2):
        trained = build_network("dynunet", **stage.arguments).eval()
        trained.load_state_dict(load_file(network_file(recipe, f"segmenter-{member}")))
        with torch.no_grad():
            expected, exported = trained(image), build_stage_network(package, stage, member)(image)
        assert expected.std() > 0.01
        assert torch.allclose(expected, exported, atol=0.02 * float(expected.std()) + 1e-3)  # fp16 on disk


def test_an_unfinished_run_is_not_exported(recipe_file):
    recipe = load_recipe(recipe_file, ["stages.segmenter.members=2", "only=[segmenter-0]"])
    train_networks(recipe)
    with pytest.raises(RecipeError, match="segmenter-1"):
        export_run(recipe)
