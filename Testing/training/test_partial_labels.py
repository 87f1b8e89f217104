"""What was not read is unknown, not background."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.training.loss import DeepSupervisionLoss
from PancreasSegLib.training.partial_labels import merge_unread
from PancreasSegLib.training.recipe import LossRecipe

LIVER, PANCREAS = 1, 2


def sure_of(label, classes=3):
    return torch.nn.functional.one_hot(label, classes).movedim(-1, 1).float() * 20


def loss():
    return DeepSupervisionLoss(LossRecipe(), 3, organ=PANCREAS)


@given(st.integers(2, 6), st.data())
def test_probabilities_are_summed_over_what_was_not_read(classes, data):
    read = sorted(data.draw(st.sets(st.integers(1, classes - 1), min_size=1)))
    logits = torch.randn(2, classes, 2, 3, 4, generator=torch.Generator().manual_seed(classes))
    label = torch.tensor([0, *read])[torch.randint(0, len(read) + 1, (2, 2, 3, 4))]
    merged, numbered = merge_unread(logits, label, read)
    before, after = logits.softmax(1), merged.softmax(1)
    assert torch.allclose(after[:, 1:], before[:, read], atol=1e-6)
    assert torch.allclose(after.sum(1), torch.ones(2, 2, 3, 4), atol=1e-6)
    assert torch.equal(torch.tensor([0, *read])[numbered], label)


def test_a_liver_that_was_not_read_is_no_mistake():
    truth = torch.zeros(1, 8, 8, 8, dtype=torch.int64)
    truth[:, :3], truth[:, 5:] = LIVER, PANCREAS
    read_for_pancreas = torch.where(truth == LIVER, 0, truth)
    right = sure_of(truth)
    assert loss()([right], read_for_pancreas, [(PANCREAS,)]) < 1e-3
    assert loss()([right], read_for_pancreas) > 1  # what it would cost if it were taken for background
    # Liver in place of pancreas, and pancreas in place of liver, are mistakes all the same.
    assert loss()([sure_of(torch.where(truth == PANCREAS, LIVER, truth))], read_for_pancreas, [(PANCREAS,)]) > 1
    assert loss()([sure_of(torch.where(truth == LIVER, PANCREAS, truth))], read_for_pancreas, [(PANCREAS,)]) > 1


def test_nothing_pushes_between_background_and_what_was_not_read():
    logits = torch.randn(1, 3, 4, 4, 4, requires_grad=True)
    label = torch.where(torch.rand(1, 4, 4, 4) > 0.5, PANCREAS, 0)
    loss()([logits], label, [(PANCREAS,)]).backward()
    share = logits.detach()[:, :2].softmax(1)
    push = logits.grad[:, :2]
    # Both move together, each by its share of their sum.
    assert torch.allclose(push, share * push.sum(1, keepdim=True), atol=1e-6)


def test_all_read_is_the_plain_loss():
    logits, label = torch.randn(2, 3, 4, 4, 4), torch.randint(0, 3, (2, 4, 4, 4))
    plain = loss()([logits], label)
    for read in ([None, None], [(1, 2), (1, 2)], [None, (1, 2)]):
        assert loss()([logits], label, read) == pytest.approx(float(plain), abs=1e-6)


def test_a_mixed_batch_is_the_mean_of_its_parts():
    logits, label = torch.randn(3, 3, 4, 4, 4), torch.randint(0, 3, (3, 4, 4, 4))
    label[1] = torch.where(label[1] == LIVER, 0, label[1])
    mixed = loss()([logits], label, [None, (PANCREAS,), None])
    full, part = loss()([logits[[0, 2]]], label[[0, 2]]), loss()([logits[[1]]], label[[1]], [(PANCREAS,)])
    assert float(mixed) == pytest.approx(float((2 * full + part) / 3), abs=1e-5)
