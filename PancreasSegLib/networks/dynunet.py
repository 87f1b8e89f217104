"""MONAI's DynUNet with deep supervision outputs at their own resolution."""

from __future__ import annotations

from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.nets.dynunet import DynUNet
from torch import Tensor, nn
from torch.nn.functional import interpolate


class DynUNetList(DynUNet):
    """DynUNet that gives a list of scores in training and one tensor in evaluation.

    MONAI's own class blows every deep supervision output up to full size and stacks them; here each keeps its
    size, which saves memory and lets the loss see a target of that size. Its ``skip_layers`` name each
    parameter a second time; they are dropped, so that every weight has one name.

    The other arguments are those of :class:`monai.networks.nets.DynUNet`.
    """

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        del self.skip_layers

    def get_output_block(self, idx: int) -> nn.Module:
        """1x1x1 convolution to scores, without the dropout that MONAI would apply to the scores themselves."""
        return UnetOutBlock(self.spatial_dims, self.filters[idx], self.out_channels)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
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
        if self.training:
            heads = self.deep_supervision_heads if self.deep_supervision else []
            return [scores, *(head(level) for head, level in zip(heads, levels[-2::-1], strict=False))]
        if scores.shape[2:] != x.shape[2:]:
            scores = interpolate(scores, size=x.shape[2:], mode="trilinear" if x.ndim == 5 else "bilinear")
        return scores
