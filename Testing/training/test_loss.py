import itertools

import numpy as np
import torch

from PancreasSegLib.training.loss import DeepSupervisionLoss
from PancreasSegLib.training.recipe import LossRecipe, OptimizerRecipe
from PancreasSegLib.training.schedule import learning_rate, run_fraction


def logits_of(label, classes=3, sharpness=20.0):
    return torch.nn.functional.one_hot(label, classes).movedim(-1, 1).float() * sharpness


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much():
    label = torch.randint(0, 3, (2, 8, 8, 8))
    loss = DeepSupervisionLoss(LossRecipe(), 3, organ=2)
    assert loss([logits_of(label)], label) < 1e-3
    assert loss([logits_of((label + 1) % 3)], label) > 5


def test_it_agrees_with_a_direct_computation():
    torch.manual_seed(0)
    label, logits = torch.randint(0, 3, (2, 4, 6, 8)), torch.randn(2, 3, 4, 6, 8)
    loss = DeepSupervisionLoss(LossRecipe(organ_weight=2.0), 3, organ=2)([logits], label)
    p = torch.softmax(logits, 1).double().numpy()
    t = np.moveaxis(np.eye(3)[label.numpy()], -1, 1)
    weight = np.array([1.0, 1.0, 2.0])
    voxel = weight[label.numpy()]
    entropy = -(voxel * np.log((p * t).sum(1))).sum() / voxel.sum()
    dice = [1 - (2 * (p[:, c] * t[:, c]).sum() + 1e-5) / ((p[:, c] + t[:, c]).sum() + 1e-5) for c in (1, 2)]
    expected = entropy + np.mean(np.array(dice) * np.array([1.0, 2.0]) * 2 / 3)
    assert abs(float(loss) - expected) < 1e-4


def test_coarse_outputs_count_less():
    label = torch.zeros(1, 8, 8, 8, dtype=torch.int64)
    label[:, 2:6, 2:6, 2:6] = 1
    good, bad = logits_of(label, 2), logits_of(1 - label, 2)
    loss = DeepSupervisionLoss(LossRecipe(), 2, organ=1)
    coarse = (slice(None), slice(None), slice(None, None, 2), slice(None, None, 2), slice(None, None, 2))
    assert loss([bad, good[coarse]], label) > loss([good, bad[coarse]], label) > loss([good, good[coarse]], label)


def test_the_rate_rises_then_falls_to_nothing():
    recipe = OptimizerRecipe(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(t, recipe) for t in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 10
    assert rates[-1] == 0
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_a_run_ends_by_steps_or_by_time():
    assert run_fraction(5, 10, 0.0, None) == 0.5
    assert run_fraction(1, 10, 90.0, 1.0) == 1.0
