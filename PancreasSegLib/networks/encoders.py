"""Networks on the encoder of a classifier (EfficientNet, ResNet) and the arguments they take."""

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

EFFICIENTNETS = tuple(f"efficientnet-b{n}" for n in range(9))
RESNETS = ("resnet10", "resnet18", "resnet34", "resnet50", "resnet101")
_LEVELS = 5


def flexible_unet(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    encoder: str = "efficientnet-b0",
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    norm: Layer = "batch",
    activation: Layer = "relu",
    dropout: float = 0.0,
) -> dict[str, Any]:
    """Arguments of FlexibleUNet; weights are random, nothing is downloaded.

    Parameters
    ----------
    encoder : str
        "efficientnet-b0" to "efficientnet-b8", or "resnet10" to "resnet101".
    filters : sequence of 5 int
        Channels of each level of the decoder, the finest first.
    norm : Layer
        Normalisation of the decoder; the encoders always have batch normalisation.
    """
    if encoder not in EFFICIENTNETS + RESNETS:
        raise NetworkError(f"encoder is {encoder!r}.", f"Choose one of {', '.join(EFFICIENTNETS + RESNETS)}.")
    levels = positive_numbers("filters", filters, _LEVELS, _LEVELS)
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "backbone": encoder,
        "pretrained": False,
        "decoder_channels": tuple(levels[::-1]),
        "norm": norm_layer(norm),
        "act": activation_layer(activation),
        "dropout": probability("dropout", dropout),
    }


def deeplab(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    encoder: str = "resnet50",
    filters: int = 256,
    skip_filters: int = 48,
    rates: Sequence[int] = (6, 12, 18),
    dropout: float = 0.1,
) -> dict[str, Any]:
    """Arguments of DeepLabV3+; weights are random, nothing is downloaded.

    Parameters
    ----------
    spatial_dims : int
        2 for slices, as published, or 3 for volumes.
    encoder : str
        "resnet10", "resnet18", "resnet34", "resnet50" or "resnet101"; dilated in its last stage.
    filters : int
        Channels of the pyramid and of the decoder.
    skip_filters : int
        Channels to which the fine features are narrowed.
    rates : sequence of int
        Dilations of the pyramid's 3x3 convolutions, beside a 1x1 convolution and the mean of the image.
    """
    if encoder not in RESNETS:
        raise NetworkError(f"encoder is {encoder!r}.", f"Choose one of {', '.join(RESNETS)}.")
    for name, value in (("filters", filters), ("skip_filters", skip_filters)):
        if not is_positive(value):
            raise NetworkError(f"{name} is {value!r}.", "Give a positive number.")
    return {
        "spatial_dims": dimensions(spatial_dims),
        **channels(in_channels, out_channels),
        "encoder": encoder,
        "filters": filters,
        "skip_filters": skip_filters,
        "rates": positive_numbers("rates", rates, 1),
        "dropout": probability("dropout", dropout),
    }


ENCODER_NETWORKS = (
    Architecture(
        "flexible-unet",
        "U-Net decoder on the encoder of an EfficientNet or a ResNet.",
        "Tan and Le, ICML 2019, arXiv:1905.11946; He et al., CVPR 2016, arXiv:1512.03385; MONAI's FlexibleUNet",
        flexible_unet,
        "PancreasSegLib.networks.monai_nets:FlexibleUNet",
        lambda arguments: (32,) * arguments["spatial_dims"],
        monai=lambda _: "FlexibleUNet",
    ),
    Architecture(
        "deeplabv3+",
        "Dilated ResNet encoder, a pyramid of dilated convolutions, and a light decoder; made for slices.",
        "Chen et al., ECCV 2018, arXiv:1802.02611",
        deeplab,
        "PancreasSegLib.networks.deeplab_net:DeepLab",
        lambda arguments: (16,) * arguments["spatial_dims"],
    ),
)
"""In the order in which they are listed."""
