"""What a training refuses before its first step, as `data prepare` would."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from small_networks import SMALL, STAGE

from PancreasSegLib.cli.app import run
from PancreasSegLib.errors import DatasetError, RecipeError
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks


@pytest.fixture
def own(miniature, tmp_path):
    """A copy of the miniature dataset that a test may spoil."""
    return shutil.copytree(miniature, tmp_path / "own")


def _change(path, how) -> None:
    image = sitk.ReadImage(str(path))
    changed = sitk.GetImageFromArray(how(sitk.GetArrayFromImage(image)))
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))


def _train(recipe_file, root, *more: str) -> None:
    train_networks(load_recipe(recipe_file, [*SMALL, f"{STAGE}.steps=2", f"data.root={root}", *more]))


def test_a_value_without_a_name(recipe_file, own):
    _change(own / "labelsTr" / "case_2.nii.gz", lambda label: np.where(label == 1, 7, label).astype(np.uint8))
    with pytest.raises(DatasetError, match=r"case_2.*holds 7"):
        _train(recipe_file, own)


def test_a_set_without_any_organ(recipe_file, own):
    for path in (own / "labelsTr").iterdir():
        _change(path, lambda label: np.where(label == 2, 0, label).astype(np.uint8))
    with pytest.raises(DatasetError, match="None of the 4 cases of miniature holds a voxel of the pancreas"):
        _train(recipe_file, own)


def test_hu_plus_1024(recipe_file, own):
    _change(own / "imagesTr" / "case_1.nii.gz", lambda hu: (hu + 1024).astype(np.int16))
    with pytest.raises(DatasetError, match=r"case_1.*HU \+ 1024"):
        _train(recipe_file, own)


def test_one_scan_under_two_names(recipe_file, own):
    for folder in ("imagesTr", "labelsTr"):
        shutil.copy(own / folder / "case_0.nii.gz", own / folder / "other.nii.gz")
    content = json.loads((own / "dataset.json").read_text())
    content["training"].append({"image": "imagesTr/other.nii.gz", "label": "labelsTr/other.nii.gz"})
    (own / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="other and case_0 hold the same scan"):
        _train(recipe_file, own, "fold=0")
    _train(recipe_file, own, "fold=0", "data.exclude=[other]")


def test_resume_of_a_finished_run_with_another_recipe(recipe_file, miniature, capfd):
    few = [*SMALL, f"{STAGE}.steps=2", "device=cpu"]
    assert run(["train", str(recipe_file), *few]) == 0
    assert (
        run(["train", str(recipe_file), *few, "--resume", "device=auto"]) == 0
    )  # another device is no other recipe
    capfd.readouterr()
    assert run(["train", str(recipe_file), *few, "--resume", f"{STAGE}.steps=5"]) == 2
    err = capfd.readouterr().err
    assert "made with another recipe: stages.segmenter.steps differs" in err
    with pytest.raises(RecipeError, match="seed"):
        train_networks(load_recipe(recipe_file, [*few, "seed=9"]), resume=True)
