"""The mean loss of some steps, summed on the training device so that no step waits for a number."""

from __future__ import annotations

import math
from typing import Any

import torch


class MeanLoss:
    """Mean of the losses added since it was last taken.

    Parameters
    ----------
    device : torch.device
        Where the losses are.

    Examples
    --------
    >>> mean = MeanLoss(torch.device("cpu"))
    >>> mean.add(torch.tensor(1.0)); mean.add(torch.tensor(2.0))
    >>> mean.taken(), mean.steps
    (1.5, 0)
    """

    def __init__(self, device: torch.device) -> None:
        self._sum, self.steps = torch.zeros((), device=device), 0

    def add(self, loss: torch.Tensor) -> None:
        """Add the loss of a step."""
        self._sum += loss
        self.steps += 1

    def taken(self) -> float:
        """Return the mean and begin anew; NaN where nothing was added."""
        mean = float(self._sum / self.steps) if self.steps else math.nan
        self._sum.zero_()
        self.steps = 0
        return mean

    def state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {"sum": self._sum, "steps": self.steps}

    def take(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self._sum.copy_(state["sum"])
        self.steps = int(state["steps"])
