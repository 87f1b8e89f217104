"""One shape of output for every network in training: a list of scores from fine to coarse."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def training_outputs(output: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return what a network gave, in either mode, as a list of scores from fine to coarse.

    Parameters
    ----------
    output : Tensor or sequence of Tensor
        ``network(x)``: one tensor ``(n, classes, z, y, x)`` in evaluation mode, a list in training mode.

    Returns
    -------
    list of Tensor
        Scores, the finest first, each at its own resolution; at least one.
    """
    return list(output) if isinstance(output, (list, tuple)) else [output]  # type: ignore[list-item]
