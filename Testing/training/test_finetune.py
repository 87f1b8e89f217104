"""A model learns from corrected cases, keeps what it knew, and says what it gained."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from abdomens import LATER_LOOK, LIVER, PANCREAS, abdomen, train_start, write_base, write_corrected
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from PancreasSegLib.cli.app import run
from PancreasSegLib.data import Case, TrainingCase, read_dataset, save_training_case
from PancreasSegLib.errors import CancelledError, DatasetError, RecipeError
from PancreasSegLib.models import (
    find_package,
    load_package,
    load_weights,
    packages_folder,
    verify_package,
    write_package,
)
from PancreasSegLib.networks import build_network
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.training import finetune_cases
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.finetune import finetune
from PancreasSegLib.training.finetune_export import FinetuneScores
from PancreasSegLib.training.finetune_recipe import finetune_recipe, tuned_stage
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import split_cases

QUICK = [
    "device=cpu",
    "precision=fp32",
    "steps=40",
    "validate_every=20",
    "learning_rate=0.004",
    "ema=0.95",
    "anchor=0.1",
    "tolerance=0.1",
]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Base cases with two organs, corrected cases of another look with one, and a model trained on the first."""
    root = tmp_path_factory.mktemp("finetune")
    torch.set_num_threads(1)
    base = write_base(root / "base", range(3))
    return {"base": base, "cases": write_corrected(root / "cases"), "start": train_start(base, root)}


def recipe(folders, tmp_path, *overrides, base=True, **settings):
    content = {"model": str(folders["start"]), "dataset": folders["cases"], "name": "tuned", "output": tmp_path}
    content["base"] = folders["base"] if base else None
    return finetune_recipe({**content, **settings}, [*QUICK, *overrides])


@pytest.mark.slow
def test_the_command_learns_the_new_look_keeps_the_old_and_installs(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "models"))
    command = ["train", "--finetune", str(folders["start"]), str(folders["cases"]), "--name", "mine"]
    command += ["--base", str(folders["base"]), f"output={tmp_path}", "base_held_out=1", *QUICK]
    assert run(command) == 0
    out = capsys.readouterr()
    assert "The model mine is installed" in out.out
    assert "Measured on 1 held-out case only" in out.err

    package, parent = find_package("mine"), load_package(folders["start"])
    assert package.path == packages_folder() / "mine"
    verify_package(package.path)
    assert package.version.startswith("3+")
    assert package.stages[0].labels == parent.stages[0].labels
    assert package.stages[0].temperature == parent.stages[0].temperature
    assert package.sources[0]["name"] == "generated"
    assert "2 corrected cases" in package.sources[-1]["name"]
    assert str(tmp_path) not in (package.path / "configs" / "metadata.json").read_text()
    before, after = next(iter(package.scores["finetuning"]["dice_by_case"].values()))
    assert after > before + 0.02
    assert package.scores["finetuning"]["summary"]["dice"]["mean"] == pytest.approx(after)
    old_before, old_after = next(iter(package.scores["base"]["dice_by_case"].values()))
    assert old_after > old_before - 0.1
    assert f"| {before:.3f} | {after:.3f} |" in (package.path / "MODEL_CARD.md").read_text()

    # Who is held out is written down and never learnt from.
    split = json.loads((tmp_path / "mine" / "finetune" / "split.json").read_text())
    assert len(split["learn"]) == 2
    assert set(split["held_out"]) == set(package.scores["finetuning"]["dice_by_case"])
    assert not set(split["learn"]) & set(split["held_out"])
    assert len(split["base"]) == 2

    assert run(command) == 2
    assert "There is a model mine already" in capsys.readouterr().err
    assert run([*command, "--force", "steps=1", "held_out=0"]) == 0  # a new run in the place of the old one
    assert "nothing could be measured" in capsys.readouterr().err
    assert "finetuning" not in find_package("mine").scores


def test_a_fine_tuned_model_can_be_fine_tuned(folders, tmp_path):
    first = finetune(recipe(folders, tmp_path, "steps=1", "held_out=0", base=False))
    again = recipe(folders, tmp_path, "steps=1", "held_out=0", base=False, model=str(first.package), name="again")
    package = load_package(finetune(again).package)
    assert package.description.count("fine-tuned") == 1
    assert "The card of start 3, from which it comes" in (package.path / "MODEL_CARD.md").read_text("utf-8")
    assert len(package.sources) == 3


