"""The refiner's training: simulated readers, a network that learns from them, and the package that holds it."""

import copy
import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from refine.belly import belly, dice

from PancreasSegLib.errors import CancelledError, RecipeError
from PancreasSegLib.inference.device import Device, Precision
from PancreasSegLib.inference.engine.torch_engine import TorchMember
from PancreasSegLib.inference.refiner import NetworkPropagation, propagation_of
from PancreasSegLib.models import find_package
from PancreasSegLib.models.metadata import REFINER_CHANNELS
from PancreasSegLib.networks import build_network
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.refine.evidence import CHANNELS, Evidence, Window
from PancreasSegLib.refine.propagation import smoothed
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.recipe import OptimizerRecipe, RefinerRecipe, load_recipe
from PancreasSegLib.training.refiner.case import CasePool, RefinerCase
from PancreasSegLib.training.refiner.cases import phantom_cases
from PancreasSegLib.training.refiner.run import train_refiner
from PancreasSegLib.training.refiner.session import SHAPE_ZYX, Session
from PancreasSegLib.training.refiner.trainer import RefinerTrainer, refiner_arguments, refiner_scores
from PancreasSegLib.training.run import train_networks

SMALL = RefinerRecipe(
    arguments={
        "filters": [8, 16, 16],
        "kernel_size": [[3, 3, 3]] * 3,
        "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2]],
        "norm": "instance",
    },
    optimizer=OptimizerRecipe(learning_rate=0.01, weight_decay=0.0, ema=0.9, clip_norm=5.0),
    batch_size=1,
    steps=100,
    spoilt_share=0.0,
    mask_only_share=0.0,
    empty_share=0.0,
    slice_share=0.0,
    outline_share=0.0,
    moved_share=0.0,
    phantoms=0,
)


@pytest.fixture(scope="module")
def case():
    made = belly()
    return RefinerCase.of("a", made.ct, made.organ, made.mask, made.probability)


def test_a_case_keeps_its_content_on_disk(case, tmp_path):
    case.save(tmp_path / "a.npz")
    back = RefinerCase.load(tmp_path / "a.npz")
    assert (back.name, back.patient, back.morph) == ("a", "a", False)
    assert np.array_equal(back.labels, case.labels)
    assert np.abs(back.hu - case.hu).max() <= 0.5 and np.abs(back.probability - case.probability).max() <= 0.003


def test_a_reader_marks_what_is_wrong_goes_on_from_the_answer_and_repeats(case):
    def read(seed):
        session = Session(case, RefinerRecipe(), np.random.default_rng(seed))
        steps = []
        while (lesson := session.lesson()) is not None:
            steps.append((int(session.marks.sum()), lesson))
            truth = session.reference
            assert truth[session.marks == 1].all() and not truth[session.marks == 2].any()
            session.take(1 / (1 + np.exp(-lesson.score)))
            assert session.mask[session.marks == 1].all() and not session.mask[session.marks == 2].any()
        return steps

    steps = read(5)
    assert 3 <= len(steps) <= 8
    for _, lesson in steps:
        assert lesson.images.shape == (CHANNELS, *SHAPE_ZYX) and 0 < lesson.weight.max() <= 1
        assert set(np.unique(lesson.reference)) <= {0.0, 1.0}
    again = read(5)
    assert [n for n, _ in again] == [n for n, _ in steps]
    assert all(np.array_equal(a.images, b.images) for (_, a), (_, b) in zip(steps, again, strict=True))


def test_a_slice_says_all_that_is_right_in_it_and_an_outline_all_that_is_wrong(case):
    slices = RefinerRecipe(slice_share=1.0, point_share=0.0, outline_share=0.0, moved_share=0.0)
    session = Session(case, slices, np.random.default_rng(3))
    before, lesson = session.mask.copy(), session.lesson()
    both = (session.marks == 1).any() and (session.marks == 2).any()
    said = np.argwhere(session.marks > 0)
    assert both and np.ptp(said, axis=0).min() == 0
    assert np.array_equal(session.marks == 1, session.reference & (session.marks > 0))
    session.take(1 / (1 + np.exp(-lesson.score)))
    assert (session.mask != session.reference).sum() < (before != session.reference).sum()
    outlines = RefinerRecipe(slice_share=0.0, point_share=0.0, outline_share=1.0, moved_share=0.0)
    session = Session(case, outlines, np.random.default_rng(4))
    before = session.mask.copy()
    assert session.lesson() is not None
    marked = session.marks > 0
    assert marked.any() and (before != session.reference)[marked].all()


def test_sessions_on_neighbours_on_nothing_and_on_moved_patients(case):
    labels = case.labels.copy()
    labels[(case.hu > 60) & (labels == 0)] = 2  # the bowel beside the organ
    two = replace(case, labels=labels)
    other = Session(two, RefinerRecipe(other_organs_share=1.0, moved_share=0.0), np.random.default_rng(1))
    assert (other.reference == (labels == 2)).all() and other.lesson() is not None
    empty = Session(two, RefinerRecipe(empty_share=1.0, other_organs_share=0.0), np.random.default_rng(2))
    assert not empty.mask.any()
    turned = Session(two, RefinerRecipe(moved_share=1.0, other_organs_share=0.0), np.random.default_rng(5))
    assert turned.reference.shape == case.reference.shape and (turned.reference != case.reference).any()
    inside, outside = turned.hu[turned.reference].mean(), turned.hu[~turned.reference].mean()
    assert inside > outside + 50  # picture and truth moved alike
    unseen = Session(replace(case, probability=None), RefinerRecipe(), np.random.default_rng(6))
    assert unseen.mask.any() and (unseen.mask != unseen.reference).any()


