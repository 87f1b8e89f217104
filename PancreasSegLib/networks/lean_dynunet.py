"""DynUNet from plain torch layers, for a fast start.

Importing MONAI takes about 1.7 s, a fifth of the time in which a whole CT is to be segmented, because its package
loads all its parts whichever is asked for. This is the same network, with the same names in its state dict and the
same scores, as `PancreasSegLib.networks.monai_nets.DynUNet`; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

Layer = tuple[str, dict[str, Any]]
Axes = Sequence[int]

_CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_INSTANCE: dict[int, Any] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_BATCH: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_ACTIVATION: dict[str, Any] = {
    "LEAKYRELU": nn.LeakyReLU,
    "RELU": nn.ReLU,
    "PRELU": nn.PReLU,
    "ELU": nn.ELU,
    "SELU": nn.SELU,
    "GELU": nn.GELU,
}


def _norm(norm: Layer, channels: int, dims: int) -> nn.Module:
    name, options = norm
    if name == "GROUP":
        return nn.GroupNorm(num_channels=channels, **options)
    return {"INSTANCE": _INSTANCE, "BATCH": _BATCH}[name][dims](channels, **options)


class _Convolution(nn.Sequential):
    """Convolution without bias that keeps the size but for its stride, or the transposed one that undoes it."""

    def __init__(
        self, dims: int, a: int, b: int, kernel: Axes, stride: Axes, dropout: float | None, up: bool
    ) -> None:
        super().__init__()
        padding = tuple((k - s + 1) // 2 for k, s in zip(kernel, stride, strict=True))
        if up:
            self.add_module("conv", _TRANSPOSED[dims](a, b, tuple(kernel), tuple(stride), padding, bias=False))
        else:
            self.add_module("conv", _CONV[dims](a, b, tuple(kernel), tuple(stride), padding, bias=False))
        if dropout:
            self.add_module("adn", nn.Dropout(dropout))


class _Block(nn.Module):
    """Two convolutions with normalisation and activation, with or without a shortcut."""

    def __init__(
        self,
        dims: int,
        a: int,
        b: int,
        kernel: Axes,
        stride: Axes,
        norm: Layer,
        activation: Layer,
        dropout: float | None,
        residual: bool,
    ) -> None:
        super().__init__()
        self.conv1 = _Convolution(dims, a, b, kernel, stride, dropout, up=False)
        self.conv2 = _Convolution(dims, b, b, kernel, (1,) * dims, dropout, up=False)
        self.lrelu = _ACTIVATION[activation[0]](**activation[1])
        self.norm1 = _norm(norm, b, dims)
        self.norm2 = _norm(norm, b, dims)
        self.residual = residual
        self.downsample = residual and (a != b or set(stride) != {1})
        if self.downsample:
            self.conv3 = _Convolution(dims, a, b, (1,) * dims, stride, dropout, up=False)
            self.norm3 = _norm(norm, b, dims)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lrelu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.residual:
            y += self.norm3(self.conv3(x)) if self.downsample else x
        result: Tensor = self.lrelu(y)
        return result


class _Up(nn.Module):
    """Transposed convolution, concatenation of the skip connection, plain block."""

    def __init__(
        self,
        dims: int,
        a: int,
        b: int,
        kernel: Axes,
        stride: Axes,
        norm: Layer,
        activation: Layer,
        dropout: float | None,
    ) -> None:
        super().__init__()
        self.transp_conv = _Convolution(dims, a, b, stride, stride, dropout, up=True)
        self.conv_block = _Block(dims, 2 * b, b, kernel, (1,) * dims, norm, activation, dropout, residual=False)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        result: Tensor = self.conv_block(torch.cat((self.transp_conv(x), skip), dim=1))
        return result


class _Scores(nn.Module):
    """1x1x1 convolution to scores."""

    def __init__(self, dims: int, a: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        self.conv.add_module("conv", _CONV[dims](a, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


class LeanDynUNet(nn.Module):
    """DynUNet without MONAI; takes the arguments of `PancreasSegLib.networks.monai_nets.DynUNet`."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[Axes],
        strides: Sequence[Axes],
        upsample_kernel_size: Sequence[Axes],
        filters: Sequence[int],
        dropout: float | None,
        norm_name: Layer,
        act_name: Layer,
        deep_supervision: bool,
        deep_supr_num: int,
        res_block: bool,
        blocks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        dims, shared = spatial_dims, (norm_name, act_name, dropout)
        encoder = []
        for level, (count, b) in enumerate(zip(blocks or [1] * len(filters), filters, strict=True)):
            a, kernel = filters[level - 1] if level else in_channels, kernel_size[level]
            block = _Block(dims, a, b, kernel, strides[level], *shared, res_block)
            more = [_Block(dims, b, b, kernel, (1,) * dims, *shared, res_block) for _ in range(count - 1)]
            encoder.append(nn.Sequential(block, *more) if more else block)
        self.input_block = encoder[0]
        self.downsamples = nn.ModuleList(encoder[1:-1])
        self.bottleneck = encoder[-1]
        self.upsamples = nn.ModuleList(
            _Up(dims, filters[i + 1], filters[i], kernel_size[i + 1], upsample_kernel_size[i], *shared)
            for i in reversed(range(len(filters) - 1))
        )
        self.output_block = _Scores(dims, filters[0], out_channels)
        self.deep_supervision = deep_supervision
        if deep_supervision:
            self.deep_supervision_heads = nn.ModuleList(
                _Scores(dims, filters[i + 1], out_channels) for i in range(deep_supr_num)
            )
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Scores ``(n, classes, z, y, x)``; in training a list from fine to coarse."""
        skips = [self.input_block(x)]
        for down in self.downsamples:
            skips.append(down(skips[-1]))
        y = self.bottleneck(skips[-1])
        levels = []
        for up in self.upsamples:
            y = up(y, skips.pop())
            if self.training:
                levels.append(y)
        scores: Tensor = self.output_block(y)
        if self.training:
            heads = self.deep_supervision_heads if self.deep_supervision else ()
            return [scores, *(head(level) for head, level in zip(heads, levels[-2::-1], strict=False))]
        if scores.shape[2:] != x.shape[2:]:
            scores = interpolate(scores, size=x.shape[2:], mode="trilinear" if x.ndim == 5 else "bilinear")
        return scores


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        nn.init.kaiming_normal_(module.weight, a=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