def test_a_refiner_goes_along_unchanged(folders, tmp_path):
    parent = load_package(folders["start"])
    arguments = {"in_channels": 9, "out_channels": 1, "filters": [4, 4, 4], "strides": [1, 2, 2]}
    arguments["kernel_size"] = [3, 3, 3]
    stage = dataclasses.replace(
        parent.stages[0],
        role="refiner",
        network="dynunet",
        arguments=arguments,
        weights=("models/other-name.safetensors",),
        multiple_ijk=(4, 4, 4),
        labels={"background": 0, "pancreas": 1},
    )
    weights = {name: load_weights(parent, parent.stages[0], i) for i, name in enumerate(parent.stages[0].weights)}
    weights[stage.weights[0]] = build_network("dynunet", **arguments).state_dict()
    with_refiner = dataclasses.replace(parent, refiner=stage)
    folder = tmp_path / "with_refiner"
    write_package(folder, with_refiner, weights, "# Card")
    tuned = finetune(recipe(folders, tmp_path, "steps=1", "held_out=0", base=False, model=str(folder)))
    package = load_package(tuned.package)
    before, after = load_weights(load_package(folder), stage), load_weights(package, package.refiner)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_one_case_is_enough_and_nothing_is_claimed(folders, tmp_path):
    cases = write_corrected(tmp_path / "one", [20])
    done = finetune(recipe(folders, tmp_path, "steps=2", base=False, dataset=cases))
    assert done.better is None
    assert not done.scores.held_out
    assert "Nothing: no case was held out" in (done.package / "MODEL_CARD.md").read_text()
    assert "finetuning" not in load_package(done.package).scores
    trained = load_file(done.package / "models" / "segmenter-0.safetensors")
    start = load_file(folders["start"] / "models" / "segmenter-0.safetensors")
    assert any(not torch.equal(trained[key], start[key]) for key in start)


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_end(folders, tmp_path):
    class After(CancelToken):
        calls = 0

        @property
        def cancelled(self):
            self.calls += 1
            return self.calls > 14

        def check(self):
            pass

    few = ("steps=16", "validate_every=8")
    whole = finetune(recipe(folders, tmp_path / "whole", *few, base=False))
    broken = recipe(folders, tmp_path / "broken", *few, base=False)
    with pytest.raises(CancelledError, match="--resume"):
        finetune(broken, cancel=After())
    with pytest.raises(RecipeError, match="already holds a run"):
        finetune(broken)
    done = finetune(broken, resume=True)
    assert done.steps == whole.steps
    for member in range(2):
        a, b = (load_file(p.package / "models" / f"segmenter-{member}.safetensors") for p in (whole, done))
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_does_not_go_on_with_other_cases(folders, tmp_path):
    cases = write_corrected(tmp_path / "cases", [20, 21])
    settings = recipe(folders, tmp_path, "steps=1", "held_out=0", base=False, dataset=cases)
    finetune(settings)
    write_corrected(cases, [22])
    with pytest.raises(RecipeError, match="others than when"):
        finetune(settings, resume=True)


def cases_of(patients):
    return [Case(f"{patient}-{i}", None, None, patient=patient) for i, patient in enumerate(patients)]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), st.floats(0, 0.99), st.integers(0, 9))
def test_whole_patients_are_held_out_and_never_all(patients, share, seed):
    cases = cases_of(patients)
    held_out = finetune_cases._hold_out(cases, share, seed)
    inside = {case.patient for case in cases if case.name in held_out}
    outside = {case.patient for case in cases if case.name not in held_out}
    assert outside
    assert not inside & outside
    assert bool(inside) == (share > 0 and len(set(patients)) > 1)


def test_base_cases_that_were_corrected_are_left_out(folders, tmp_path):
    cases = tmp_path / "cases"
    for seed in (0, 30):  # 0 is in the base folder, too
        ct, labels = abdomen(seed)
        save_training_case(cases, TrainingCase(ct, (labels == PANCREAS).astype(np.uint8)))
    data = finetune_cases.open_data(recipe(folders, tmp_path, "base_held_out=1", dataset=cases), "pancreas")
    assert set(data.split.base) | set(data.split.base_held_out) == {"base_1", "base_2"}


def test_prepared_cases_know_what_was_read_and_follow_changes(folders, tmp_path):
    cases = write_corrected(tmp_path / "cases", [20])
    settings = recipe(folders, tmp_path, base=False, dataset=cases)
    package = find_package(folders["start"])
    stage = tuned_stage(package, package.stages[0], settings)
    labels = ("liver", "pancreas")

    def prepared():
        dataset = read_dataset(cases)
        names = [case.name for case in dataset.cases]
        return finetune_cases.prepare(dataset, names, labels, "pancreas", stage, tmp_path / "prepared")

    first = prepared()[0]
    assert first.read == (2,)
    assert set(np.unique(first.label)) == {0, 2}
    ct, labels_of_case = abdomen(20, LATER_LOOK)
    smaller = (labels_of_case == PANCREAS).astype(np.uint8)
    smaller[:20] = 0
    save_training_case(cases, TrainingCase(ct, smaller), overwrite=True)
    assert (prepared()[0].label > 0).sum() < 0.8 * (first.label > 0).sum()


