"""Every loss by its name, in 2D and 3D, with labels that were not read."""

from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from PancreasSegLib.training.loss import DeepSupervisionLoss
from PancreasSegLib.training.loss_terms import loss_terms
from PancreasSegLib.training.recipe import LossRecipe
from PancreasSegLib.training.recipe.loss import LossName

NAMES = get_args(LossName)
SHAPES = {2: (16, 16), 3: (8, 12, 12)}


def blobs(dims):
    """Class indices with two organs."""
    label = torch.zeros(2, *SHAPES[dims], dtype=torch.int64)
    label[(slice(None), *[slice(2, 6)] * dims)] = 1
    label[(slice(None), *[slice(6, 8)] * (dims - 1), slice(2, 9))] = 2
    return label


def scores_of(label, sharpness=12.0):
    return F.one_hot(label, 3).movedim(-1, 1).float() * sharpness


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_right_answer_costs_less_than_a_wrong_one_and_learning_lowers_it(name, dims):
    label = blobs(dims)
    loss = DeepSupervisionLoss(LossRecipe(name=name), 3, organ=2)
    right, wrong = loss([scores_of(label)], label), loss([scores_of((label + 1) % 3)], label)
    assert 0 <= float(right) < 0.2 * float(wrong)
    torch.manual_seed(0)
    logits = (0.1 * torch.randn(2, 3, *SHAPES[dims])).requires_grad_()
    values = []
    for _ in range(4):
        value = loss([logits], label)
        (slope,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(slope).all()
        logits = (logits - 5.0 * slope / slope.abs().max()).detach().requires_grad_()
        values.append(float(value.detach()))
    assert values[-1] < values[0]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_read_changes_nothing(name):
    """Shifting background against an unread class leaves loss and learning as they were."""
    label = blobs(3)
    label[label == 1] = 0
    loss = DeepSupervisionLoss(LossRecipe(name=name), 3, organ=2)
    certain = scores_of(label)
    other = certain.clone()
    other[:, [0, 1]] = certain[:, [1, 0]]
    read = [(2,), (2,)]
    assert float(loss([certain], label, read)) == pytest.approx(float(loss([other], label, read)), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_empty_patches_and_missing_classes_give_finite_slopes(name):
    label = torch.zeros(1, 8, 8, 8, dtype=torch.int64)
    logits = torch.zeros(1, 3, 8, 8, 8, requires_grad=True)
    for start in (logits, (scores_of(label, 60.0)).requires_grad_()):
        value = DeepSupervisionLoss(LossRecipe(name=name), 3, organ=2)([start], label)
        (slope,) = torch.autograd.grad(value, start)
        assert torch.isfinite(value)
        assert torch.isfinite(slope).all()


def term(name, weight=(1.0, 1.0, 1.0), **fields):
    return sum_of(loss_terms(LossRecipe(name=name, **fields), torch.tensor(weight)))


def sum_of(terms):
    return lambda logits, label: float(sum(share * part(logits, label[:, None]) for share, part in terms))


def test_focal_without_focus_is_the_cross_entropy():
    torch.manual_seed(1)
    label, logits = blobs(3), torch.randn(2, 3, *SHAPES[3])
    assert term("focal", gamma=0.0)(logits, label) == pytest.approx(
        float(F.cross_entropy(logits, label)), rel=1e-5
    )
    assert term("focal", gamma=2.0)(logits, label) < term("focal", gamma=0.0)(logits, label)


def test_binary_cross_entropy_agrees_with_a_direct_computation():
    torch.manual_seed(2)
    label, logits = blobs(3), torch.randn(2, 3, *SHAPES[3])
    p = torch.softmax(logits.double(), 1).numpy()
    t = np.moveaxis(np.eye(3)[label.numpy()], -1, 1)
    each = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(axis=(0, 2, 3, 4))
    assert term("bce")(logits, label) == pytest.approx(each[1:].mean(), rel=1e-5)
    weighted = (each[1] * 1 + each[2] * 3) / 4
    assert term("bce", weight=(1.0, 1.0, 3.0))(logits, label) == pytest.approx(weighted, rel=1e-5)


def test_bce_and_twice_dice_add_up():
    torch.manual_seed(3)
    label, logits = blobs(3), torch.randn(2, 3, *SHAPES[3])
    both = term("bce_dice", dice=2.0)(logits, label)
    assert both == pytest.approx(term("bce")(logits, label) + 2 * term("dice")(logits, label), rel=1e-5)


def test_tversky_with_even_weights_is_dice_and_punishes_what_it_is_told():
    torch.manual_seed(4)
    label, logits = blobs(3), torch.randn(2, 3, *SHAPES[3])
    even = term("tversky", false_positives=0.5, false_negatives=0.5)(logits, label)
    assert even == pytest.approx(term("dice")(logits, label), abs=1e-4)
    missed = {"false_positives": 0.1, "false_negatives": 0.9}
    spilt = {"false_positives": 0.9, "false_negatives": 0.1}
    half = label.clone()
    half[:, :4] = 0  # misses much and invents nothing
    assert term("tversky", **missed)(scores_of(half), label) > term("tversky", **spilt)(scores_of(half), label)
