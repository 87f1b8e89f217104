"""The wanted channels of a network with many classes in front, groups of them joined.

Windows, mirrored views and members are averaged, and scores interpolated, class by class: the highest of several
classes is not linear. So the other classes all stay, one by one, until it is known which voxels matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from PancreasSegLib.networks.imported import other_channels

Groups = Sequence[Sequence[int]]


def keep_channels(network: nn.Module, groups: Groups, background: bool) -> nn.Module:
    """Let a network give one score a group of its channels, see `join_channels`.

    Parameters
    ----------
    network : Module
        Gives scores ``(n, classes, ...)``.
    groups : sequence of sequence of int
        Its channels by the label that they make together.
    background : bool
        Whether the other channels are given too, as a softmax needs them; a sigmoid has no background.

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
    """Join the scores ``(n, classes, ...)`` of each group: the logarithm of the sum of its probabilities.

    Of the other classes the first comes before the groups, and the rest after them.
    """
    return _in_order(lambda rows: scores[:, list(rows)], groups, scores.shape[1], background)


def joined_convolution(x: Tensor, layer: nn.Conv2d | nn.Conv3d, groups: Groups, background: bool) -> Tensor:
    """Give what `join_channels` makes of a last layer's scores, without holding all of them at once."""
    convolve = functional.conv3d if isinstance(layer, nn.Conv3d) else functional.conv2d

    def scores(rows: Sequence[int]) -> Tensor:
        chosen = list(rows)
        bias = None if layer.bias is None else layer.bias[chosen]
        return convolve(x, layer.weight[chosen], bias)

    return _in_order(scores, groups, layer.out_channels, background)


def _in_order(
    scores: Callable[[Sequence[int]], Tensor], groups: Groups, channels: int, background: bool
) -> Tensor:
    others = other_channels(groups, channels) if background else []
    if all(len(group) == 1 for group in groups):
        return scores([*others[:1], *(group[0] for group in groups), *others[1:]])
    joined = [_joined(scores(group), background) for group in groups]
    parts = [scores(others[:1]), *joined, *([scores(others[1:])] if others[1:] else [])] if background else joined
    return torch.cat(parts, dim=1)


def _joined(scores: Tensor, exclusive: bool) -> Tensor:
    """Join the scores of classes that exclude each other, or that may overlap."""
    if scores.shape[1] == 1:
        return scores
    highest = scores.amax(dim=1, keepdim=True)
    if not exclusive:
        return highest
    # written out, since not every engine reads torch's own logsumexp
    return highest + (scores - highest).exp().sum(dim=1, keepdim=True).log()
