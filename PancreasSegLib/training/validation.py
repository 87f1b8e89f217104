"""Dice on held-out cases while training, on the stage's own grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from PancreasSegLib.training.cache import PreparedCase
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
        Dice by case name, one value a class from 1; both empty is 1.
    """
    from monai.inferers import sliding_window_inference

    network.eval()
    low, high = stage.window_hu
    scores = {}
    for case in cases:
        hu = torch.from_numpy(case.image).to(device).float() * ((high - low) / 255.0) + low
        image = ((hu - stage.mean_hu) / stage.std_hu)[None, None]
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = sliding_window_inference(
                image, stage.patch_ijk[::-1], 1, network, overlap=0.25, mode="gaussian", cval=float(image.min())
            )
        predicted = torch.as_tensor(logits)[0].argmax(0)
        reference = torch.from_numpy(case.label).to(device)
        values = []
        for index in range(1, classes):
            a, b = predicted == index, reference == index
            total = a.sum() + b.sum()
            values.append(float(2 * (a & b).sum() / total) if total > 0 else 1.0)
        scores[case.name] = values
    return scores
