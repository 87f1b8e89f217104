"""Looks at a network by running it once on nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PancreasSegLib.errors import ModelPackageError

if TYPE_CHECKING:
    from torch import nn

_MULTIPLES = (8, 16, 32, 64)


def probe_network(
    network: nn.Module, in_channels: int, patch: Sequence[int], source: str, *, whole: bool = False
) -> tuple[int, tuple[int, ...]]:
    """Find how many channels a network gives and what its inputs must be multiples of.

    Parameters
    ----------
    network : Module
        On the CPU, in evaluation mode.
    in_channels : int
        Channels of its input.
    patch : sequence of int
        Its usual input, in its own axes.
    source : str
        For the errors.
    whole : bool
        Whether to try nothing but the whole patch, as for a program that may have learnt one size by heart.

    Returns
    -------
    out_channels : int
    multiple : tuple of int
        Per axis, and the patch is a multiple of it.

    Raises
    ------
    ModelPackageError
        If it fails on its own patch, or gives something else than scores on the grid of its input.
    """
    import torch

    tried: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for least in () if whole else _MULTIPLES:
        multiple = tuple(least if n % least == 0 else n for n in patch)
        tried.append((multiple, tuple(min(2 * m, n) for m, n in zip(multiple, patch, strict=True))))
    tried.append((tuple(patch), tuple(patch)))
    reason = ""
    for multiple, size in tried:
        try:
            with torch.inference_mode():
                scores = network(torch.zeros((1, in_channels, *size)))
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            continue
        if not isinstance(scores, torch.Tensor) or scores.ndim != 2 + len(size) or tuple(scores.shape[2:]) != size:
            reason = "its output does not have the size of its input"
            continue
        return int(scores.shape[1]), multiple
    shape = " x ".join(map(str, patch))
    raise ModelPackageError(f"The network of {source} cannot run on an image of {shape}: {reason}.")
