"""Dice and cross-entropy over all outputs of a deeply supervised network, also where not every label was read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from PancreasSegLib.training.partial_labels import Read, groups_of, merge_unread
from PancreasSegLib.training.recipe import LossRecipe


class DeepSupervisionLoss(nn.Module):
    """Soft Dice (over the batch) + cross-entropy, each output weighted half of the next finer one.

    Dice after Drozdzal et al. 2016 and Isensee et al. 2021; MONAI supplies it. Samples in which some labels were
    not read are compared by those that were (see :mod:`PancreasSegLib.training.partial_labels`).

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
        weight = torch.ones(classes)
        weight[organ] = recipe.organ_weight
        self.class_weight: torch.Tensor
        self.register_buffer("class_weight", weight)
        self.recipe, self.classes = recipe, classes
        self._dice: dict[Read, nn.Module] = {}

    def forward(
        self, outputs: Sequence[torch.Tensor], label: torch.Tensor, read: Sequence[Read] | None = None
    ) -> torch.Tensor:
        """Return the scalar loss.

        Parameters
        ----------
        outputs : sequence of Tensor, shape (n, classes, z, y, x)
            Logits from fine to coarse.
        label : Tensor of int64, shape (n, z, y, x)
            Class indices at the finest output's resolution.
        read : sequence of (tuple of int or None), optional
            The classes that were read, sample by sample; None (and leaving it out) means all.
        """
        weights = [0.5**level for level in range(len(outputs))]
        groups = groups_of(read or [None] * len(label), self.classes)
        total = outputs[0].new_zeros((), dtype=torch.float32)
        for weight, logits in zip(weights, outputs, strict=True):
            target = label[:, None]
            if logits.shape[2:] != label.shape[1:]:
                target = F.interpolate(target.float(), size=logits.shape[2:], mode="nearest-exact").long()
            for classes_read, samples in groups.items():
                whole = len(samples) == len(label)
                part = logits if whole else logits[samples]
                loss = self._compare(part.float(), target if whole else target[samples], classes_read)
                total = total + weight * len(samples) / len(label) * loss
        return total / sum(weights)

    def _compare(self, logits: torch.Tensor, target: torch.Tensor, read: Read) -> torch.Tensor:
        weight = self.class_weight
        if read is not None:
            logits, merged = merge_unread(logits, target[:, 0], read)
            target, weight = merged[:, None], weight[[0, *read]]
        entropy = F.cross_entropy(logits, target[:, 0], weight=weight)
        if read not in self._dice:
            self._dice[read] = _dice(weight)
        return self.recipe.cross_entropy * entropy + self.recipe.dice * self._dice[read](logits, target)


def _dice(class_weight: torch.Tensor) -> nn.Module:
    """Return the soft Dice loss of the foreground, its weights 1 on average."""
    from monai.losses import DiceLoss

    foreground = class_weight[1:] * (len(class_weight) - 1) / class_weight[1:].sum()
    return DiceLoss(include_background=False, softmax=True, to_onehot_y=True, batch=True, weight=foreground)
