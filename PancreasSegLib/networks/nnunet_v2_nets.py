"""The networks of nnU-Net v2 from plain torch layers, with the names that its checkpoints give to the weights.

Its own package of networks (dynamic-network-architectures, Apache-2.0) asks for timm and with it for torchvision,
which is far more than these few layers; a test compares the two where that package is there. A checkpoint names
weights two or three times (``all_modules``, ``decoder.encoder``); here each has one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from PancreasSegLib.networks.kept_channels import Groups, joined_convolution

Axes = Sequence[int]
Layer = tuple[str, dict[str, Any]]

_CONV: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOL: dict[int, Any] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_NORM: dict[str, dict[int, Any]] = {
    "INSTANCE": {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
    "BATCH": {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
}
_ACTIVATION: dict[str, Any] = {"LEAKYRELU": nn.LeakyReLU, "RELU": nn.ReLU}


class _Convolution(nn.Module):
    """Convolution that keeps the size but for its stride, normalisation, and an activation or none."""

    def __init__(
        self,
        dims: int,
        a: int,
        b: int,
        kernel: Axes,
        stride: Axes,
        bias: bool,
        norm: Layer,
        activation: Layer | None,
    ) -> None:
        super().__init__()
        padding = tuple((k - 1) // 2 for k in kernel)
        self.conv = _CONV[dims](a, b, tuple(kernel), tuple(stride), padding, bias=bias)
        self.norm = _NORM[norm[0]][dims](b, **norm[1])
        self.active: nn.Module = _ACTIVATION[activation[0]](**activation[1]) if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.active(self.norm(self.conv(x)))
        return result


class _Convolutions(nn.Module):
    """Several convolutions, the first with the stride."""

    def __init__(self, count: int, dims: int, a: int, b: int, kernel: Axes, stride: Axes, *shared: Any) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(
                _Convolution(dims, b if i else a, b, kernel, (1,) * dims if i else stride, *shared)
                for i in range(count)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.convs(x)
        return result


class _Residual(nn.Module):
    """Two convolutions with a shortcut, which averages where there is a stride (ResNet-D)."""

    def __init__(
        self, dims: int, a: int, b: int, kernel: Axes, stride: Axes, bias: bool, norm: Layer, activation: Layer
    ) -> None:
        super().__init__()
        one = (1,) * dims
        self.conv1 = _Convolution(dims, a, b, kernel, stride, bias, norm, activation)
        self.conv2 = _Convolution(dims, b, b, kernel, one, bias, norm, None)
        self.nonlin2 = _ACTIVATION[activation[0]](**activation[1])
        shortcut: list[nn.Module] = [_POOL[dims](tuple(stride), tuple(stride))] if set(stride) != {1} else []
        if a != b:
            shortcut.append(_Convolution(dims, a, b, one, one, False, norm, None))
        self.skip = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.nonlin2(self.conv2(self.conv1(x)) + self.skip(x))
        return result


class _Residuals(nn.Module):
    """Several residual blocks, the first with the stride."""

    def __init__(self, count: int, dims: int, a: int, b: int, kernel: Axes, stride: Axes, *shared: Any) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                _Residual(dims, b if i else a, b, kernel, (1,) * dims if i else stride, *shared)
                for i in range(count)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.blocks(x)
        return result


class _Encoder(nn.Module):
    """A stage a level; the residual one has a stem before."""

    def __init__(
        self,
        dims: int,
        in_channels: int,
        filters: Sequence[int],
        kernels: Sequence[Axes],
        strides: Sequence[Axes],
        blocks: Sequence[int],
        residual: bool,
        shared: tuple[bool, Layer, Layer],
    ) -> None:
        super().__init__()
        self.stem: nn.Module | None = None
        if residual:
            self.stem = _Convolutions(1, dims, in_channels, filters[0], kernels[0], (1,) * dims, *shared)
            in_channels = filters[0]
        inputs = (in_channels, *filters[:-1])
        levels = zip(blocks, inputs, filters, kernels, strides, strict=True)
        stages: list[nn.Module] = [
            _Residuals(count, dims, a, b, kernel, stride, *shared)
            if residual
            else nn.Sequential(_Convolutions(count, dims, a, b, kernel, stride, *shared))
            for count, a, b, kernel, stride in levels
        ]
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        if self.stem is not None:
            x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        return skips


class _Decoder(nn.Module):
    """From the coarsest level up; every level has scores, of which only training uses the coarser."""

    def __init__(
        self,
        dims: int,
        out_channels: int,
        filters: Sequence[int],
        kernels: Sequence[Axes],
        strides: Sequence[Axes],
        blocks: Sequence[int],
        shared: tuple[bool, Layer, Layer],
        kept: Groups,
        background: bool,
    ) -> None:
        super().__init__()
        self._kept, self._background = kept, background
        ups, stages, scores = [], [], []
        for count, level in zip(blocks, reversed(range(len(filters) - 1)), strict=True):
            a, b, stride = filters[level + 1], filters[level], tuple(strides[level + 1])
            ups.append(_TRANSPOSED[dims](a, b, stride, stride, bias=shared[0]))
            stages.append(_Convolutions(count, dims, 2 * b, b, kernels[level], (1,) * dims, *shared))
            scores.append(_CONV[dims](b, out_channels, 1))
        self.transpconvs, self.stages = nn.ModuleList(ups), nn.ModuleList(stages)
        self.seg_layers = nn.ModuleList(scores)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        y, scores = skips[-1], []
        for i, (up, stage) in enumerate(zip(self.transpconvs, self.stages, strict=True)):
            y = stage(torch.cat((up(y), skips[-2 - i]), dim=1))
            if self.training or i == len(self.stages) - 1:
                scores.append(self._scores(self.seg_layers[i], y))
        return scores[::-1]

    def _scores(self, layer: Any, y: Tensor) -> Tensor:
        scores: Tensor = layer(y) if not self._kept else joined_convolution(y, layer, self._kept, self._background)
        return scores


class NnUNetV2(nn.Module):
    """``PlainConvUNet`` and ``ResidualEncoderUNet`` of nnU-Net v2.

    Parameters
    ----------
    spatial_dims, in_channels, out_channels : int
        As everywhere.
    filters, kernel_size, strides, blocks : sequence
        One entry a level of the encoder, the finest first.
    decoder_blocks : sequence of int
        Convolutions of each level of the decoder, the coarsest first.
    conv_bias : bool
        Whether convolutions have a bias.
    norm_name, act_name : tuple of str and dict
        Normalisation and activation with their options.
    residual : bool
        Whether the encoder is that of ``ResidualEncoderUNet``.
    kept, background
        As for `PancreasSegLib.networks.kept_channels.keep_channels`; without groups all channels are kept.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        kernel_size: Sequence[Axes],
        strides: Sequence[Axes],
        blocks: Sequence[int],
        decoder_blocks: Sequence[int],
        conv_bias: bool,
        norm_name: Layer,
        act_name: Layer,
        residual: bool,
        kept: Groups = (),
        background: bool = True,
    ) -> None:
        super().__init__()
        shared = (conv_bias, norm_name, act_name)
        self.encoder = _Encoder(spatial_dims, in_channels, filters, kernel_size, strides, blocks, residual, shared)
        self.decoder = _Decoder(
            spatial_dims, out_channels, filters, kernel_size, strides, decoder_blocks, shared, kept, background
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Scores ``(n, classes, z, y, x)``; in training a list from fine to coarse."""
        scores: list[Tensor] = self.decoder(self.encoder(x))
        return scores if self.training else scores[0]
