"""MONAI's networks with one kind of output: a list of scores in training, one tensor in evaluation.

Importing this module imports MONAI. The classes add no level of naming, so state dicts are MONAI's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from monai.networks import nets
from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetOutBlock, UnetResBlock
from torch import Tensor, nn
from torch.nn.functional import interpolate

Scores = Tensor | list[Tensor]


def to_size(scores: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate scores linearly to a spatial size, if they do not have it."""
    if tuple(scores.shape[2:]) == tuple(size):
        return scores
    return interpolate(scores, size=tuple(size), mode="trilinear" if scores.ndim == 5 else "bilinear")


class _SingleScores:
    """Mixed in before a network with one output: wraps it into a list in training."""

    training: bool

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list with them."""
        scores: Tensor = super().forward(x)  # type: ignore[misc]
        return [scores] if self.training else scores


class SegResNet(_SingleScores, nets.SegResNet):
    """`monai.networks.nets.SegResNet`."""


class SegResNetDS(nets.SegResNetDS):
    """`monai.networks.nets.SegResNetDS`."""

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list from fine to coarse."""
        outputs = super().forward(x)
        return [outputs] if self.training and isinstance(outputs, Tensor) else outputs


class HighResNet(_SingleScores, nets.HighResNet):
    """`monai.networks.nets.HighResNet`."""


class FlexibleUNet(_SingleScores, nets.FlexibleUNet):
    """`monai.networks.nets.FlexibleUNet`, its encoder without the layers that only classify."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        # they take part in no output, and distributed training stumbles over weights without gradients
        for unused in ("_conv_head", "_bn1", "_fc", "fc"):
            if isinstance(getattr(self.encoder, unused, None), nn.Module):
                setattr(self.encoder, unused, nn.Identity())


class UNet(_SingleScores, nets.UNet):
    """`monai.networks.nets.UNet`."""


class VNet(_SingleScores, nets.VNet):
    """`monai.networks.nets.VNet`."""


class AttentionUNet(_SingleScores, nets.AttentionUnet):
    """`monai.networks.nets.AttentionUnet`."""


class SwinUNETR(_SingleScores, nets.SwinUNETR):
    """`monai.networks.nets.SwinUNETR`."""

    def __init__(self, **arguments: Any) -> None:
        known = inspect.signature(nets.SwinUNETR.__init__).parameters
        if "img_size" in known:
            # MONAI before 1.5 asks for a size that it checks and does not use
            arguments["img_size"] = (32,) * arguments["spatial_dims"]
        if "window_size" not in known and set(arguments.pop("window_size")) != {7}:
            raise ValueError("the window can be other than 7 from MONAI 1.5 on")
        super().__init__(**arguments)


class DynUNet(nets.DynUNet):
    """`monai.networks.nets.DynUNet` with deep supervision outputs at their own resolution.

    MONAI's own class blows every one of them up to full size and stacks them; here each keeps its size, which
    saves memory and lets the loss see a target of that size. Its ``skip_layers`` name each parameter a second
    time; they are dropped, so that every weight has one name.

    Parameters
    ----------
    blocks : sequence of int, optional
        Blocks of each level of the encoder, one each by default; more become an `torch.nn.Sequential`.
    **arguments
        MONAI's.
    """

    def __init__(self, blocks: Sequence[int] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        del self.skip_layers
        if blocks:
            deepest = len(blocks) - 1
            self.input_block: nn.Module = self._deepen(self.input_block, 0, blocks[0])
            self.bottleneck: nn.Module = self._deepen(self.bottleneck, deepest, blocks[-1])
            self.downsamples: nn.ModuleList = nn.ModuleList(
                self._deepen(block, i, blocks[i]) for i, block in enumerate(self.downsamples, 1)
            )

    def _deepen(self, block: nn.Module, level: int, count: int) -> nn.Module:
        channels, kernel = self.filters[level], self.kernel_size[level]
        more = [
            self.conv_block(
                self.spatial_dims,
                channels,
                channels,
                kernel,
                1,
                self.norm_name,
                self.act_name,
                dropout=self.dropout,
            ).apply(self.initialize_weights)
            for _ in range(count - 1)
        ]
        return nn.Sequential(block, *more) if more else block

    def get_output_block(self, idx: int) -> nn.Module:
        """1x1x1 convolution to scores, without the dropout that MONAI would apply to the scores themselves."""
        return UnetOutBlock(self.spatial_dims, self.filters[idx], self.out_channels)

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list from fine to coarse.

        With a stride in the first level the scores are coarser than the input: they are interpolated back to its
        size in evaluation mode, and left as they are in training.
        """
        skips = [self.input_block(x)]
        for down in self.downsamples:
            skips.append(down(skips[-1]))
        y = self.bottleneck(skips[-1])
        levels = []
        for up in self.upsamples:
            y = up(y, skips.pop())
            levels.append(y)
        scores = self.output_block(y)
        if not self.training:
            return to_size(scores, x.shape[2:])
        heads = self.deep_supervision_heads if self.deep_supervision else ()
        return [scores, *(head(level) for head, level in zip(heads, levels[-2::-1], strict=False))]


