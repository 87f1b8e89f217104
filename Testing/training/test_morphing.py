import json

import numpy as np
import pytest
import torch
import yaml
from abdomens import PANCREAS, abdomen, write_base

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io import write_mask
from PancreasSegLib.metrics import dice
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.morphing import MorphStore
from PancreasSegLib.training.morphing.deformation import Deformation
from PancreasSegLib.training.morphing.morph import OrganShape, morph_case
from PancreasSegLib.training.morphing.registration import register_labels
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.prepared import PreparedCase
from PancreasSegLib.training.recipe import RefinerRecipe, StageRecipe, load_recipe
from PancreasSegLib.training.refiner.cases import refiner_cases
from PancreasSegLib.training.run import train_networks
from PancreasSegLib.volume import Geometry

SPACING = (4.0, 4.0, 5.0)


@pytest.fixture
def recipe(tmp_path):
    root = write_base(tmp_path / "data", range(2))
    for seed in (7, 8):
        ct, labels = abdomen(seed)
        write_mask(root / "labelsOnly" / f"shape_{seed}.nii.gz", labels, ct.geometry)
    stage = {
        "spacing_mm": list(SPACING),
        "region": {"kind": "organ", "margin_mm": 60},
        "patch_ijk": [16, 16, 16],
        "network": "unet",
        "arguments": {"filters": [4, 8], "strides": [1, 2]},
        "sampling": {"batch_size": 1, "morph_share": 0.5},
        "steps": 2,
    }
    content = {
        "name": "shapes",
        "output": str(tmp_path / "runs"),
        "fold": 0,
        "data": {
            "root": str(root),
            "cache": str(tmp_path / "cache"),
            "labels": ["liver", "pancreas"],
            "shapes": "labelsOnly",
            "folds": 2,
        },
        "stages": {"segmenter": stage},
        "monitor": {"curves": False},
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return load_recipe(file)


def _moved(label, *, by=(0, 0, 0)):
    return np.roll(label, by, axis=(0, 1, 2))


def test_an_organ_is_brought_onto_another():
    around = (slice(8, 34), slice(14, 46), slice(22, 72))
    one, other = (np.where(abdomen(seed)[1] == PANCREAS, 2, 0).astype(np.uint8)[around] for seed in (1, 2))
    assert dice(one == PANCREAS, other == PANCREAS) < 0.4
    geometry = Geometry(other.shape[::-1], SPACING)
    image = np.where(one == PANCREAS, 200, 50).astype(np.uint8)
    morph = morph_case(
        PreparedCase("one", image, one, geometry), OrganShape("two", other, geometry), classes=3, organ=PANCREAS
    )
    assert morph.organ_dice > 0.8 and morph.good and morph.folded_share == 0
    inside = morph.case.label == PANCREAS
    assert morph.case.image[inside].mean() > 180  # the CT went along with its label
    assert morph.case.image[~inside].mean() < 60
    assert morph.case.morph and morph.case.patient == "one"


def test_a_shift_is_found_in_mm():
    label = np.zeros((30, 40, 40), np.uint8)
    label[10:20, 14:26, 12:28] = 1
    found = register_labels(_moved(label, by=(3, -4, 5)), label, SPACING, classes=2, organ=1)
    position = found.at(label.shape)
    voxel = position[15, 20, 20].numpy() / np.asarray(SPACING[::-1]) - 0.5
    assert voxel == pytest.approx([18, 16, 25], abs=0.6)


def test_folding_is_noticed():
    length = torch.tensor([40.0, 40.0, 40.0])
    field = torch.zeros((1, 3, 3, 3, 3))
    field[0, 2, :, :, 0], field[0, 2, :, :, 2] = 45.0, -45.0  # the two ends of x change places
    flat = Deformation(
        torch.eye(3), torch.zeros(3), torch.zeros_like(field), length / 2, length / 2, length, length
    )
    assert flat.folded_share((8, 8, 8)) == 0
    folded = Deformation(torch.eye(3), torch.zeros(3), field, length / 2, length / 2, length, length)
    assert folded.folded_share((8, 8, 8)) > 0.9


def test_only_training_patients_are_morphed_and_only_once(recipe, monkeypatch):
    train_networks(recipe)
    folder = CaseCache(recipe.data, recipe.stages["segmenter"]).folder / "morphs"
    made = sorted(file.stem for file in folder.glob("*.npz"))
    sources = {name.split("--")[0] for name in made}
    assert len(sources) == 1 and len(made) == 2  # one of two patients is held out; two shapes
    run = json.loads(next(recipe.run_folder.glob("run.json")).read_text())
    assert not any(source in json.dumps(run.get("held_out", "")) for source in sources)

    def again(*_, **__):
        raise AssertionError("made twice")

    monkeypatch.setattr("PancreasSegLib.training.morphing.store.morph_case", again)
    cases = CaseCache(recipe.data, recipe.stages["segmenter"]).stored()
    learnt = [case for case in cases if case.name in sources]
    stored = MorphStore(recipe.data, recipe.stages["segmenter"]).stored(learnt, cases)
    assert sorted(case.name for case in stored) == made
    assert all(case.morph and case.load().morph for case in stored)


def test_patches_are_drawn_from_morphs_by_their_share():
    label = np.zeros((20, 20, 20), np.uint8)
    label[8:12, 8:12, 8:12] = 1
    geometry = Geometry((20, 20, 20), SPACING)
    cases = [PreparedCase(f"c{n}", label * 100, label, geometry, morph=n > 1) for n in range(5)]
    stage = StageRecipe(spacing_mm=SPACING, patch_ijk=(8, 8, 8), sampling={"morph_share": 0.5})
    sampler = PatchSampler(cases, stage, 1, torch.device("cpu"), 0)
    rng = np.random.default_rng(0)
    chosen = np.array([sampler._choose_case(rng) for _ in range(400)])
    assert (chosen >= 2).mean() == pytest.approx(0.5, abs=0.1)
    assert set(chosen) == set(range(5))


@pytest.mark.slow
def test_a_changed_shape_is_morphed_anew(recipe):
    stage = recipe.stages["segmenter"]
    cases = CaseCache(recipe.data, stage).stored()
    first = {c.name: c.load().label for c in MorphStore(recipe.data, stage).stored(cases, cases)}
    ct, labels = abdomen(9)
    write_mask(recipe.data.root / "labelsOnly" / "shape_8.nii.gz", labels, ct.geometry)
    second = {c.name: c.load().label for c in MorphStore(recipe.data, stage).stored(cases, cases)}
    for name, label in second.items():
        same = label.shape == first[name].shape and (label == first[name]).all()
        assert same == name.endswith("shape_7")


def test_the_shape_of_a_held_out_patient_is_refused(recipe):
    ct, labels = abdomen(1)
    write_mask(recipe.data.root / "labelsOnly" / "base_1.nii.gz", labels, ct.geometry)
    with pytest.raises(DatasetError, match="base_1 is a patient of the dataset"):
        train_networks(recipe)


def test_shapes_without_the_organ_or_without_files_are_refused(recipe, tmp_path, caplog):
    stage = recipe.stages["segmenter"]
    cases = CaseCache(recipe.data, stage).stored()
    ct, labels = abdomen(9)
    write_mask(recipe.data.root / "labelsOnly" / "liver.nii.gz", (labels == 1).astype(np.uint8), ct.geometry)
    with pytest.raises(DatasetError, match="no voxel of the pancreas"):
        MorphStore(recipe.data, stage).stored(cases, cases)
    (tmp_path / "none").mkdir()
    absent = recipe.data.model_copy(update={"shapes": tmp_path / "absent"})
    assert MorphStore(absent, stage).stored(cases, cases) == []
    assert "without morphs" in caplog.text
    empty = recipe.data.model_copy(update={"shapes": tmp_path / "none"})
    with pytest.raises(DatasetError, match="no mask"):
        MorphStore(empty, stage).stored(cases, cases)


@pytest.mark.slow
def test_a_refiner_learns_from_morphs_that_the_fold_s_own_package_predicted(recipe, monkeypatch):
    for fold in (0, 1):
        trained = recipe.model_copy(update={"fold": fold})
        train_networks(trained)
        export_run(trained)
    wanted = recipe.model_copy(update={"refiner": RefinerRecipe()})
    by_fold = refiner_cases(wanted)
    assert sorted(by_fold) == [0, 1]
    for cases in by_fold.values():
        (patient,) = {case.patient for case in cases}
        assert [case.morph for case in cases] == [False, True, True]
        assert all(case.name.startswith(patient) and case.reference.any() for case in cases)
        assert all(case.probability.shape == case.hu.shape for case in cases)
        real, *morphs = cases
        assert set(np.unique(real.labels)) == {0, 1, 2}  # the organ first, then its neighbour
        for morph in morphs:
            assert abs(morph.hu[morph.reference].mean() - real.hu[real.reference].mean()) < 25
    monkeypatch.setattr("PancreasSegLib.inference.Segmenter.load", None)  # all are kept
    again = refiner_cases(wanted)
    assert [case.name for case in again[0]] == [case.name for case in by_fold[0]]
    without = wanted.model_copy(update={"refiner": RefinerRecipe(morph_share=0.0)})
    assert [len(cases) for cases in refiner_cases(without).values()] == [1, 1]
