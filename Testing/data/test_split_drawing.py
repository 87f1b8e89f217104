"""Splits keep patients together, spread volumes evenly, and come out the same again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import source_trees as trees
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.data import read_provenance
from PancreasSegLib.data.adapters import survey
from PancreasSegLib.data.inspection import report_prepared
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.preparation import prepare_dataset
from PancreasSegLib.data.split_drawing import (
    draw_folds,
    draw_holdout,
    look_alikes,
    patient_volumes,
    read_for_split,
)
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io import write_volume
from PancreasSegLib.volume import Volume

VOLUMES = st.dictionaries(st.text(min_size=1, max_size=4), st.none() | st.floats(1, 500), min_size=6, max_size=40)


@given(VOLUMES, st.integers(2, 5), st.integers(0, 9), st.sampled_from([0.0, 0.1, 1.0]))
def test_every_patient_is_held_out_once(volumes, folds, seed, test):
    split = draw_folds(volumes, folds, test=test, seed=seed)
    assert sorted([*split.test, *(name for fold in split.folds for name in fold)]) == sorted(volumes)
    sizes = [len(fold) for fold in split.folds]
    assert max(sizes) - min(sizes) <= 1
    shuffled = dict(reversed(list(volumes.items())))
    assert draw_folds(shuffled, folds, test=test, seed=seed) == split


@given(VOLUMES, st.integers(0, 9))
def test_a_holdout_has_the_sizes_that_were_asked_for(volumes, seed):
    split = draw_holdout(volumes, validation=2, test=0.2, seed=seed)
    assert len(split.folds[0]) == 2
    assert len(split.test) == round(0.2 * len(volumes))
    assert split.patients == set(volumes)
    assert draw_holdout(volumes, validation=2, test=0.2, seed=seed) == split


def test_volumes_are_spread_evenly_and_seeds_differ():
    rng = np.random.default_rng(1)
    volumes = {f"p{n}": float(v) for n, v in enumerate(rng.lognormal(4.4, 0.5, 60))}

    def spread(split) -> float:
        return float(np.std([np.mean([volumes[p] for p in fold]) for fold in split.folds]))

    def at_random(seed: int) -> float:
        order = np.random.default_rng(seed).permutation(60).reshape(5, 12)
        return float(np.std([np.mean([volumes[f"p{n}"] for n in fold]) for fold in order]))

    ours = np.mean([spread(draw_folds(volumes, 5, seed=seed)) for seed in range(20)])
    assert ours < 0.5 * np.mean([at_random(seed) for seed in range(20)])
    assert draw_folds(volumes, 5, seed=0) != draw_folds(volumes, 5, seed=1)


@pytest.mark.parametrize(
    "draw",
    [
        lambda volumes: draw_folds(volumes, 5),
        lambda volumes: draw_folds(volumes, 2, test=3),
        lambda volumes: draw_holdout(volumes, validation=2, test=2),
        lambda volumes: draw_holdout(volumes, validation=0.0),
    ],
)
def test_too_few_patients(draw):
    with pytest.raises(DatasetError):
        draw({"a": 1.0, "b": 2.0, "c": None, "d": 3.0})


@pytest.fixture
def prepared(tmp_path):
    source = trees.write_list(tmp_path / "source")
    prepare_dataset(survey("folder", source), tmp_path / "out", LabelSelection.parse(["pancreas"]))
    return tmp_path / "out"


def test_scans_that_look_alike_are_named(tmp_path):
    trees.write_folder(tmp_path / "source")
    ct, _ = trees.little_abdomen(0)
    brighter = Volume(ct.voxels + np.int16(1), ct.geometry)
    write_volume(tmp_path / "source" / "images" / "second_ct.nii.gz", brighter)
    prepare_dataset(survey("folder", tmp_path / "source"), tmp_path / "out", LabelSelection.parse(["pancreas"]))
    dataset = read_for_split(tmp_path / "out")
    assert look_alikes(dataset) == []  # nobody has looked
    report_prepared(tmp_path / "out")
    assert [(pair.case, pair.other) for pair in look_alikes(dataset)] == [("first", "second")]


def test_scans_of_one_patient_are_one_patient(prepared):
    dataset = read_for_split(prepared)
    volumes = patient_volumes(dataset, "pancreas")
    records = read_provenance(prepared)
    mean = np.mean([record.volume_ml["pancreas"] for record in records.values()])
    assert volumes == {"A": pytest.approx(mean)}
    assert patient_volumes(dataset, None) == {"A": None}
    with pytest.raises(DatasetError, match="no label 'liver'"):
        patient_volumes(dataset, "liver")


def test_a_scan_under_two_patients_is_refused(prepared):
    path = prepared / "provenance.json"
    content = json.loads(path.read_text())
    first, second = content["cases"].values()
    second["source"]["patient"] = "B"
    path.write_text(json.dumps(content))
    read_for_split(prepared)
    second["content_sha256"] = first["content_sha256"]
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="A1 and A2 hold the same CT under two patients"):
        read_for_split(prepared)