class UNetPlusPlus(nets.BasicUNetPlusPlus):
    """`monai.networks.nets.BasicUNetPlusPlus`: from the most to the least nested decoder in training."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        if not self.deep_supervision:
            # they take part in no output, and distributed training stumbles over weights without gradients
            for depth in (1, 2, 3):
                setattr(self, f"final_conv_0_{depth}", nn.Identity())

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list of them, all at full size."""
        outputs = super().forward(x)
        return outputs[::-1] if self.training else outputs[-1]


class FCN(nn.Module):
    """Encoder of MONAI's U-Net blocks; scores of each level are upsampled and added, coarse to fine.

    Parameters
    ----------
    spatial_dims, in_channels, out_channels, filters, kernel_size, strides, norm_name, act_name, dropout
        As for `monai.networks.nets.DynUNet`.
    residual : bool
        Whether blocks have a shortcut.
    finest : int
        Finest level whose scores are used.
    deep_supervision : bool
        Whether the sums at coarser levels are outputs in training.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        kernel_size: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        norm_name: tuple[str, dict[str, Any]],
        act_name: tuple[str, dict[str, Any]],
        dropout: float | None,
        residual: bool,
        finest: int,
        deep_supervision: bool,
    ) -> None:
        super().__init__()
        self.finest = finest
        self.deep_supervision = deep_supervision
        block = UnetResBlock if residual else UnetBasicBlock
        inputs = [in_channels, *filters[:-1]]
        self.encoder = nn.ModuleList(
            block(spatial_dims, a, b, kernel, stride, norm_name, act_name, dropout)
            for a, b, kernel, stride in zip(inputs, filters, kernel_size, strides, strict=True)
        )
        self.scores = nn.ModuleList(UnetOutBlock(spatial_dims, n, out_channels) for n in filters[finest:])
        self.apply(nets.DynUNet.initialize_weights)

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list from fine to coarse."""
        levels = []
        y = x
        for block in self.encoder:
            y = block(y)
            levels.append(y)
        scores = [head(level) for head, level in zip(self.scores, levels[self.finest :], strict=True)]
        sums = [scores[-1]]
        for finer in scores[-2::-1]:
            sums.insert(0, finer + to_size(sums[0], finer.shape[2:]))
        if not self.training:
            return to_size(sums[0], x.shape[2:])
        return sums if self.deep_supervision else sums[:1]


class UNETR(nets.UNETR):
    """`monai.networks.nets.UNETR` for any multiple of 16: position embeddings are interpolated."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for block in self.vit.blocks:
            # MONAI 1.4 holds weights of a cross attention that it never uses; later versions do not
            for stale in ("cross_attn", "norm_cross_attn"):
                if not getattr(block, "with_cross_attention", False) and hasattr(block, stale):
                    delattr(block, stale)

    def _tokens(self, x: Tensor) -> tuple[list[Tensor], tuple[int, ...]]:
        """Outputs of all transformer blocks and the normalised last one, and the grid of the tokens."""
        embedding = self.vit.patch_embedding
        patches = embedding.patch_embeddings(x)
        grid = tuple(patches.shape[2:])
        positions = embedding.position_embeddings
        if grid != tuple(self.feat_size):
            positions = positions.transpose(1, 2).unflatten(2, tuple(self.feat_size))
            positions = to_size(positions, grid).flatten(2).transpose(1, 2)
        y = embedding.dropout(patches.flatten(2).transpose(1, 2) + positions)
        outputs = []
        for block in self.vit.blocks:
            y = block(y)
            outputs.append(y)
        return [*outputs, self.vit.norm(y)], grid

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list with them."""
        outputs, grid = self._tokens(x)
        maps = [outputs[i].transpose(1, 2).unflatten(2, grid).contiguous() for i in (3, 6, 9, -1)]
        enc1 = self.encoder1(x)
        enc2, enc3, enc4 = self.encoder2(maps[0]), self.encoder3(maps[1]), self.encoder4(maps[2])
        y = self.decoder5(maps[3], enc4)
        y = self.decoder4(y, enc3)
        y = self.decoder3(y, enc2)
        scores: Tensor = self.out(self.decoder2(y, enc1))
        return [scores] if self.training else scores
