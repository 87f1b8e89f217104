"""The other convolutional architectures and the arguments they take."""

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
    doubling,
    each_axis,
    each_level,
    norm_layer,
    positive_numbers,
    probability,
    product_of_strides,
    steps_down,
)

_NETS = "PancreasSegLib.networks.monai_nets"


def segresnet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (16, 32, 64, 128),
    blocks_down: Sequence[int] = (1, 2, 2, 4),
    blocks_up: Sequence[int] = (1, 1, 1),
    norm: Layer = "group",
    activation: Layer = "relu",
    dropout: float = 0.0,
    upsample: str = "nontrainable",
) -> dict[str, Any]:
    """Arguments of SegResNet.

    Parameters
    ----------
    filters : sequence of int
        Channels of each level, the finest first; each twice the one before.
    blocks_down : sequence of int
        Residual blocks of each level of the encoder.
    blocks_up : sequence of int
        Residual blocks of each level of the decoder, one level fewer.
    upsample : str
        "nontrainable" (linear), "deconv" or "pixelshuffle".
    """
    filters = doubling("filters", filters, 2)
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "init_filters": filters[0],
        "blocks_down": positive_numbers("blocks_down", blocks_down, len(filters), len(filters)),
        "blocks_up": positive_numbers("blocks_up", blocks_up, len(filters) - 1, len(filters) - 1),
        "norm": norm_layer(norm),
        "act": activation_layer(activation),
        "dropout_prob": probability("dropout", dropout) or None,
        "upsample_mode": _choice("upsample", upsample, ("nontrainable", "deconv", "pixelshuffle")),
    }


def segresnet_ds(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256),
    blocks_down: Sequence[int] = (1, 2, 2, 4),
    norm: Layer = "instance",
    activation: Layer = "relu",
    deep_supervision: bool = False,
    heads: int | None = None,
    upsample: str = "deconv",
) -> dict[str, Any]:
    """Arguments of SegResNet with deep supervision.

    Parameters
    ----------
    filters : sequence of int
        Channels of each level, the finest first; each twice the one before.
    blocks_down : sequence of int
        Residual blocks of each level of the encoder; the decoder has one a level.
    heads : int or None
        Coarser levels with scores of their own under deep supervision, 1 to levels - 2; None for all.
    upsample : str
        "deconv", "pixelshuffle" or "nontrainable" (linear).
    """
    filters = doubling("filters", filters, 3)
    most = len(filters) - 2
    heads = most if heads is None else heads
    if not 1 <= heads <= most:
        raise NetworkError(f"heads is {heads}.", f"With {len(filters)} levels there can be 1 to {most}.")
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "init_filters": filters[0],
        "blocks_down": tuple(positive_numbers("blocks_down", blocks_down, len(filters), len(filters))),
        "norm": norm_layer(norm),
        "act": activation_layer(activation),
        "dsdepth": 1 + heads if deep_supervision else 1,
        "upsample_mode": _choice("upsample", upsample, ("deconv", "pixelshuffle", "nontrainable")),
    }


def unet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    residual_units: int = 0,
    norm: Layer = "instance",
    activation: Layer = "prelu",
    dropout: float = 0.0,
) -> dict[str, Any]:
    """Arguments of the U-Net.

    Parameters
    ----------
    residual_units : int
        Convolutions inside the shortcut of each block; 0 for plain blocks.
    """
    dims = dimensions(spatial_dims)
    filters = positive_numbers("filters", filters, 2)
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "channels": filters,
        "strides": steps_down(strides, len(filters), dims),
        "kernel_size": each_axis("kernel_size", kernel_size, dims),
        "up_kernel_size": each_axis("kernel_size", kernel_size, dims),
        "num_res_units": int(residual_units),
        "norm": norm_layer(norm),
        "act": activation_layer(activation),
        "dropout": probability("dropout", dropout),
    }


def attention_unet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    dropout: float = 0.0,
) -> dict[str, Any]:
    """Arguments of the Attention U-Net, which always uses batch normalisation."""
    dims = dimensions(spatial_dims)
    filters = positive_numbers("filters", filters, 2)
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "channels": filters,
        "strides": steps_down(strides, len(filters), dims),
        "kernel_size": each_axis("kernel_size", kernel_size, dims),
        "up_kernel_size": each_axis("kernel_size", kernel_size, dims),
        "dropout": probability("dropout", dropout),
    }


def vnet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    activation: Layer = "elu",
    dropout: float = 0.5,
    bias: bool = False,
) -> dict[str, Any]:
    """Arguments of the V-Net, whose filters (16 to 256) and strides (2) are fixed.

    Parameters
    ----------
    in_channels : int
        Input channels: 1, 2, 4, 8 or 16.
    bias : bool
        Whether convolutions have a bias before the batch normalisation.
    """
    rate = probability("dropout", dropout)
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "act": activation_layer(activation),
        "dropout_prob_down": rate,
        "dropout_prob_up": (rate, rate),
        "dropout_dim": spatial_dims,
        "bias": bool(bias),
    }


