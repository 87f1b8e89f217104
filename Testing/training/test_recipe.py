import re

import pytest
import yaml

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.recipe import StageRecipe, find_recipe, load_recipe, read_recipe, recipe_schema


def test_the_default_recipe_is_valid():
    recipe = load_recipe("default")
    assert recipe.data.organ == "pancreas"
    assert set(recipe.stages) == {"localiser", "segmenter"}


def test_overrides_reach_nested_fields(recipe_file):
    recipe = load_recipe(recipe_file, ["fold=1", "stages.segmenter.steps=7", "data.labels=[pancreas]"])
    assert (recipe.fold, recipe.stages["segmenter"].steps, recipe.data.labels) == (1, 7, ("pancreas",))


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("stages.segmenter.stepz=5", "stages.segmenter.stepz: there is no such field; did you mean steps?"),
        ("stages.segmenter.optimizer.lerning_rate=1", "did you mean learning_rate?"),
        ("stages.segmenter.optimizer.schedule=cosin", "did you mean cosine?"),
        ("stages.segmenter.loss.name=dise_ce", "did you mean dice_ce?"),
        ("stages.segmentor={}", "did you mean segmenter?"),
        ("data.labels={pancreas: [a, b], decoy: [b]}", "b cannot belong to two classes"),
        ("data.outputs=[liver]", "data.outputs: 'liver'"),
        ("stages.segmenter.window_hu=[200, -100]", "window_hu: the lower bound comes first"),
        ("stages.segmenter.spacing_mm=[1, 1, -1]", "spacing_mm: each spacing is above 0"),
        ("stages.segmenter.sampling={batch_size: 3, accumulate: 2}", "sampling.accumulate"),
        ("stages.segmenter.loss={dice: 0, cross_entropy: 0}", "cannot both be 0"),
        ("variants={../x: {seed: 1}}", "cannot name a folder"),
        ("schema_version=99", "newer version"),
        ("stages.segmenter.steps=0", "stages.segmenter.steps"),
        ("stages.segmenter.patch_ijk=[1,2]", "patch_ijk"),
        ("data.organ=spleen", "data.organ"),
        ("fold=9", "fold"),
        ("stages.segmenter.initial_weights=[a, b]", "initial_weights"),
        ("fold", "key=value"),
        ("name.x=1", "name"),
        ("fold=[", "fold=["),
    ],
)
def test_a_wrong_field_is_named(recipe_file, override, named):
    with pytest.raises(RecipeError, match=re.escape(named)):
        load_recipe(recipe_file, [override])


def test_a_recipe_survives_being_written(recipe_file):
    """Also where it leaves things open: the run folder holds a recipe that can be read again."""
    for overrides in (
        [],
        ["stages.segmenter.patch_ijk=auto", "stages.segmenter.sampling.batch_size=auto", "data.labels=all"],
        ["data.labels={pancreas: [pancreas, tumour], rest: [liver]}", "data.split={kind: holdout, test: [a]}"],
    ):
        recipe = load_recipe(recipe_file, [*overrides, "stages.segmenter.early_stopping={patience: 3}"])
        text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
        assert read_recipe(yaml.safe_load(text)) == recipe


def test_labels_may_be_names_all_or_merged(recipe_file):
    merged = load_recipe(recipe_file, ["data.labels={kidneys: [left kidney, right kidney], pancreas: [pancreas]}"])
    assert merged.data.labels == ("kidneys", "pancreas")
    assert merged.data.sources_of("kidneys") == ("left kidney", "right kidney")
    assert merged.data.written == ("pancreas",)
    assert load_recipe(recipe_file, ["data.labels=all"]).data.every_label


def test_epochs_count_instead_of_steps(recipe_file):
    stage = load_recipe(recipe_file, ["stages.segmenter.epochs=4", "stages.segmenter.steps_per_epoch=25"]).stages[
        "segmenter"
    ]
    assert (stage.total_steps, stage.epoch_steps, stage.validate_every) == (100, 25, 3)
    bare = StageRecipe(spacing_mm=(1, 1, 1), patch_ijk=(8, 8, 8), epochs=2, steps_per_epoch=30)
    assert bare.validate_every == 30  # validated each epoch where nothing else is said
    assert StageRecipe(spacing_mm=(1, 1, 1), patch_ijk=(8, 8, 8), steps=7).total_steps == 7


def test_the_schema_knows_every_field_and_takes_the_shipped_recipes():
    schema = recipe_schema()
    stage = schema["$defs"]["StageRecipe"]["properties"]
    assert set(stage) == set(StageRecipe.model_fields)
    assert {"const": "auto"} in stage["patch_ijk"]["anyOf"]
    assert schema["$defs"]["StageRecipe"]["additionalProperties"] is False
    jsonschema = pytest.importorskip("jsonschema", reason="checks the schema where it is installed")
    for name in ("default", "gpu"):
        content = yaml.safe_load(find_recipe(name).read_text(encoding="utf-8"))
        jsonschema.validate(content, schema)
        content["stages"]["segmenter"]["stepz"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content, schema)


def test_a_missing_recipe_names_those_that_exist(tmp_path):
    with pytest.raises(RecipeError, match="default"):
        load_recipe("no-such-recipe")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(broken)
