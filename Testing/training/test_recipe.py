import pytest

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.recipe import load_recipe


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
        ("stages.segmenter.stepz=5", "stages.segmenter.stepz"),
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
    with pytest.raises(RecipeError, match=named.replace("[", r"\[")):
        load_recipe(recipe_file, [override])


def test_a_missing_recipe_names_those_that_exist(tmp_path):
    with pytest.raises(RecipeError, match="default"):
        load_recipe("no-such-recipe")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(broken)
