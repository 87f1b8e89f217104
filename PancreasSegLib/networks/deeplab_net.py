"""DeepLabV3+ on MONAI's ResNet features. Importing this module imports MONAI."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers.factories import Conv, Norm, Pool
from monai.networks.nets.resnet import ResNetFeatures
from torch import Tensor, nn

from PancreasSegLib.networks.monai_nets import Scores, to_size


class DeepLab(nn.Module):
    """Encoder with dilation, atrous spatial pyramid pooling, decoder (Chen et al. 2018, arXiv:1802.02611).

    Parameters
    ----------
    spatial_dims, in_channels, out_channels : int
        2 or 3; channels of input and scores.
    encoder : str
        A ResNet of MONAI.
    filters, skip_filters : int
        Channels of the pyramid and the decoder, and of the fine features beside them.
    rates : sequence of int
        Dilations of the pyramid.
    dropout : float
        Before the scores.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        encoder: str,
        filters: int,
        skip_filters: int,
        rates: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = ResNetFeatures(
            encoder, pretrained=False, spatial_dims=spatial_dims, in_channels=in_channels
        )
        _dilate(self.encoder.layer4)
        fine, deep = _channels(self.encoder.layer1), _channels(self.encoder.layer4)
        self.branches = nn.ModuleList([_unit(spatial_dims, deep, filters, 1)])
        self.branches.extend(_unit(spatial_dims, deep, filters, 3, rate) for rate in rates)
        # no normalisation here: the mean of one image is one value a channel
        self.mean = nn.Sequential(
            Pool[Pool.ADAPTIVEAVG, spatial_dims](1), Conv[Conv.CONV, spatial_dims](deep, filters, 1), nn.ReLU()
        )
        self.join = _unit(spatial_dims, (len(rates) + 2) * filters, filters, 1)
        self.skip = _unit(spatial_dims, fine, skip_filters, 1)
        self.decoder = nn.Sequential(
            _unit(spatial_dims, filters + skip_filters, filters, 3), _unit(spatial_dims, filters, filters, 3)
        )
        self.scores = nn.Sequential(nn.Dropout(dropout), Conv[Conv.CONV, spatial_dims](filters, out_channels, 1))

    def forward(self, x: Tensor) -> Scores:
        """Scores ``(n, classes, z, y, x)``; in training a list with them."""
        features = self.encoder(x)
        fine, deep = features[1], features[4]
        size = deep.shape[2:]
        seen = [branch(deep) for branch in self.branches]
        seen.append(self.mean(deep).expand(-1, -1, *size))
        y = to_size(self.join(torch.cat(seen, 1)), fine.shape[2:])
        y = self.decoder(torch.cat([y, self.skip(fine)], 1))
        scores = to_size(self.scores(y), x.shape[2:])
        return [scores] if self.training else scores


def _unit(dims: int, a: int, b: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        Conv[Conv.CONV, dims](a, b, kernel, padding=padding, dilation=dilation, bias=False),
        Norm[Norm.BATCH, dims](b),
        nn.ReLU(inplace=True),
    )


def _dilate(stage: nn.Module) -> None:
    """Let a stage of a ResNet keep its size: no stride, and kernels that reach as far by dilation."""
    for module in stage.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            dims = len(module.kernel_size)
            module.stride = (1,) * dims
            if max(module.kernel_size) > 1:
                module.dilation = module.padding = (2,) * dims


def _channels(stage: nn.Sequential) -> int:
    """Channels that a stage of a ResNet gives, which depend on the kind of its blocks."""
    norms = [part for part in stage[-1].children() if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm3d))]
    return norms[-1].num_features
