"""The normalisation that keeps channels last gives what torch's own gives."""

from __future__ import annotations

import pytest
import torch

from PancreasSegLib.networks import build_network
from PancreasSegLib.networks.instance_norm import ChannelsLastInstanceNorm3d, keep_channels_last


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("lean", [False, True])
def test_scores_and_state_dict_stay_the_same(batch, lean):
    network = build_network("dynunet", lean=lean, filters=[4, 8, 16], strides=[1, 2, 2]).eval()
    names = list(network.state_dict())
    x = torch.rand(batch, 1, 8, 8, 8)
    with torch.no_grad():
        before = network(x)
        assert keep_channels_last(network) is network
        assert any(isinstance(module, ChannelsLastInstanceNorm3d) for module in network.modules())
        assert torch.allclose(network(x), before, atol=1e-5)
    assert list(network.state_dict()) == names


def test_memory_stays_channels_last():
    norm = keep_channels_last(torch.nn.Sequential(torch.nn.InstanceNorm3d(4, affine=True)))
    x = torch.rand(1, 4, 3, 4, 5).to(memory_format=torch.channels_last_3d)
    assert norm(x).is_contiguous(memory_format=torch.channels_last_3d)
