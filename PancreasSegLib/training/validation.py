"""Dice on held-out cases while training, on the stage's own grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from PancreasSegLib.training.cache import PreparedCase
from PancreasSegLib.training.channels import input_channels
from PancreasSegLib.training.recipe import StageRecipe


@torch.no_grad()
def validation_dice(
    network: torch.nn.Module,
    cases: Sequence[PreparedCase],
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
    cases : sequence of PreparedCase
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
    from monai.inferers import sliding_window_inference

    network.eval()
    low, high = stage.window_hu
    scores = {}
    for case in cases:
        hu = torch.from_numpy(case.image).to(device).float() * ((high - low) / 255.0) + low
        image = input_channels(_at_least(hu, stage, low), stage)[None]
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = sliding_window_inference(
                image, stage.patch_ijk[::-1], 1, network, overlap=0.25, mode="gaussian"
            )
        z, y, x = hu.shape
        predicted = torch.as_tensor(logits)[0].argmax(0)[:z, :y, :x]
        reference = torch.from_numpy(case.label).to(device)
        values = []
        for index in range(1, classes):
            if case.read is not None and index not in case.read:
                values.append(float("nan"))
                continue
            a, b = predicted == index, reference == index
            total = a.sum() + b.sum()
            values.append(float(2 * (a & b).sum() / total) if total > 0 else 1.0)
        scores[case.name] = values
    return scores


def _at_least(hu: torch.Tensor, stage: StageRecipe, air: float) -> torch.Tensor:
    """Return the case with air added at the far ends, so that a patch fits in."""
    missing = [max(0, want - have) for want, have in zip(stage.patch_ijk, reversed(hu.shape), strict=True)]
    return torch.nn.functional.pad(hu, [n for length in missing for n in (0, length)], value=air)
