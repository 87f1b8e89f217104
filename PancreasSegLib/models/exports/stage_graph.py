"""A stage as one graph: HU in, probabilities out, so that nothing is left for its user to get wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from PancreasSegLib.models.package import Stage


class StageGraph(nn.Module):
    """Clips and normalises HU, runs all members and averages their probabilities, in 32 bits.

    Parameters
    ----------
    stage : Stage
        Window, normalisation, temperature, activation.
    networks : sequence of Module
        Its members, on the CPU in evaluation mode.
    """

    def __init__(self, stage: Stage, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.low, self.high = stage.window_hu
        self.mean, self.std, self.temperature = stage.mean_hu, stage.std_hu, stage.temperature
        self.softmax = stage.activation == "softmax"

    def forward(self, hu: Tensor) -> Tensor:
        """Probabilities ``(n, channels, ...)`` of an image ``(n, 1, ...)`` in HU at the stage's spacing."""
        x = (hu.clamp(self.low, self.high) - self.mean) / self.std
        total = self._probabilities(self.networks[0](x))
        for network in self.networks[1:]:
            total = total + self._probabilities(network(x))
        return total / len(self.networks)

    def _probabilities(self, scores: Tensor) -> Tensor:
        scores = scores / self.temperature
        return torch.softmax(scores, dim=1) if self.softmax else torch.sigmoid(scores)