def unet_plus_plus(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 32, 64, 128, 256),
    norm: Layer = "instance",
    activation: Layer = "leakyrelu",
    dropout: float = 0.0,
    deep_supervision: bool = False,
    upsample: str = "deconv",
) -> dict[str, Any]:
    """Arguments of the U-Net++.

    Parameters
    ----------
    filters : sequence of 5 int
        Channels of each level, the finest first.
    deep_supervision : bool
        Whether the less nested decoders give scores of their own in training, all at full size.
    upsample : str
        "deconv", "pixelshuffle" or "nontrainable" (linear).
    """
    filters = positive_numbers("filters", filters, 5, 5)
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "features": [*filters, filters[0]],
        "deep_supervision": bool(deep_supervision),
        "norm": norm_layer(norm),
        "act": activation_layer(activation),
        "dropout": probability("dropout", dropout),
        "upsample": _choice("upsample", upsample, ("deconv", "pixelshuffle", "nontrainable")),
    }


def fcn(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (16, 32, 64, 128),
    kernel_size: Size | Sequence[Size] = 3,
    strides: Sequence[Size] = (1, 2, 2, 2),
    norm: Layer = "instance",
    activation: Layer = "leakyrelu",
    dropout: float = 0.0,
    residual: bool = False,
    finest: int = 0,
    deep_supervision: bool = False,
) -> dict[str, Any]:
    """Arguments of the fully convolutional network.

    Parameters
    ----------
    kernel_size : Size or sequence of Size
        Kernel: one number for all levels, or one entry a level, each a number or three in z, y, x order.
    residual : bool
        Whether each block has a shortcut.
    finest : int
        Finest level whose scores are used, 0 for full size; coarser is faster and smoother.
    """
    dims = dimensions(spatial_dims)
    filters = positive_numbers("filters", filters, 2)
    if not 0 <= finest < len(filters):
        raise NetworkError(
            f"finest is {finest}.", f"With {len(filters)} levels it can be 0 to {len(filters) - 1}."
        )
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "filters": filters,
        "kernel_size": each_level("kernel_size", kernel_size, len(filters), dims),
        "strides": each_level("strides", strides, len(filters), dims),
        "norm_name": norm_layer(norm),
        "act_name": activation_layer(activation),
        "dropout": probability("dropout", dropout) or None,
        "residual": bool(residual),
        "finest": finest,
        "deep_supervision": bool(deep_supervision),
    }


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise NetworkError(f"{name} is {value!r}.", f"Choose one of {', '.join(choices)}.")
    return str(value)


def _of_strides(arguments: dict[str, Any]) -> tuple[int, ...]:
    return product_of_strides(arguments["strides"])


def _halvings(steps: int) -> Any:
    return lambda arguments: (2**steps,) * arguments["spatial_dims"]


CONVOLUTIONAL = (
    Architecture(
        "segresnet",
        "Residual encoder and a light decoder with group normalisation.",
        "Myronenko, BrainLes 2018, arXiv:1810.11654",
        segresnet,
        f"{_NETS}:SegResNet",
        lambda arguments: (2 ** (len(arguments["blocks_down"]) - 1),) * arguments["spatial_dims"],
        monai=lambda _: "SegResNet",
    ),
    Architecture(
        "segresnet-ds",
        "SegResNet with transposed convolutions and deep supervision, the workhorse of Auto3DSeg.",
        "Myronenko et al., MICCAI 2023, arXiv:2308.10008; Myronenko, arXiv:1810.11654",
        segresnet_ds,
        f"{_NETS}:SegResNetDS",
        lambda arguments: (2 ** (len(arguments["blocks_down"]) - 1),) * arguments["spatial_dims"],
        monai=lambda _: "SegResNetDS",
    ),
    Architecture(
        "unet",
        "U-Net with strided convolutions, plain or with residual units.",
        "Kerfoot et al., STACOM 2018, doi:10.1007/978-3-030-12029-0_40",
        unet,
        f"{_NETS}:UNet",
        _of_strides,
        monai=lambda _: "UNet",
    ),
    Architecture(
        "vnet",
        "V-Net: 5x5x5 convolutions with shortcuts, batch normalisation.",
        "Milletari et al., 3DV 2016, arXiv:1606.04797",
        vnet,
        f"{_NETS}:VNet",
        _halvings(4),
        monai=lambda _: "VNet",
    ),
    Architecture(
        "attention-unet",
        "U-Net whose skip connections pass attention gates.",
        "Oktay et al., MIDL 2018, arXiv:1804.03999",
        attention_unet,
        f"{_NETS}:AttentionUNet",
        _of_strides,
        monai=lambda _: "AttentionUnet",
    ),
    Architecture(
        "unet++",
        "U-Net++: nested decoders of growing depth, deep supervision at full size.",
        "Zhou et al., DLMIA 2018, doi:10.1007/978-3-030-00889-5_1",
        unet_plus_plus,
        f"{_NETS}:UNetPlusPlus",
        _halvings(4),
    ),
    Architecture(
        "fcn",
        "Fully convolutional network: an encoder whose scores are upsampled and added level by level, no decoder.",
        "Long et al., CVPR 2015, arXiv:1411.4038; in 3D for the pancreas: Roth et al., arXiv:1704.06382",
        fcn,
        f"{_NETS}:FCN",
        _of_strides,
    ),
)
"""In the order in which they are listed."""