def test_every_patient_is_as_likely_however_many_shapes_there_are_of_one(case):
    shapes = [replace(case, name=f"a--{n}", patient="a", morph=True) for n in range(9)]
    pool = CasePool([case, *shapes, replace(case, name="b", patient="b")], morph_share=0.75)
    rng = np.random.default_rng(0)
    drawn = [pool.choose(rng) for _ in range(400)]
    of_b = sum(one.patient == "b" for one in drawn)
    morphs = sum(one.morph for one in drawn)
    assert 150 < of_b < 250 and 0.65 < morphs / (400 - of_b) < 0.85


@pytest.mark.slow
def test_phantoms_are_cases_without_a_network_s_word():
    (one,) = phantom_cases(1)
    assert one.probability is None and one.reference.sum() * 6.75e-3 == pytest.approx(80, abs=60)
    assert Session(one, RefinerRecipe(), np.random.default_rng(0)).lesson() is not None


def test_shares_of_marks_above_one_are_refused():
    with pytest.raises(ValidationError, match="more than all marks"):
        RefinerRecipe(slice_share=0.8, point_share=0.3)


def test_the_network_begins_as_the_weight_free_evidence(case, tmp_path):
    trainer = RefinerTrainer([case], SMALL, tmp_path, torch.device("cpu"), torch.float32)
    lesson = Session(case, SMALL, np.random.default_rng(0)).lesson()
    assert not refiner_scores(trainer.network.eval(), torch.from_numpy(lesson.images)[None]).any()


def propagation_by(network):
    """A propagation by a network that is in no package."""
    stage = find_package("default").refiner
    return NetworkPropagation(TorchMember(stage, network, Device("torch", "cpu"), Precision("fp32")), 11)


def corrected_dice(network):
    """Dice after one line over what is missing and one over what is too much."""
    made = belly()
    correction = Correction(made.ct, made.mask, made.probability, propagation=propagation_by(network))
    for start, end, include in (((12, 0, 0), (38, 0, 0), True), ((14, 30, 0), (38, 30, 0), False)):
        points = np.array([30.0, -40.0, 200.0]) + np.array([start, end])
        correction.add([Mark.stroke(points, made.ct.geometry, include=include, radius_mm=2.0)])
    return dice(correction.mask, made.organ)


@pytest.mark.slow
def test_it_overfits_one_case_through_an_interruption(case, tmp_path):
    def trainer():
        return RefinerTrainer([case], SMALL, tmp_path, torch.device("cpu"), torch.float32)

    token, begun = CancelToken(), trainer()
    silent = corrected_dice(copy.deepcopy(begun.network))

    def stop(event):
        if event.fraction >= 0.5:
            token.cancel()

    with pytest.raises(CancelledError):
        begun.run(progress=stop, cancel=token)
    network = trainer().run(resume=True)
    with (tmp_path / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    assert [int(row["step"]) for row in rows] == [25, 50, 75, 100]
    assert losses[3] < 0.75 * losses[0]
    assert corrected_dice(network) > silent + 0.03


def test_the_whole_way_from_cross_validation_to_a_package_with_a_refiner(recipe_file):
    recipe = load_recipe(recipe_file, ["stages.segmenter.steps=3"])
    with pytest.raises(RecipeError, match="has none"):
        train_refiner(recipe)
    small = SMALL.model_copy(update={"steps": 3})
    recipe = recipe.model_copy(update={"refiner": small, "fold": 0})
    with pytest.raises(RecipeError, match="no model package of fold 0"):
        train_refiner(recipe)
    for fold in (0, 1):
        trained = recipe.model_copy(update={"fold": fold})
        train_networks(trained)
        export_run(trained)
    weights = train_refiner(recipe)
    assert train_refiner(recipe, resume=True) == weights
    with pytest.raises(RecipeError, match="already holds a run"):
        train_refiner(recipe)
    folder = export_run(recipe)
    propagation = propagation_of(folder)
    assert isinstance(propagation, NetworkPropagation)
    other = recipe.model_copy(update={"fold": 1})
    assert NetworkPropagation.load(export_run(other)) is None  # not trained yet: a package without one


def test_the_network_s_answer_is_added_to_the_evidence(case):
    marks = np.zeros(SHAPE_ZYX, np.uint8)
    marks[12, 30:34, 20:40] = 1
    window = Window(
        case.hu[:24, :64, :64],
        case.probability[:24, :64, :64],
        case.reference[:24, :64, :64].astype(np.float32),
        marks,
        marks,
        (3.0, 1.5, 1.5),
    )
    network = build_network(SMALL.network, **refiner_arguments(SMALL))
    last = [module for module in network.modules() if isinstance(module, torch.nn.Conv3d)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 1.5)
    found = propagation_by(network).corrected(window)
    evidence = Evidence.of(window)
    alone = 1 / (1 + np.exp(-(evidence.score + 1.0)))
    expected = smoothed(window, alone.astype(np.float32), weight=0.3)
    assert np.allclose(found, expected, atol=1e-4) and not np.allclose(found, window.mask)


def test_a_package_s_refiner_takes_the_images_that_are_made():
    assert REFINER_CHANNELS == CHANNELS
