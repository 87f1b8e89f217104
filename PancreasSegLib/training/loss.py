"""Dice and cross-entropy over all outputs of a deeply supervised network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from PancreasSegLib.training.recipe import LossRecipe


class DeepSupervisionLoss(nn.Module):
    """Soft Dice (over the batch) + cross-entropy, each output weighted half of the next finer one.

    Dice after Drozdzal et al. 2016 and Isensee et al. 2021; MONAI supplies it.

    Parameters
    ----------
    recipe : LossRecipe
        Weights of the terms and of the organ.
    classes : int
        Output channels, background included.
    organ : int
        Class index of the organ.
    """

    def __init__(self, recipe: LossRecipe, classes: int, organ: int) -> None:
        super().__init__()
        from monai.losses import DiceLoss

        weight = torch.ones(classes)
        weight[organ] = recipe.organ_weight
        foreground = weight[1:] * (classes - 1) / weight[1:].sum()
        self.dice = DiceLoss(
            include_background=False, softmax=True, to_onehot_y=True, batch=True, weight=foreground
        )
        self.class_weight: torch.Tensor
        self.register_buffer("class_weight", weight)
        self.recipe = recipe

    def forward(self, outputs: Sequence[torch.Tensor], label: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss.

        Parameters
        ----------
        outputs : sequence of Tensor, shape (n, classes, z, y, x)
            Logits from fine to coarse.
        label : Tensor of int64, shape (n, z, y, x)
            Class indices at the finest output's resolution.
        """
        weights = [0.5**level for level in range(len(outputs))]
        total = outputs[0].new_zeros((), dtype=torch.float32)
        for weight, logits in zip(weights, outputs, strict=True):
            target = label[:, None]
            if logits.shape[2:] != label.shape[1:]:
                target = F.interpolate(target.float(), size=logits.shape[2:], mode="nearest-exact").long()
            logits = logits.float()
            entropy = F.cross_entropy(logits, target[:, 0], weight=self.class_weight)
            dice = self.dice(logits, target)
            total = total + weight * (self.recipe.cross_entropy * entropy + self.recipe.dice * dice)
        return total / sum(weights)
