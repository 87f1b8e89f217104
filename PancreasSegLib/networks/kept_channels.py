"""Only the wanted channels of a network with many classes; the others count as one, by their highest score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Groups = Sequence[Sequence[int]]

_AT_ONCE = 16  # rows of a head whose scores are in memory together


def keep_channels(network: nn.Module, groups: Groups, background: bool) -> nn.Module:
    """Let a network give one score a group of its channels.

    A softmax over them has the highest of the other scores for its background, so that a label has more than half
    of the probability where it is the likeliest of all classes, and only there.

    Parameters
    ----------
    network : Module
        Gives scores ``(n, classes, ...)``.
    groups : sequence of sequence of int
        Its channels by the label that they make together.
    background : bool
        Whether the highest of the other scores comes first, as a softmax needs it; a sigmoid has no background.

    Returns
    -------
    Module
        The same, with a hook.
    """

    def grouped(_: nn.Module, __: tuple[Tensor, ...], scores: Tensor) -> Tensor:
        return join_channels(scores, groups, background)

    network.register_forward_hook(grouped)
    return network


def join_channels(scores: Tensor, groups: Groups, background: bool) -> Tensor:
    """Join the scores ``(n, classes, ...)`` of each group: the logarithm of the sum of its probabilities."""
    joined = [_joined(scores[:, list(group)], background) for group in groups]
    if background:
        rest = _others(groups, scores.shape[1])
        joined.insert(0, scores[:, rest].amax(dim=1, keepdim=True))
    return torch.cat(joined, dim=1)


def joined_convolution(x: Tensor, layer: nn.Conv2d | nn.Conv3d, groups: Groups, background: bool) -> Tensor:
    """Give what :func:`join_channels` makes of a last layer's scores, without holding all of them at once."""
    convolve = functional.conv3d if isinstance(layer, nn.Conv3d) else functional.conv2d

    def scores(rows: Sequence[int]) -> Tensor:
        chosen = list(rows)
        bias = None if layer.bias is None else layer.bias[chosen]
        return convolve(x, layer.weight[chosen], bias)

    joined = [_joined(scores(group), background) for group in groups]
    if background:
        rest = _others(groups, layer.out_channels)
        highest = scores(rest[:_AT_ONCE]).amax(dim=1, keepdim=True)
        for start in range(_AT_ONCE, len(rest), _AT_ONCE):
            part = scores(rest[start : start + _AT_ONCE]).amax(dim=1, keepdim=True)
            highest = torch.maximum(highest, part)
        joined.insert(0, highest)
    return torch.cat(joined, dim=1)


def _joined(scores: Tensor, exclusive: bool) -> Tensor:
    """Join the scores of classes that exclude each other, or that may overlap."""
    if scores.shape[1] == 1:
        return scores
    highest = scores.amax(dim=1, keepdim=True)
    if not exclusive:
        return highest
    # written out, since not every engine reads torch's own logsumexp
    return highest + (scores - highest).exp().sum(dim=1, keepdim=True).log()


def _others(groups: Groups, channels: int) -> list[int]:
    taken = {channel for group in groups for channel in group}
    return [channel for channel in range(channels) if channel not in taken]
