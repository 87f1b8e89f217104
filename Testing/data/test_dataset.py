import functools
import json
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.data import patient_folds, read_dataset
from PancreasSegLib.errors import DatasetError


def make(root, labels, training, files=()):
    for name in files:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"")
    (root / "dataset.json").write_text(json.dumps({"labels": labels, "training": training}))


def test_both_label_styles_and_mac_files(tmp_path):
    files = ["imagesTr/b.nii.gz", "labelsTr/b.nii.gz", "imagesTr/a.nii.gz", "labelsTr/a.nii.gz"]
    entries = [
        {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"},
        {"image": "./imagesTr/._b.nii.gz", "label": "./labelsTr/._b.nii.gz"},
        {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"},
    ]
    make(tmp_path, {"0": "background", "1": "pancreas"}, entries, files)
    msd = read_dataset(tmp_path)
    assert [case.name for case in msd.cases] == ["a", "b"]
    make(tmp_path, {"background": 0, "pancreas": 1}, entries)
    assert read_dataset(tmp_path).labels == msd.labels == {"background": 0, "pancreas": 1}


@pytest.mark.parametrize(
    ("labels", "training", "what"),
    [
        ({"0": "background"}, [{"image": "x.nii.gz", "label": "y.nii.gz"}], "missing"),
        ({"0": "background"}, [], "no training cases"),
        ({"0": "background"}, [{"image": "x"}], "not a dataset description"),
        ([], [], "not a dataset description"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, labels, training, what):
    make(tmp_path, labels, training)
    with pytest.raises(DatasetError, match=what):
        read_dataset(tmp_path)


def test_a_folder_without_description(tmp_path):
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        read_dataset(tmp_path)


@given(st.sets(st.text(min_size=1, max_size=4), min_size=2, max_size=30), st.integers(2, 8), st.integers(0, 5))
def test_every_patient_is_held_out_once(names, folds, seed):
    folds = min(folds, len(names))
    split = patient_folds(list(names), folds, seed)
    assert sorted(functools.reduce(operator.iadd, split, [])) == sorted(names)
    assert max(map(len, split)) - min(map(len, split)) <= 1
    assert split == patient_folds(sorted(names, reverse=True), folds, seed)
