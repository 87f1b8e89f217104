"""The transformer architectures and the arguments they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.arguments import (
    Layer,
    Size,
    channels,
    dimensions,
    each_axis,
    is_positive,
    norm_layer,
    positive_numbers,
    probability,
)

_NETS = "PancreasSegLib.networks.monai_nets"
TOKEN = 16
"""Width of UNETR's tokens, of which every size is a multiple."""
_SWIN_MULTIPLE = 32


def swin_unetr(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    width: int = 24,
    depths: Sequence[int] = (2, 2, 2, 2),
    attention_heads: Sequence[int] = (3, 6, 12, 24),
    window: Size = 7,
    norm: Layer = "instance",
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    path_dropout: float = 0.0,
    residual: bool = False,
) -> dict[str, Any]:
    """Arguments of Swin UNETR.

    Parameters
    ----------
    width : int
        Channels of the finest level, a multiple of 12; they double a level.
    depths : sequence of 4 int
        Transformer blocks of each level.
    attention_heads : sequence of 4 int
        Attention heads of each level.
    window : int or sequence of int
        Window of the attention: one number, or three in z, y, x order.
    attention_dropout : float
        Probability of dropping an attention weight.
    path_dropout : float
        Probability of dropping a whole block in training.
    residual : bool
        Whether each level starts with a residual convolution block (version 2 of the paper).
    """
    dims = dimensions(spatial_dims)
    if not is_positive(width) or width % 12:
        raise NetworkError(f"width is {width!r}.", "Give a multiple of 12.")
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "feature_size": width,
        "depths": positive_numbers("depths", depths, 4, 4),
        "num_heads": positive_numbers("attention_heads", attention_heads, 4, 4),
        "window_size": each_axis("window", window, dims),
        "norm_name": norm_layer(norm),
        "drop_rate": probability("dropout", dropout),
        "attn_drop_rate": probability("attention_dropout", attention_dropout),
        "dropout_path_rate": probability("path_dropout", path_dropout),
        "use_v2": bool(residual),
    }


def unetr(
    *,
    image_size: Size,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    width: int = 16,
    hidden_size: int = 768,
    mlp_size: int = 3072,
    attention_heads: int = 12,
    norm: Layer = "instance",
    dropout: float = 0.0,
) -> dict[str, Any]:
    """Arguments of UNETR.

    Parameters
    ----------
    image_size : int or sequence of int
        Size of the training patches, multiples of 16: one number, or three in z, y, x order. Inputs of another
        size get interpolated position embeddings.
    width : int
        Channels of the finest level of the decoder.
    hidden_size : int
        Length of a token, a multiple of `attention_heads`.
    mlp_size : int
        Hidden units of the perceptron of each transformer block.
    attention_heads : int
        Attention heads of each transformer block.
    """
    dims = dimensions(spatial_dims)
    size = each_axis("image_size", image_size, dims)
    if any(n % TOKEN for n in size):
        raise NetworkError(f"image_size is {image_size!r}.", f"Give multiples of {TOKEN}.")
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "img_size": size,
        "feature_size": width,
        "hidden_size": hidden_size,
        "mlp_dim": mlp_size,
        "num_heads": attention_heads,
        "norm_name": norm_layer(norm),
        "dropout_rate": probability("dropout", dropout),
    }


TRANSFORMERS = (
    Architecture(
        "swin-unetr",
        "Shifted-window transformer encoder with a convolutional decoder.",
        "Hatamizadeh et al., BrainLes 2021, arXiv:2201.01266",
        swin_unetr,
        f"{_NETS}:SwinUNETR",
        lambda arguments: (_SWIN_MULTIPLE,) * arguments["spatial_dims"],
        monai=lambda _: "SwinUNETR",
        needs=("einops",),
    ),
    Architecture(
        "unetr",
        "Transformer encoder over 16x16x16 tokens with a convolutional decoder.",
        "Hatamizadeh et al., WACV 2022, arXiv:2103.10504",
        unetr,
        f"{_NETS}:UNETR",
        lambda arguments: (TOKEN,) * arguments["spatial_dims"],
        needs=("einops",),
    ),
)
"""In the order in which they are listed."""
