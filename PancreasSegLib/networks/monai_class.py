"""A network of MONAI from the name of its class and plain arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from monai.networks import nets
from torch import Tensor, nn

from PancreasSegLib.networks.kept_channels import Groups, keep_channels

_STALE = {"img_size", "pretrained"}
"""Sizes that newer versions do not ask for, and weights from elsewhere, which those of the package replace."""


class _OneOutput:
    """Mixed in before a class of MONAI: the finest scores alone in evaluation mode, a list in training."""

    training: bool

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Scores ``(n, classes, ...)``; in training a list with them."""
        output = super().forward(x)  # type: ignore[misc]
        scores = list(output) if isinstance(output, (list, tuple)) else [output]
        if type(self).__name__ == "BasicUNetPlusPlus":
            scores.reverse()  # its last output is the one of the whole network
        return scores if self.training else scores[0]


def build_monai_class(
    class_name: str, options: Mapping[str, Any], kept: Groups = (), background: bool = True
) -> nn.Module:
    """Build a network of ``monai.networks.nets``; its state dict is MONAI's own.

    Parameters
    ----------
    class_name : str
        One of `PancreasSegLib.networks.imported.MONAI_CLASSES`.
    options : mapping
        Keyword arguments of the class.
    kept, background
        As for `PancreasSegLib.networks.kept_channels.keep_channels`.
    """
    base = getattr(nets, class_name, None)
    if base is None:
        raise ValueError(f"this version of MONAI has no {class_name}")
    known = inspect.signature(base.__init__).parameters
    arguments = {name: value for name, value in options.items() if name not in _STALE or name in known}
    if "pretrained" in known:
        arguments["pretrained"] = False
    network: nn.Module = type(base.__name__, (_OneOutput, base), {})(**arguments)
    return keep_channels(network, kept, background) if kept else network
