"""Who never saw whom: the packages of a cross-validation."""

import json

import pytest
import yaml

from PancreasSegLib.data import Case, patient_folds
from PancreasSegLib.errors import DatasetError, ModelPackageError, RecipeError
from PancreasSegLib.training.fold_packages import fold_packages

NAMES = [f"case_{number}" for number in range(7)]


def case(name):
    return Case(name, f"imagesTr/{name}.nii.gz", f"labelsTr/{name}.nii.gz")


@pytest.fixture
def run_folder(tmp_path):
    """What `cross-validate` leaves: three folds with recipe and package; files that are not read are empty."""
    data = tmp_path / "data"
    entries = []
    for name in NAMES:
        for folder in ("imagesTr", "labelsTr"):
            (data / folder).mkdir(parents=True, exist_ok=True)
            (data / folder / f"{name}.nii.gz").touch()
        entries.append({"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"})
    (data / "dataset.json").write_text(json.dumps({"labels": {"pancreas": 1}, "training": entries}))
    for number in range(3):
        fold = tmp_path / "runs/mine" / f"fold-{number}"
        (fold / "package").mkdir(parents=True)
        (fold / "recipe.yaml").write_text(yaml.safe_dump(recipe(tmp_path, fold=number)))
    return tmp_path / "runs/mine"


def recipe(root, fold="all", **data):
    return {
        "name": "mine",
        "fold": fold,
        "output": str(root / "runs"),
        "data": {"root": str(root / "data"), "folds": 3, "split_seed": 5} | data,
        "stages": {"segmenter": {"spacing_mm": [2, 2, 3], "patch_ijk": [32, 32, 16]}},
    }


def test_every_patient_gets_the_fold_that_held_the_patient_out(run_folder):
    found = fold_packages(run_folder, [case(name) for name in NAMES])
    for number, held_out in enumerate(patient_folds(NAMES, 3, 5)):
        assert {found[name] for name in held_out} == {run_folder / f"fold-{number}" / "package"}


def test_a_choice_of_cases_does_not_change_the_split(run_folder):
    every = fold_packages(run_folder, [case(name) for name in NAMES])
    assert fold_packages(run_folder, [case("case_3")]) == {"case_3": every["case_3"]}


def test_the_recipe_will_do_as_well(run_folder, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(recipe(tmp_path)))
    cases = [case(name) for name in NAMES]
    assert fold_packages(file, cases) == fold_packages(run_folder, cases)


def test_excluded_patients_shift_the_split_as_in_training(run_folder, tmp_path):
    for number in range(3):
        content = recipe(tmp_path, fold=number, exclude=["case_0"])
        (run_folder / f"fold-{number}" / "recipe.yaml").write_text(yaml.safe_dump(content))
    found = fold_packages(run_folder, [case(name) for name in NAMES[1:]])
    for number, held_out in enumerate(patient_folds(NAMES[1:], 3, 5)):
        assert all(found[name].parent.name == f"fold-{number}" for name in held_out)
    with pytest.raises(DatasetError, match="not made of case_0"):
        fold_packages(run_folder, [case("case_0")])


def test_scans_of_one_patient_go_together(run_folder, tmp_path):
    """The split is by patient: a second scan of a patient whom a model saw is no unseen case."""
    records = {
        name: {
            "state": "accepted",
            "labels_present": ["pancreas"],
            "files": {kind: {"path": name, "sha256": "0"} for kind in ("image", "label")},
            "source": {"patient": f"p{number // 2}"},
        }
        for number, name in enumerate(NAMES)
    }
    (tmp_path / "data/provenance.json").write_text(json.dumps({"cases": records}))
    found = fold_packages(run_folder, [case(name) for name in NAMES])
    assert len(set(found.values())) == 3
    assert all(found[one] == found[two] for one, two in zip(NAMES[0:6:2], NAMES[1:6:2], strict=True))


def test_what_no_fold_was_made_of_is_refused(run_folder):
    with pytest.raises(DatasetError, match=r"not made of stranger, so a model may have seen"):
        fold_packages(run_folder, [case("case_1"), case("stranger")])


def test_an_unfinished_fold_is_named(run_folder):
    (run_folder / "fold-1" / "package").rmdir()
    with pytest.raises(ModelPackageError, match="fold-1"):
        fold_packages(run_folder, [case(name) for name in NAMES])


def test_folds_of_different_splits_are_refused(run_folder, tmp_path):
    (run_folder / "fold-2" / "recipe.yaml").write_text(yaml.safe_dump(recipe(tmp_path, fold=2, split_seed=6)))
    with pytest.raises(RecipeError, match=r"fold-2 was not trained on the same split"):
        fold_packages(run_folder, [case("case_1")])


def test_a_folder_without_folds_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="no folds"):
        fold_packages(tmp_path, [case("case_1")])


def test_a_dataset_that_is_gone_leaves_nothing_to_go_by(run_folder, tmp_path):
    (tmp_path / "data/dataset.json").unlink()
    with pytest.raises(DatasetError, match="which model saw which patient"):
        fold_packages(run_folder, [case("case_1")])
