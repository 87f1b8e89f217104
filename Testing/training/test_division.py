"""Who learns, who is held out, who is tested."""

from dataclasses import dataclass

import pytest

from PancreasSegLib.data.splits import Split, write_split
from PancreasSegLib.errors import DatasetError, RecipeError
from PancreasSegLib.training.division import patient_split, split_cases
from PancreasSegLib.training.recipe import load_recipe

PATIENTS = [f"p{n:02d}" for n in range(10)]


@dataclass(frozen=True)
class Scan:
    patient: str
    phantom: bool = False


SCANS = [Scan(p) for p in PATIENTS] + [Scan("p03"), Scan("phantom", True)]


def recipe(*overrides):
    return load_recipe("default", overrides)


def names(cases):
    return {case.patient for case in cases}


def test_the_short_form_and_the_long_one_give_the_same_folds():
    short = patient_split(recipe("data.folds=3", "data.split_seed=4").data, PATIENTS)
    long = patient_split(recipe("data.split={kind: folds, folds: 3, seed: 4}").data, PATIENTS)
    assert short == long
    assert sorted(name for fold in long.folds for name in fold) == PATIENTS


@pytest.mark.parametrize(
    ("validation", "test", "counts"),
    [
        ("2", "3", (2, 3)),
        ("0.2", "0", (2, 0)),
        ("0.3", "0.1", (3, 1)),
        ("[p01, p02]", "1", (2, 1)),
        ("0.01", "0", (1, 0)),
    ],
)
def test_a_holdout_keeps_whole_patients_apart(validation, test, counts):
    split = f"data.split={{kind: holdout, validation: {validation}, test: {test}}}"
    made = patient_split(recipe(split).data, PATIENTS)
    assert (len(made.folds[0]), len(made.test)) == counts
    assert made.patients == set(PATIENTS)
    fold = split_cases(SCANS, recipe(split, "fold=0"))
    assert names(fold.validation) == set(made.folds[0])
    assert not names(fold.training) & (names(fold.validation) | set(made.test))
    assert "phantom" in names(fold.training)
    everyone = split_cases(SCANS, recipe(split))
    assert not everyone.validation
    assert names(everyone.training) == set(PATIENTS) - set(made.test) | {"phantom"}


def test_named_patients_are_not_drawn_again():
    for seed in range(20):
        split = f"data.split={{kind: holdout, validation: [p01, p02], test: 4, seed: {seed}}}"
        made = patient_split(recipe(split).data, PATIENTS)
        assert made.folds[0] == ("p01", "p02")
        assert len(made.test) == 4


def test_a_seed_decides():
    draw = [
        patient_split(recipe(f"data.split={{kind: holdout, validation: 3, seed: {seed}}}").data, PATIENTS).folds
        for seed in (0, 0, 1)
    ]
    assert draw[0] == draw[1] != draw[2]


def test_a_file_beside_the_dataset_is_followed(tmp_path):
    write_split(tmp_path, Split("folds", (tuple(PATIENTS[:4]), tuple(PATIENTS[4:9])), test=(PATIENTS[9],)))
    one = recipe(f"data.root={tmp_path}", "data.split={kind: file}", "fold=1")
    fold = split_cases(SCANS, one)
    assert names(fold.validation) == set(PATIENTS[4:9])
    assert names(fold.training) == {*PATIENTS[:4], "phantom"}
    with pytest.raises(DatasetError, match="no fold 7"):
        split_cases(SCANS, recipe(f"data.root={tmp_path}", "data.split={kind: file}", "fold=7"))
    with pytest.raises(DatasetError, match="leaves out p10"):
        patient_split(one.data, [*PATIENTS, "p10"])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.split={kind: holdout, validation: [px]}"], "no patient px"),
        (["data.split={kind: holdout, validation: 8, test: 2}"], "nobody is left"),
        (["data.folds=11"], "11 folds cannot be made of 10"),
        (["data.split={kind: holdout}", "fold=1"], "fold 0 alone"),
        (["data.split={kind: folds, folds: 4}", "fold=4"], "one of the 4 folds"),
        (["data.split={kind: holdout, validatoin: 3}"], "did you mean validation"),
        (["data.split={kind: hold}"], "data.split: kind: 'hold' is not one of"),
    ],
)
def test_what_cannot_be_divided_is_said(overrides, sentence):
    with pytest.raises(RecipeError, match=sentence):
        patient_split(recipe(*overrides).data, PATIENTS)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(DatasetError, match="no split"):
        patient_split(recipe(f"data.root={tmp_path}", "data.split={kind: file}").data, PATIENTS)