def test_train_heeds_what_was_read_and_sees_new_cases(recipe_file, tmp_path):
    cases = write_corrected(tmp_path / "cases", [20, 21])
    ct, labels = abdomen(22)
    with pytest.raises(DatasetError, match="another kind"):
        save_training_case(cases, TrainingCase(ct, labels, {"liver": LIVER, "pancreas": PANCREAS}))
    settings = load_recipe(recipe_file, [f"data.root={cases}", "data.labels=[pancreas]", "fold=0"])
    cache = CaseCache(settings.data, settings.stages["segmenter"])
    assert len(cache.load()) == 2
    save_training_case(cases, TrainingCase(ct, (labels == PANCREAS).astype(np.uint8), patient="P"))
    save_training_case(cases, TrainingCase(abdomen(23)[0], (labels == PANCREAS).astype(np.uint8), patient="P"))
    again = cache.load()
    assert len(again) == 4
    split = split_cases(again, settings)
    assert not {case.patient for case in split.training} & {case.patient for case in split.validation}


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["rate=1"], "rate"),
        (["steps=0"], "steps"),
        (["name=../x"], "name"),
        (["name=default"], "name"),
        (["stages=[]"], "stages"),
        (["stages=[localiser]"], "no localiser"),
        (["stage.augmentation.wobble=1"], "wobble"),
        (["steps"], "key=value"),
    ],
)
def test_wrong_settings_are_named(folders, tmp_path, overrides, what):
    with pytest.raises(RecipeError, match=what):
        finetune(recipe(folders, tmp_path, *overrides))
    assert not (tmp_path / "tuned").exists()


def test_settings_of_the_stage_come_from_the_package_and_can_be_changed(folders, tmp_path):
    package = find_package(folders["start"])
    settings = recipe(folders, tmp_path, "stage.augmentation.elastic_mm=2.5", "time_limit_minutes=10")
    stage = tuned_stage(package, package.stages[0], settings)
    assert stage.augmentation.elastic_mm == 2.5
    assert stage.augmentation.gamma_probability == 0.0  # as the model was made
    assert stage.sampling.organ_share == 0.6
    assert stage.sampling.base_share == 0.5
    assert stage.optimizer.learning_rate == 0.004
    assert stage.time_limit_minutes == 5  # for each of two networks


@pytest.mark.parametrize(
    ("held_out", "base", "better"),
    [
        ({"a": (0.5, 0.6)}, {}, True),
        ({"a": (0.5, 0.6), "b": (0.6, 0.4)}, {}, False),
        ({"a": (0.5, 0.6)}, {"x": (0.8, 0.795)}, True),
        ({"a": (0.5, 0.6)}, {"x": (0.8, 0.7)}, False),
        ({}, {"x": (0.8, 0.8)}, None),
        ({}, {"x": (0.8, 0.7)}, False),
        ({}, {}, None),
    ],
)
def test_what_counts_as_better(held_out, base, better):
    scores = FinetuneScores(held_out, base)
    assert scores.better(0.01) is better
    assert FinetuneScores.from_json(json.loads(json.dumps(scores.to_json()))) == scores


@pytest.mark.slow
def test_the_command_refuses_what_is_no_better(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "models"))
    command = ["train", "--finetune", str(folders["start"]), str(folders["cases"]), f"output={tmp_path}", *QUICK]
    assert run([*command, "steps=1", "learning_rate=1e-9"]) == 2
    error = capsys.readouterr().err
    assert "no better" in error
    package = tmp_path / "start-finetuned" / "finetune" / "package"
    assert str(package) in error.replace("\n", "")
    assert not (tmp_path / "models").exists()
    start = load_file(folders["start"] / "models" / "segmenter-0.safetensors")
    kept = load_file(package / "models" / "segmenter-0.safetensors")
    assert all(torch.allclose(start[key].float(), kept[key].float(), atol=1e-3) for key in start)


def test_options_of_fine_tuning_need_fine_tuning(capsys):
    assert run(["train", "default", "--name", "x"]) == 2
    assert "--finetune" in capsys.readouterr().err


def test_a_folder_without_accepted_cases_is_refused(folders, tmp_path):
    ct, labels = abdomen(1)
    save_training_case(tmp_path / "c", TrainingCase(ct, (labels == PANCREAS).astype(np.uint8), state="rejected"))
    with pytest.raises(DatasetError, match="no training cases"):
        finetune(recipe(folders, tmp_path, dataset=tmp_path / "c"))
    shutil.rmtree(tmp_path / "c")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        finetune(recipe(folders, tmp_path, dataset=tmp_path / "c"))
