"""A TorchScript program as a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class TorchScriptNetwork(nn.Module):
    """Wraps a program, whose layers stay its own affair: hooks do not reach into it.

    Parameters
    ----------
    program : ScriptModule
        Takes an image and gives scores, or a list with the finest first.
    """

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.__dict__["program"] = program.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``(n, classes, ...)``, computed in 32 bits."""
        with torch.autocast(x.device.type, enabled=False):
            output = self.__dict__["program"](x.float().contiguous())
        scores: Tensor = output[0] if isinstance(output, (list, tuple)) else output
        return scores

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> TorchScriptNetwork:
        self.__dict__["program"]._apply(fn)
        super()._apply(fn, recurse)
        return self


def no_network(**_: Any) -> nn.Module:
    """Refuse to build what only its file holds."""
    raise ValueError("a TorchScript program is loaded from its file")
