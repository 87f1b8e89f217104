"""MedNeXt and the arguments it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.arguments import channels, dimensions, doubling, is_positive, positive_numbers


def mednext(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 512),
    blocks: Sequence[int] = (2, 2, 2, 2, 2),
    expansion: Sequence[int] = (2, 2, 2, 2, 2),
    kernel_size: int = 3,
    deep_supervision: bool = False,
) -> dict[str, Any]:
    """Arguments of MedNeXt; encoder and decoder mirror each other.

    Parameters
    ----------
    filters : sequence of int
        Channels of each level, the finest first; each twice the one before.
    blocks : sequence of int
        Blocks of each level.
    expansion : sequence of int
        By how much the blocks of each level widen their channels inside.
    kernel_size : int
        Kernel of the depthwise convolutions, odd: 3 or 5 in the paper.
    """
    filters = doubling("filters", filters, 2)
    levels = len(filters)
    counts = positive_numbers("blocks", blocks, levels, levels)
    ratios = positive_numbers("expansion", expansion, levels, levels)
    if not is_positive(kernel_size) or kernel_size % 2 == 0:
        raise NetworkError(f"kernel_size is {kernel_size!r}.", "Give an odd number.")
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "init_filters": filters[0],
        "blocks_down": counts[:-1],
        "blocks_bottleneck": counts[-1],
        "blocks_up": counts[-2::-1],
        "encoder_expansion_ratio": ratios[:-1],
        "bottleneck_expansion_ratio": ratios[-1],
        "decoder_expansion_ratio": ratios[-2::-1],
        "kernel_size": kernel_size,
        "use_residual_connection": True,
        "deep_supervision": bool(deep_supervision),
    }


MEDNEXT = Architecture(
    "mednext",
    "ConvNeXt-like blocks (depthwise convolution, widening, narrowing) in a U-shape, deep supervision.",
    "Roy et al., MICCAI 2023, arXiv:2303.09975",
    mednext,
    "PancreasSegLib.networks.mednext_net:MedNeXt",
    lambda arguments: (2 ** len(arguments["blocks_down"]),) * arguments["spatial_dims"],
    monai=lambda _: "MedNeXt",
)
