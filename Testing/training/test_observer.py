"""What observers are told, labels that are merged, and runs that repeat bit by bit."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_networks import SMALL, STAGE, StopsAfter, rows

from PancreasSegLib.errors import CancelledError, DatasetError, RecipeError
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.determinism import deterministic_algorithms
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import network_file, train_networks


class Notes:
    """An observer that remembers."""

    def __init__(self):
        self.events, self.runs, self.scores, self.views, self.summaries, self.fields = [], [], [], [], [], []

    def started(self, run):
        self.events.append(("started", run.step))
        self.runs.append(run)

    def stepped(self, step, fields):
        self.events.append(("stepped", step))
        self.fields.append(fields)

    def validated(self, step, scores):
        self.events.append(("validated", step))
        self.scores.append(scores)

    def epoch_ended(self, step, network_view):
        self.events.append(("epoch", step))
        case = network_view.cases[0].load()
        self.views.append((case, network_view.predict(case)))

    def finished(self, summary):
        self.events.append(("finished", summary.ending))
        self.summaries.append(summary)


SETTINGS = [
    *SMALL,
    "fold=0",
    f"{STAGE}.epochs=2",
    f"{STAGE}.steps_per_epoch=6",
    f"{STAGE}.validate_every=4",
    f"{STAGE}.keep=best",
]


def test_observers_are_told_in_order(recipe_file):
    recipe, notes, others = load_recipe(recipe_file, SETTINGS), Notes(), Notes()
    train_networks(recipe, observers=[notes, others])
    assert notes.events == [
        ("started", 0), ("validated", 4), ("stepped", 5), ("epoch", 6), ("validated", 8), ("stepped", 10),
        ("validated", 12), ("epoch", 12), ("stepped", 12), ("finished", "steps"),
    ]  # fmt: skip
    assert others.events == notes.events
    run = notes.runs[0]
    assert (run.name, run.labels, run.organ, run.device) == (
        "segmenter-0",
        ("decoy", "pancreas"),
        "pancreas",
        "cpu",
    )
    assert not set(run.training) & set(run.validation)
    assert len(run.training) == len(run.validation) == 2
    case, found = notes.views[-1]
    assert case.name in run.validation
    assert found.shape == case.image.shape
    assert found.dtype == np.uint8
    first = notes.scores[0]
    assert set(first.dice) == set(run.validation)
    for label in run.labels:
        assert first.means[label] == pytest.approx(np.mean([first.dice[name][label] for name in run.validation]))
    assert [s.best for s in notes.scores].count(True) >= 1
    assert notes.summaries[0].best == max(s.watched for s in notes.scores)
    for fields in notes.fields:
        assert {"loss", "rate", "seconds", "seconds_per_step", "fraction", "grad_norm"} <= set(fields)
        assert all(math.isfinite(value) for value in fields.values())
    assert [float(row["loss"]) for row in rows(recipe, "losses.csv")] == pytest.approx(
        [fields["loss"] for fields in notes.fields], rel=1e-4
    )


def test_a_cancelled_run_is_told_to_be_so_and_goes_on_where_it_was(recipe_file):
    recipe, notes = load_recipe(recipe_file, SETTINGS), Notes()
    with pytest.raises(CancelledError):
        train_networks(recipe, observers=[notes], cancel=StopsAfter(7))
    assert notes.events[-1] == ("finished", "cancelled")
    train_networks(recipe, observers=[notes], resume=True)
    assert ("started", 7) in notes.events
    assert notes.events[-1] == ("finished", "steps")


def test_a_time_limit_and_an_early_end_are_told(recipe_file):
    limited, notes = load_recipe(recipe_file, [*SETTINGS, "name=limited"]), Notes()
    stage = limited.stages["segmenter"].model_copy(update={"time_limit_minutes": 1e-4, "clock": "process"})
    train_networks(limited.model_copy(update={"stages": {"segmenter": stage}}), observers=[notes])
    assert notes.events[-1] == ("finished", "time")
    early = load_recipe(
        recipe_file, [*SETTINGS, "name=early", f"{STAGE}.early_stopping={{patience: 1, min_delta: 2}}"]
    )
    train_networks(early, observers=[notes])
    assert notes.events[-1] == ("finished", "early stopping")
    assert notes.summaries[-1].step == 8  # the first look is a gain, the second is not


def test_merged_labels_are_one_class(recipe_file):
    recipe = load_recipe(recipe_file, ["data.labels={pancreas: [decoy, pancreas]}"])
    apart = load_recipe(recipe_file)
    both, one = (CaseCache(r.data, r.stages["segmenter"]).load() for r in (recipe, apart))
    for a, b in zip(both, one, strict=True):
        assert np.array_equal(a.label > 0, b.label > 0) or (a.label > 0).sum() == pytest.approx(
            (b.label > 0).sum(), rel=0.02
        )
        assert set(np.unique(a.label)) == {0, 1}
        assert a.read is None
    wrong = load_recipe(recipe_file, ["data.labels={pancreas: [pancreas, tumour]}"])
    with pytest.raises(DatasetError, match="no label tumour"):
        CaseCache(wrong.data, wrong.stages["segmenter"]).load()


def test_a_deterministic_run_repeats(recipe_file):
    found = []
    for name in ("one", "two"):
        recipe = load_recipe(recipe_file, [*SMALL, f"name={name}", "deterministic=true", f"{STAGE}.steps=4"])
        train_networks(recipe)
        found.append(load_file(network_file(recipe, "segmenter-0")))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_cannot_be_deterministic_is_said():
    with pytest.raises(RecipeError, match="deterministic"), deterministic_algorithms(True):
        assert torch.are_deterministic_algorithms_enabled()
        raise RuntimeError("upsample_trilinear3d_backward_out_cuda does not have a deterministic implementation")
    assert not torch.are_deterministic_algorithms_enabled()
