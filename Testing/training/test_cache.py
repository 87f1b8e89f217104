import numpy as np
import pytest

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.training.cache import CaseCache, prepare_case
from PancreasSegLib.training.recipe import StageRecipe, load_recipe
from PancreasSegLib.volume import Geometry, Volume


def sphere(spacing, radius_mm=20.0, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), reach=40.0):
    size = [int(2 * reach / s) for s in spacing]
    geometry = Geometry(size, spacing, (0.0, 0.0, 0.0), direction)
    centre = geometry.index_to_lps((np.asarray(size) - 1) / 2)
    z, y, x = np.meshgrid(*(np.arange(n) for n in geometry.shape_zyx), indexing="ij")
    inside = ((geometry.index_to_lps(np.stack([x, y, z], -1)) - centre) ** 2).sum(-1) < radius_mm**2
    return geometry, inside


@pytest.mark.parametrize(
    "direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (1, 0, 0, 0, -1, 0, 0, 0, 1), (0, 1, 0, 0, 0, -1, 1, 0, 0)]
)
def test_a_sphere_keeps_its_volume_and_contrast(direction):
    geometry, inside = sphere((0.8, 0.9, 2.5), direction=direction)
    ct = Volume(np.where(inside, 100, -1000).astype(np.int16), geometry)
    label = Volume(inside.astype(np.uint8) * 7, geometry)
    stage = StageRecipe(spacing_mm=(2.0, 2.0, 3.0), patch_ijk=(16, 16, 16))
    case = prepare_case("s", ct, label, {7: 1}, stage, organ=1)
    expected = 4 / 3 * np.pi * 20.0**3 / 1000
    assert (case.label == 1).sum() * case.geometry.voxel_volume_ml == pytest.approx(expected, rel=0.03)
    assert np.allclose(case.geometry.matrix, np.eye(3))
    assert case.image[case.label == 1].mean() > 120  # 100 HU is 143 of 255 inside the window
    assert case.image[0].max() == 0


def test_labels_that_are_not_named_become_background():
    geometry, inside = sphere((2.0, 2.0, 2.0))
    label = Volume(np.where(inside, 3, 5).astype(np.uint8), geometry)
    ct = Volume(np.zeros(geometry.shape_zyx, np.int16), geometry)
    case = prepare_case("s", ct, label, {3: 2}, StageRecipe(spacing_mm=(2, 2, 2), patch_ijk=(8, 8, 8)), organ=2)
    assert set(np.unique(case.label)) == {0, 2}


def test_the_organ_region_is_cut_with_its_margin():
    geometry, inside = sphere((2.0, 2.0, 2.0), radius_mm=10, reach=60)
    stage = StageRecipe(spacing_mm=(2, 2, 2), patch_ijk=(8, 8, 8), region={"kind": "organ", "margin_mm": 12})
    ct = Volume(np.zeros(geometry.shape_zyx, np.int16), geometry)
    case = prepare_case("s", ct, Volume(inside.astype(np.uint8), geometry), {1: 1}, stage, organ=1)
    assert all(abs(extent - 44) <= 4 for extent in case.geometry.extent_mm)
    with pytest.raises(DatasetError, match="no voxel"):
        prepare_case("s", ct, Volume(np.zeros(inside.shape, np.uint8), geometry), {1: 1}, stage, organ=1)


def test_a_label_on_another_grid_is_refused():
    geometry, inside = sphere((2.0, 2.0, 2.0))
    moved = Geometry(geometry.size_ijk, geometry.spacing_mm, (5.0, 0.0, 0.0))
    stage = StageRecipe(spacing_mm=(2, 2, 2), patch_ijk=(8, 8, 8))
    with pytest.raises(DatasetError, match="grid"):
        prepare_case(
            "s",
            Volume(np.zeros(inside.shape, np.int16), geometry),
            Volume(inside.astype(np.uint8), moved),
            {1: 1},
            stage,
            organ=1,
        )


def test_a_prepared_cache_needs_no_dataset(recipe_file):
    recipe = load_recipe(recipe_file)
    first = CaseCache(recipe.data, recipe.stages["segmenter"]).load()
    gone = load_recipe(recipe_file, ["data.root=/nowhere"])
    second = CaseCache(gone.data, gone.stages["segmenter"]).load()
    assert [case.name for case in second] == ["case_0", "case_1", "case_2", "case_3"]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        CaseCache(gone.data, gone.stages["segmenter"].model_copy(update={"spacing_mm": (9, 9, 9)})).load()
