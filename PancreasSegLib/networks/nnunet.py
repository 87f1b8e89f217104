"""The U-Nets of nnU-Net and the arguments they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.arguments import (
    Layer,
    Size,
    activation_layer,
    channels,
    dimensions,
    each_level,
    norm_layer,
    positive_numbers,
    probability,
    product_of_strides,
)

_FULL = "PancreasSegLib.networks.monai_nets:DynUNet"
_LEAN = "PancreasSegLib.networks.lean_dynunet:LeanDynUNet"


def dynunet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size | Sequence[Size] = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    norm: Layer = "instance",
    activation: Layer = "leakyrelu",
    dropout: float = 0.0,
    residual: bool = False,
    deep_supervision: bool = False,
    heads: int | None = None,
) -> dict[str, Any]:
    """Arguments of DynUNet.

    Parameters
    ----------
    kernel_size : Size or sequence of Size
        Kernel: one number for all levels, or one entry a level, each a number or three in z, y, x order.
    residual : bool
        Whether each block of the encoder has a shortcut.
    heads : int or None
        Coarser levels with scores of their own under deep supervision, 1 to levels - 2; None for all.
    """
    dims = dimensions(spatial_dims)
    filters = positive_numbers("filters", filters, 3)
    levels = each_level("strides", strides, len(filters), dims)
    most = len(filters) - 2
    heads = most if heads is None else heads
    if not 1 <= heads <= most:
        raise NetworkError(f"heads is {heads}.", f"With {len(filters)} levels there can be 1 to {most}.")
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "kernel_size": each_level("kernel_size", kernel_size, len(filters), dims),
        "strides": levels,
        "upsample_kernel_size": levels[1:],
        "filters": filters,
        "dropout": probability("dropout", dropout) or None,
        "norm_name": norm_layer(norm),
        "act_name": activation_layer(activation),
        "deep_supervision": bool(deep_supervision),
        "deep_supr_num": heads,
        "res_block": bool(residual),
    }


def resenc_unet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size | Sequence[Size] = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    blocks: Sequence[int] = (1, 3, 4, 6, 6),
    norm: Layer = "instance",
    activation: Layer = "leakyrelu",
    dropout: float = 0.0,
    deep_supervision: bool = False,
    heads: int | None = None,
) -> dict[str, Any]:
    """Arguments of the U-Net with a deep residual encoder.

    Parameters
    ----------
    kernel_size : Size or sequence of Size
        Kernel: one number for all levels, or one entry a level, each a number or three in z, y, x order.
    blocks : sequence of int
        Residual blocks of each level of the encoder.
    heads : int or None
        Coarser levels with scores of their own under deep supervision, 1 to levels - 2; None for all.
    """
    arguments = dynunet(
        in_channels=in_channels,
        out_channels=out_channels,
        spatial_dims=spatial_dims,
        filters=filters,
        kernel_size=kernel_size,
        strides=strides,
        norm=norm,
        activation=activation,
        dropout=dropout,
        residual=True,
        deep_supervision=deep_supervision,
        heads=heads,
    )
    levels = len(arguments["filters"])
    return {**arguments, "blocks": positive_numbers("blocks", blocks, levels, levels)}


def _multiple(arguments: dict[str, Any]) -> tuple[int, ...]:
    return product_of_strides(arguments["strides"])


NNUNETS = (
    Architecture(
        "dynunet",
        "The U-Net of nnU-Net: plain or residual blocks, kernels and strides a level and axis, deep supervision.",
        "Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z",
        dynunet,
        _FULL,
        _multiple,
        lean=_LEAN,
        # MONAI's own class would give scores as coarse as the first stride
        monai=lambda arguments: "DynUNet" if set(arguments["strides"][0]) == {1} else None,
    ),
    Architecture(
        "resenc-unet",
        "U-Net with several residual blocks a level in the encoder and a light decoder, deep supervision.",
        "Isensee et al., nnU-Net Revisited, MICCAI 2024, arXiv:2404.09556",
        resenc_unet,
        _FULL,
        _multiple,
        lean=_LEAN,
    ),
)
"""In the order in which they are listed."""
