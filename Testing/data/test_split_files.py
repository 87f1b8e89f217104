"""A split is read as it was written, and no patient can be in two parts of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.data import Split, read_split, write_split
from PancreasSegLib.errors import DatasetError

PATIENTS = st.lists(st.text(min_size=1, max_size=5), min_size=4, max_size=20, unique=True)


@given(PATIENTS, st.booleans())
def test_a_split_comes_back(tmp_path_factory, patients, holdout):
    half = len(patients) // 2
    test = tuple(sorted(patients[:1]))
    first, second = tuple(sorted(patients[1:half])), tuple(sorted(patients[half:]))
    if holdout:
        split = Split("holdout", (first,), test, second, 3)
    else:
        split = Split("folds", (test, second), first, seed=7)
    folder = tmp_path_factory.mktemp("dataset")
    file = write_split(folder, split)
    assert file == folder / "splits.json"
    assert read_split(folder) == read_split(file) == split
    assert split.patients == set(patients)
    for fold in range(len(split.folds)):
        parts = (set(split.training_of(fold)), set(split.validation_of(fold)), set(split.test))
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
        assert set.union(*parts) == set(patients)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"kind": "folds", "folds": [["a", "b"], ["b"]]}, "'b' twice"),
        ({"kind": "holdout", "training": ["a"], "validation": ["a"], "test": []}, "'a' twice"),
        ({"kind": "holdout", "training": ["a", "a"]}, "'a' twice"),
        ({"kind": "folds", "folds": [["a"]]}, "at least two"),
        ({"kind": "folds", "folds": [["a"], "bc"]}, "not a list of patients"),
        ({"kind": "thirds"}, "neither 'folds' nor 'holdout'"),
        ({"kind": "holdout"}, "training"),
        ([], "not a split"),
        ("x", "not a split"),
    ],
)
def test_what_is_no_split_is_refused(tmp_path, content, what):
    file = tmp_path / "splits.json"
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=what) as problem:
        read_split(tmp_path)
    assert str(file) in problem.value.message


def test_a_missing_and_a_damaged_file(tmp_path):
    with pytest.raises(DatasetError, match="no split"):
        read_split(tmp_path)
    (tmp_path / "splits.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_split(tmp_path)


def test_a_split_has_to_fit_its_dataset():
    split = Split("folds", (("a",), ("b",)))
    split.check_patients(["a", "b", "a"])
    with pytest.raises(DatasetError, match="not in the dataset, 'b'"):
        split.check_patients(["a"])
    with pytest.raises(DatasetError, match="leaves out 1 patients of the dataset, 'c'"):
        split.check_patients(["a", "b", "c"])
    with pytest.raises(DatasetError, match="no fold 2"):
        split.training_of(2)
