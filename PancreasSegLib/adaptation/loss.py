"""How far a network is from what the reader said."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def organ_log_odds(scores: torch.Tensor, channel: int, activation: str) -> torch.Tensor:
    """Return the log-odds of one class against all others.

    Parameters
    ----------
    scores : Tensor, shape (n, channels, z, y, x)
        Of a network, before its activation.
    channel : int
        The class, the background being 0.
    activation : {"softmax", "sigmoid"}
        With sigmoid there is no channel for the background.
    """
    if activation == "sigmoid":
        return scores[:, channel - 1]
    others = torch.cat([scores[:, :channel], scores[:, channel + 1 :]], dim=1)
    return scores[:, channel] - torch.logsumexp(others, dim=1)


def weighted_loss(logits: torch.Tensor, reference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy plus soft Dice of an organ, voxels counted by their weight; all (n, z, y, x)."""
    entropy = F.binary_cross_entropy_with_logits(logits, reference, reduction="none")
    found = torch.sigmoid(logits) * weight
    truth = reference * weight
    both = 2 * (found * reference).sum() + 1
    return (entropy * weight).sum() / weight.sum().clamp_min(1e-6) + 1 - both / (found.sum() + truth.sum() + 1)


def lesson_loss(logits: torch.Tensor, lesson: torch.Tensor, belief_weight: float) -> torch.Tensor:
    """Return cross-entropy and soft Dice with what was marked and, with another weight, with the mask elsewhere.

    Parameters
    ----------
    logits : Tensor, shape (n, z, y, x)
        Log-odds of the organ.
    lesson : Tensor, shape (n, 4, z, y, x)
        Included, excluded, belief, known.
    belief_weight : float
        Of the mask where nothing was marked.
    """
    included, excluded, belief, known = lesson.unbind(dim=1)
    marked = (included + excluded).clamp(0, 1)
    free = known * (1 - marked)
    return weighted_loss(logits, included, marked) + belief_weight * weighted_loss(logits, belief, free)
