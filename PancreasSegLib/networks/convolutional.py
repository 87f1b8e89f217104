"""The convolutional architectures; MONAI is imported when one is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture, Multiple, product_of_strides
from PancreasSegLib.networks.arguments import (
    Activation,
    Norm,
    Size,
    activation_layer,
    each_level,
    norm_layer,
    positive_numbers,
)

if TYPE_CHECKING:
    from torch import nn


def dynunet_arguments(complete: dict[str, Any]) -> dict[str, Any]:
    """Arguments of MONAI's DynUNet from ours, as plain JSON values.

    Raises
    ------
    NetworkError
        If the levels do not fit together.
    """
    dims = complete["spatial_dims"]
    filters = positive_numbers("filters", complete["filters"], 3)
    strides = each_level("strides", complete["strides"], len(filters), dims)
    kernels = each_level("kernel_size", complete["kernel_size"], len(filters), dims)
    heads, most = complete["heads"], len(filters) - 2
    heads = most if heads is None else heads
    if not 1 <= heads <= most:
        raise NetworkError(f"heads is {heads}.", f"With {len(filters)} levels there can be 1 to {most}.")
    return {
        "spatial_dims": dims,
        "in_channels": complete["in_channels"],
        "out_channels": complete["out_channels"],
        "kernel_size": kernels,
        "strides": strides,
        "upsample_kernel_size": strides[1:],
        "filters": filters,
        "dropout": complete["dropout"] or None,
        "norm_name": norm_layer(complete["norm"]),
        "act_name": activation_layer(complete["activation"]),
        "deep_supervision": bool(complete["deep_supervision"]),
        "deep_supr_num": heads,
        "res_block": bool(complete["residual"]),
    }


def build_dynunet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size | Sequence[Size] = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    norm: Norm = "instance",
    activation: Activation = "leakyrelu",
    dropout: float = 0.0,
    residual: bool = False,
    deep_supervision: bool = False,
    heads: int | None = None,
) -> nn.Module:
    """Build the U-Net of nnU-Net.

    Parameters
    ----------
    residual : bool
        Whether each encoder block has a shortcut.
    heads : int or None
        Coarser levels with scores of their own, 1 to levels - 2; None for all.
    """
    from PancreasSegLib.networks.dynunet import DynUNetList

    return DynUNetList(**dynunet_arguments(dict(locals())))


def _dynunet_multiple(complete: dict[str, Any]) -> Multiple:
    return product_of_strides(dynunet_arguments(complete)["strides"], complete["spatial_dims"])


CONVOLUTIONAL = (
    Architecture(
        "dynunet",
        "The U-Net of nnU-Net: plain or residual blocks, kernels and strides a level and axis, deep supervision.",
        "Isensee et al., nnU-Net, Nature Methods 2021, doi:10.1038/s41592-020-01008-z",
        build_dynunet,
        _dynunet_multiple,
    ),
)
