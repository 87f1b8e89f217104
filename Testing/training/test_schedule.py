"""Rates over a run, plateaus, early ends, optimisers, clocks."""

import itertools
import math
import time

import pytest
import torch

from PancreasSegLib.training.clock import RunClock
from PancreasSegLib.training.gain import Gain
from PancreasSegLib.training.optimizer import build_optimizer
from PancreasSegLib.training.recipe import OptimizerRecipe, StageRecipe
from PancreasSegLib.training.schedule import learning_rate
from PancreasSegLib.training.watch import RunWatch


def rates(**fields):
    recipe = OptimizerRecipe(learning_rate=0.1, **fields)
    return [learning_rate(t / 10, recipe) for t in range(11)]


def test_poly_is_the_power_of_what_is_left():
    assert rates(warmup=0, power=0.9) == pytest.approx([0.1 * (1 - t / 10) ** 0.9 for t in range(11)])


def test_cosine_is_half_a_wave():
    expected = [0.05 * (1 + math.cos(math.pi * t / 10)) for t in range(11)]
    assert rates(warmup=0, schedule="cosine") == pytest.approx(expected)


def test_constant_stays():
    assert rates(warmup=0, schedule="constant") == [0.1] * 11


@pytest.mark.parametrize("schedule", ["poly", "cosine", "plateau", "constant"])
def test_every_schedule_warms_up(schedule):
    found = rates(warmup=0.5, schedule=schedule)
    assert found[1:6] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert 0 < found[0] < 0.01


def test_a_plateau_lowers_the_rate_down_to_its_least():
    recipe = OptimizerRecipe(
        learning_rate=1.0, warmup=0, schedule="plateau", plateau={"factor": 0.4, "min_rate": 0.05}
    )
    assert [learning_rate(0.5, recipe, n) for n in range(5)] == pytest.approx([1.0, 0.4, 0.16, 0.064, 0.05])
    assert learning_rate(0.5, OptimizerRecipe(learning_rate=1.0, warmup=0), 3) == pytest.approx(0.5**0.9)


def watched(scores, **fields):
    """Return what a run makes of scores: reductions and whether it was stopped, after each."""
    watch = RunWatch(StageRecipe(spacing_mm=(1, 1, 1), patch_ijk=(8, 8, 8), **fields))
    seen = []
    for step, score in enumerate(scores):
        watch.judge(score, step, dict)
        seen.append((watch.reductions, watch.stopped))
    return watch, seen


def test_a_plateau_is_met_after_its_patience():
    optimizer = {"schedule": "plateau", "plateau": {"patience": 2, "min_delta": 0.01}}
    _, seen = watched([0.5, 0.505, 0.509, 0.6, 0.5, 0.5, 0.5, 0.5], optimizer=optimizer)
    assert [reductions for reductions, _ in seen] == [0, 0, 1, 1, 1, 2, 2, 3]
    _, seen = watched([0.5] * 5, optimizer={"schedule": "constant", "plateau": {"patience": 2}})
    assert seen[-1][0] == 0


def test_a_run_without_gain_ends_early():
    _, seen = watched([0.5, 0.6, 0.59, 0.61, 0.6, 0.6, 0.6], early_stopping={"patience": 3})
    assert [stopped for _, stopped in seen] == [False] * 6 + [True]
    _, seen = watched([0.1] * 20)
    assert not seen[-1][1]


def test_scores_that_are_not_known_are_no_gain():
    gain = Gain()
    assert [gain.seen(score) for score in (math.nan, 0.1, math.nan)] == [False, True, False]
    watch, _ = watched([math.nan, math.nan])
    assert math.isnan(watch.best)


def test_the_best_weights_are_kept_only_where_wanted():
    watch, _ = watched([0.2, 0.7, 0.4], keep="best")
    assert (watch.kept, watch.kept_step, watch.best) == ({}, 1, 0.7)
    assert watched([0.2, 0.7, 0.4])[0].kept is None


def test_what_is_watched():
    watch, _ = watched([])
    assert watch.score([0.2, 0.8, math.nan], organ=1) == 0.2
    watch, _ = watched([], watch="mean")
    assert watch.score([0.2, 0.8, math.nan], organ=1) == 0.5


def test_the_state_of_a_watch_goes_on():
    fields = {"optimizer": {"schedule": "plateau", "plateau": {"patience": 2}}, "early_stopping": {"patience": 4}}
    scores = [0.5, 0.6, 0.55, 0.5, 0.5, 0.5]
    _, whole = watched(scores, **fields)
    for cut in range(1, len(scores)):
        first, _ = watched(scores[:cut], **fields)
        second, _ = watched([], **fields)
        second.take(first.state())
        for step, score in enumerate(scores[cut:], cut):
            second.judge(score, step, dict)
        assert (second.reductions, second.stopped) == whole[-1]


@pytest.mark.parametrize(
    ("fields", "kind", "settings"),
    [
        ({"name": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
        ({"name": "adam", "weight_decay": 0.2}, torch.optim.Adam, {"weight_decay": 0.2}),
        ({"name": "sgd"}, torch.optim.SGD, {"nesterov": True, "momentum": 0.99}),
        (
            {"name": "sgd", "nesterov": False, "momentum": 0.5},
            torch.optim.SGD,
            {"nesterov": False, "momentum": 0.5},
        ),
        ({"name": "sgd", "momentum": 0.0}, torch.optim.SGD, {"nesterov": False}),
    ],
)
def test_optimisers_by_name(fields, kind, settings):
    optimizer = build_optimizer(torch.nn.Linear(2, 2), OptimizerRecipe(**fields))
    assert type(optimizer) is kind
    assert {name: optimizer.defaults[name] for name in settings} == settings


def test_weight_decay_of_adam_is_a_penalty_and_of_adamw_is_decoupled():
    moved = {}
    for name in ("adam", "adamw"):
        layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(layer.weight, 2.0)
        optimizer = build_optimizer(layer, OptimizerRecipe(name=name, learning_rate=0.1, weight_decay=0.5))
        layer.weight.grad = torch.zeros_like(layer.weight)
        optimizer.step()
        moved[name] = layer.weight.item()
    assert moved["adamw"] == pytest.approx(2.0 * (1 - 0.1 * 0.5))
    assert moved["adam"] == pytest.approx(2.0 - 0.1)  # the penalty's sign, as Adam normalises it


def test_the_processor_clock_stands_still_while_one_waits():
    wall, process = RunClock("wall", 5.0), RunClock("process", 5.0)
    time.sleep(0.3)
    assert wall.elapsed() >= 5.3
    assert 5.0 <= process.elapsed() < wall.elapsed()


def test_rates_never_rise_after_the_warm_up():
    for schedule in ("poly", "cosine", "constant"):
        recipe = OptimizerRecipe(schedule=schedule, warmup=0.1)
        later = [learning_rate(t / 100, recipe) for t in range(10, 101)]
        assert all(a >= b for a, b in itertools.pairwise(later))
