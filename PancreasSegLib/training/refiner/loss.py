"""Cross-entropy and soft Dice of one organ, voxels counted by their weight."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def weighted_loss(logits: torch.Tensor, reference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy plus soft Dice, voxels counted by their weight; all of shape (n, z, y, x)."""
    entropy = F.binary_cross_entropy_with_logits(logits, reference, reduction="none")
    found = torch.sigmoid(logits) * weight
    truth = reference * weight
    both = 2 * (found * reference).sum() + 1
    return (entropy * weight).sum() / weight.sum().clamp_min(1e-6) + 1 - both / (found.sum() + truth.sum() + 1)
