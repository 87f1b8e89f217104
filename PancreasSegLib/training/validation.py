"""Dice on held-out cases while training, on the stage's own grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from PancreasSegLib.training.cache import PreparedCase, StoredCase
from PancreasSegLib.training.prediction import predicted_classes
from PancreasSegLib.training.recipe import StageRecipe


def validation_dice(
    network: torch.nn.Module,
    cases: Sequence[PreparedCase | StoredCase],
    stage: StageRecipe,
    classes: int,
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, list[float]]:
    """Return the Dice of each foreground class, case by case.

    The stage's region is predicted whole by sliding windows, so for a segmenter this is the score that a perfect
    localiser would leave it; the figures of a model card come from the whole cascade instead.

    Parameters
    ----------
    network : Module
        In evaluation mode afterwards.
    cases : sequence of PreparedCase or StoredCase
        Held-out patients on the stage's grid.
    stage : StageRecipe
        Patch and normalisation.
    classes : int
        Output channels.
    device, dtype
        Where and in what precision to run.

    Returns
    -------
    dict of str to list of float
        Dice by case name, one value a class from 1; both empty is 1, NaN where the class was not read.
    """
    scores = {}
    for held in cases:
        case = held.load()
        predicted = predicted_classes(network, case, stage, device, dtype)
        reference = torch.from_numpy(case.label).to(device)
        values = []
        for index in range(1, classes):
            if case.read is not None and index not in case.read:
                values.append(math.nan)
                continue
            a, b = predicted == index, reference == index
            total = a.sum() + b.sum()
            values.append(float(2 * (a & b).sum() / total) if total > 0 else 1.0)
        scores[case.name] = values
    return scores


def mean_dice(dice: dict[str, list[float]], classes: int) -> list[float]:
    """Return the mean over the cases for each class from 1; NaN where no case was read for it."""
    means = []
    for index in range(classes - 1):
        known = [values[index] for values in dice.values() if not math.isnan(values[index])]
        means.append(sum(known) / len(known) if known else math.nan)
    return means
