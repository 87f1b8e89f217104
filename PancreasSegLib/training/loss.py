"""The recipe's loss over all outputs of a deeply supervised network, also where not every label was read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from PancreasSegLib.training.loss_terms import Term, loss_terms
from PancreasSegLib.training.partial_labels import Read, groups_of, merge_unread
from PancreasSegLib.training.recipe import LossRecipe


class DeepSupervisionLoss(nn.Module):
    """The loss that the recipe names, each output weighted half of the next finer one.

    Samples in which some labels were not read are compared by those that were (see
    `PancreasSegLib.training.partial_labels`).

    Parameters
    ----------
    recipe : LossRecipe
        Name and weights of the terms and of the organ.
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
        self._terms: dict[Read, list[tuple[float, Term]]] = {}

    def forward(
        self, outputs: Sequence[torch.Tensor], label: torch.Tensor, read: Sequence[Read] | None = None
    ) -> torch.Tensor:
        """Return the scalar loss.

        Parameters
        ----------
        outputs : sequence of Tensor, shape (n, classes, z, y, x) or (n, classes, y, x)
            Logits from fine to coarse.
        label : Tensor of int64, shape (n, z, y, x) or (n, y, x)
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
        if read not in self._terms:
            self._terms[read] = loss_terms(self.recipe, weight)
        parts = [share * term(logits, target) for share, term in self._terms[read]]
        return torch.stack(parts).sum() if len(parts) > 2 else parts[0] + parts[1] if len(parts) > 1 else parts[0]
