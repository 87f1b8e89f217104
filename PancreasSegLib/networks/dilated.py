"""Networks that never leave full resolution: few filters, many layers, growing dilation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.arguments import (
    Layer,
    activation_layer,
    channels,
    dimensions,
    is_positive,
    norm_layer,
    positive_numbers,
    probability,
)


def highresnet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (16, 16, 32, 64),
    kernel_size: Sequence[int] = (3, 3, 3, 3),
    blocks: Sequence[int] = (3, 3, 3),
    last_filters: int = 80,
    norm: Layer = "batch",
    activation: Layer = "relu",
    dropout: float = 0.0,
) -> dict[str, Any]:
    """Arguments of HighRes3DNet, whose levels differ in dilation (1, 2, 4, ...) instead of size.

    Parameters
    ----------
    filters : sequence of int
        Channels of the first layer and of each group of residual blocks; they never decrease.
    kernel_size : sequence of int
        Kernel of the first layer and of the blocks of each group, odd; large ones at the start see far at once.
    blocks : sequence of int
        Residual blocks of each group, two convolutions each.
    last_filters : int
        Channels of the layer before the scores.
    dropout : float
        Probability of dropping a unit of the layer before the scores, 0 for none.
    """
    filters = positive_numbers("filters", filters, 2)
    kernels = positive_numbers("kernel_size", kernel_size, len(filters), len(filters))
    counts = positive_numbers("blocks", blocks, len(filters) - 1, len(filters) - 1)
    if any(kernel % 2 == 0 for kernel in kernels):
        raise NetworkError(f"kernel_size is {kernel_size!r}.", "Give odd numbers, so that the size stays.")
    if filters != sorted(filters):
        raise NetworkError(f"filters is {filters!r}.", "They must not decrease: shortcuts are padded with zeros.")
    if not is_positive(last_filters):
        raise NetworkError(f"last_filters is {last_filters!r}.", "Give a positive number.")
    groups = [
        {"name": f"res_{i}", "n_features": n, "kernels": (kernel, kernel), "repeat": count}
        for i, (n, kernel, count) in enumerate(zip(filters[1:], kernels[1:], counts, strict=True), 1)
    ]
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "norm_type": norm_layer(norm),
        "acti_type": activation_layer(activation),
        "dropout_prob": probability("dropout", dropout) or None,
        "layer_params": (
            {"name": "conv_0", "n_features": filters[0], "kernel_size": kernels[0]},
            *groups,
            {"name": "conv_1", "n_features": last_filters, "kernel_size": 1},
            {"name": "conv_2", "kernel_size": 1},
        ),
    }


HIGHRESNET = Architecture(
    "highresnet",
    "HighRes3DNet: residual blocks of growing dilation at full resolution, few filters, no down-sampling.",
    "Li et al., IPMI 2017, arXiv:1707.01992; dilation after Yu and Koltun, ICLR 2016, arXiv:1511.07122",
    highresnet,
    "PancreasSegLib.networks.monai_nets:HighResNet",
    lambda arguments: (1,) * arguments["spatial_dims"],
    monai=lambda _: "HighResNet",
)
