"""Networks of other programs, which packages may hold but recipes do not train.

They stand apart from the architectures that `PancreasSegLib.networks.NETWORKS` lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    product_of_strides,
)

TORCHSCRIPT = "torchscript"

MONAI_CLASSES = (
    "AttentionUnet",
    "BasicUNet",
    "BasicUNetPlusPlus",
    "DynUNet",
    "FlexibleUNet",
    "HighResNet",
    "MedNeXt",
    "SegResNet",
    "SegResNetDS",
    "SwinUNETR",
    "UNETR",
    "UNet",
    "VNet",
)
"""Classes of ``monai.networks.nets`` that segment, take plain JSON and fetch nothing from anywhere."""

_ALIASES = {
    "Unet": "UNet",
    "BasicUnet": "BasicUNet",
    "Basicunet": "BasicUNet",
    "BasicUnetPlusPlus": "BasicUNetPlusPlus",
    "BasicunetPlusPlus": "BasicUNetPlusPlus",
    "DynUnet": "DynUNet",
    "Dynunet": "DynUNet",
    "AttentionUNet": "AttentionUnet",
}


def monai_class(target: str) -> str | None:
    """Return the class that a bundle's ``_target_`` means, None if it is not one of `MONAI_CLASSES`.

    Examples
    --------
    >>> monai_class("monai.networks.nets.Unet"), monai_class("os.system")
    ('UNet', None)
    """
    module, _, name = target.rpartition(".")
    name = _ALIASES.get(name, name)
    inside = module in ("", "monai.networks.nets") or module.startswith("monai.networks.nets.")
    return name if inside and name in MONAI_CLASSES else None


def monai(
    *,
    class_name: str,
    options: Mapping[str, Any],
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    kept: Sequence[Sequence[int]] = (),
    background: bool = True,
) -> dict[str, Any]:
    """Arguments of a network of MONAI.

    Parameters
    ----------
    class_name : str
        One of `MONAI_CLASSES`.
    options : mapping
        Keyword arguments of the class, plain JSON.
    """
    if class_name not in MONAI_CLASSES:
        raise NetworkError(
            f"The network {class_name!r} of MONAI cannot be built.", f"Known are {', '.join(MONAI_CLASSES)}."
        )
    if not isinstance(options, Mapping) or not _is_plain(options):
        raise NetworkError(
            f"The options of {class_name} are not plain JSON.", "Numbers, texts, lists and objects."
        )
    dimensions(spatial_dims)
    channels(in_channels, out_channels)
    groups = _groups(kept, out_channels, background)
    return {"class_name": class_name, "options": dict(options), **groups}


def _groups(kept: Any, out_channels: int, background: bool) -> dict[str, Any]:
    """Check the channels that are kept."""
    groups = [list(group) for group in kept]
    numbers = [number for group in groups for number in group]
    if any(not group for group in groups) or not all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n < out_channels for n in numbers
    ):
        raise NetworkError(f"kept is {kept!r}.", f"Lists of channels from 0 to {out_channels - 1}.")
    if background and groups and len(set(numbers)) == out_channels:
        raise NetworkError("kept holds every channel.", "One is the background, and is kept anyway.")
    return {"kept": groups, "background": bool(background)}


def given_channels(arguments: Mapping[str, Any]) -> int:
    """Return how many scores a voxel a network with such arguments gives."""
    kept, channels = arguments.get("kept") or (), int(arguments["out_channels"])
    if not kept:
        return channels
    return len(kept) + (len(other_channels(kept, channels)) if arguments.get("background", True) else 0)


def other_channels(kept: Sequence[Sequence[int]], out_channels: int) -> list[int]:
    """Return the channels that are not kept.

    Examples
    --------
    >>> other_channels([[1, 4]], 5)
    [0, 2, 3]
    """
    wanted = {channel for group in kept for channel in group}
    return [channel for channel in range(out_channels) if channel not in wanted]


def _is_plain(value: Any) -> bool:
    """Whether a value is JSON that neither names a class nor holds an expression."""
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and not k.startswith("_") and _is_plain(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(v) for v in value)
    if isinstance(value, str):
        return not value.startswith(("$", "@", "%"))
    return value is None or isinstance(value, (bool, int, float))


def torchscript(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    kept: Sequence[Sequence[int]] = (),
    background: bool = True,
) -> dict[str, Any]:
    """Arguments of a TorchScript program, which is its own network and needs none."""
    groups = _groups(kept, out_channels, background)
    return {"spatial_dims": dimensions(spatial_dims), **channels(in_channels, out_channels), **groups}


def nnunet_plain(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size | Sequence[Size] = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    blocks: Sequence[int] = (2, 2, 2, 2, 2),
    decoder_blocks: Sequence[int] = (2, 2, 2, 2),
    conv_bias: bool = True,
    norm: Layer = "instance",
    activation: Layer = "leakyrelu",
    kept: Sequence[Sequence[int]] = (),
    background: bool = True,
) -> dict[str, Any]:
    """Arguments of nnU-Net's ``PlainConvUNet``.

    Parameters
    ----------
    kernel_size : Size or sequence of Size
        Kernel: one number for all levels, or one entry a level, each a number or three in z, y, x order.
    blocks : sequence of int
        Convolutions of each level of the encoder.
    decoder_blocks : sequence of int
        Convolutions of each level of the decoder, the coarsest first.
    conv_bias : bool
        Whether convolutions have a bias.
    """
    dims = dimensions(spatial_dims)
    filters = positive_numbers("filters", filters, 2)
    levels = len(filters)
    return {
        "spatial_dims": dims,
        **channels(in_channels, out_channels),
        "filters": filters,
        "kernel_size": each_level("kernel_size", kernel_size, levels, dims),
        "strides": each_level("strides", strides, levels, dims),
        "blocks": positive_numbers("blocks", blocks, levels, levels),
        "decoder_blocks": positive_numbers("decoder_blocks", decoder_blocks, levels - 1, levels - 1),
        "conv_bias": bool(conv_bias),
        "norm_name": norm_layer(norm),
        "act_name": activation_layer(activation),
        "residual": False,
        **_groups(kept, out_channels, background),
    }


def nnunet_residual(
    *,
    in_channels: int = 1,
    out_channels: int = 2,
    spatial_dims: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256, 320),
    kernel_size: Size | Sequence[Size] = 3,
    strides: Sequence[Size] = (1, 2, 2, 2, 2),
    blocks: Sequence[int] = (1, 3, 4, 6, 6),
    decoder_blocks: Sequence[int] = (1, 1, 1, 1),
    conv_bias: bool = True,
    norm: Layer = "instance",
    activation: Layer = "leakyrelu",
    kept: Sequence[Sequence[int]] = (),
    background: bool = True,
) -> dict[str, Any]:
    """Arguments of nnU-Net's ``ResidualEncoderUNet``.

    Parameters
    ----------
    kernel_size : Size or sequence of Size
        Kernel: one number for all levels, or one entry a level, each a number or three in z, y, x order.
    blocks : sequence of int
        Residual blocks of each level of the encoder.
    decoder_blocks : sequence of int
        Convolutions of each level of the decoder, the coarsest first.
    conv_bias : bool
        Whether convolutions have a bias.
    """
    arguments = nnunet_plain(
        in_channels=in_channels,
        out_channels=out_channels,
        spatial_dims=spatial_dims,
        filters=filters,
        kernel_size=kernel_size,
        strides=strides,
        blocks=blocks,
        decoder_blocks=decoder_blocks,
        conv_bias=conv_bias,
        norm=norm,
        activation=activation,
        kept=kept,
        background=background,
    )
    return {**arguments, "residual": True}


_NETS = "PancreasSegLib.networks.nnunet_v2_nets:NnUNetV2"


def _multiple(arguments: dict[str, Any]) -> tuple[int, ...]:
    return product_of_strides(arguments["strides"])


IMPORTED: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "monai",
            "A network of monai.networks.nets by the name of its class.",
            "https://docs.monai.io",
            monai,
            "PancreasSegLib.networks.monai_class:build_monai_class",
            lambda _: (1, 1, 1),  # unknown: a package says what its network was seen to take
        ),
        Architecture(
            TORCHSCRIPT,
            "A TorchScript program: code, which is run only where the user has agreed to it.",
            "https://docs.pytorch.org/docs/stable/jit.html",
            torchscript,
            "PancreasSegLib.networks.torchscript:no_network",
            lambda _: (1, 1, 1),
        ),
        Architecture(
            "nnunet-plain",
            "PlainConvUNet of nnU-Net v2.",
            "Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z",
            nnunet_plain,
            _NETS,
            _multiple,
        ),
        Architecture(
            "nnunet-residual",
            "ResidualEncoderUNet of nnU-Net v2.",
            "Isensee et al., nnU-Net Revisited, MICCAI 2024, arXiv:2404.09556",
            nnunet_residual,
            _NETS,
            _multiple,
        ),
    )
}
"""The networks of other programs by name."""
