"""Real networks: cost, precision, ensembles, cancelling, on the CPU and, where there is one, on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_model import CPU, make_stage, torch_stage

from PancreasSegLib.inference import CascadeSettings
from PancreasSegLib.inference.device import Device, Precision, choose_precision
from PancreasSegLib.inference.engine.torch_cost import measure_cost
from PancreasSegLib.inference.prediction import Predictor, plan_stage
from PancreasSegLib.inference.stage_grid import stage_grid
from PancreasSegLib.networks import build_network
from PancreasSegLib.volume import Box, Geometry

ARGUMENTS = {"in_channels": 1, "out_channels": 4, "filters": [8, 16, 24], "strides": [1, 2, [1, 2, 2]]}
STAGE = make_stage("segmenter", network="dynunet", arguments=ARGUMENTS, multiple_ijk=(4, 4, 2))


def unet(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_network("dynunet", lean=True, **ARGUMENTS).eval()


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 12, 16, 20)).astype(np.float32)


def plain(network: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return torch.softmax(network(torch.from_numpy(x)[None]), 1)[0].numpy()


def nothing(share: float) -> None:
    pass


def test_probabilities_are_those_of_the_network():
    expected = plain(unet(), image())
    found = torch_stage(STAGE, [unet()]).probabilities(image(), [1, 3], nothing)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_allclose(found, expected[[1, 3]], atol=2e-4)


def test_members_are_averaged():
    expected = (plain(unet(0), image()) + plain(unet(1), image())) / 2
    found = torch_stage(STAGE, [unet(0), unet(1)]).probabilities(image(), range(4), nothing)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_half_precision_is_near_and_repeats():
    network = torch_stage(STAGE, [unet()], CPU, Precision("bf16"))
    first = network.probabilities(image(), range(4), nothing)
    assert np.abs(first - plain(unet(), image())).mean() < 0.02
    np.testing.assert_array_equal(first, network.probabilities(image(), range(4), nothing))


def test_work_is_reported_layer_by_layer():
    shares: list[float] = []
    torch_stage(STAGE, [unet(0), unet(1)]).probabilities(image(), [1], shares.append)
    assert shares == sorted(shares) and shares[0] < 0.01 and shares[-1] == 1
    assert len(shares) > 40 and any(0.2 < s < 0.4 for s in shares)


def test_cost_is_what_the_layers_say():
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 4, 3, padding=1), torch.nn.Conv3d(4, 2, 1)).eval()
    cost = measure_cost(network, 1, (8, 8, 8))
    assert cost.gflop_per_mvoxel == pytest.approx((2 * 4 * 27 + 2 * 2 * 4) / 1e3)
    assert cost.largest_gflop_per_mvoxel == pytest.approx(2 * 4 * 27 / 1e3)
    assert cost.values_per_voxel == pytest.approx(1 + 4 + 2)
    assert 6 <= cost.peak_values_per_voxel <= 7
    assert len(cost.shares) == 2 and cost.shares[0] < cost.shares[1]


def test_cost_grows_with_the_voxels():
    small, large = (measure_cost(unet(), 1, shape) for shape in ((4, 8, 8), (8, 16, 16)))
    assert small.gflop_per_mvoxel == pytest.approx(large.gflop_per_mvoxel, rel=0.01)
    assert small.peak_values_per_voxel == pytest.approx(large.peak_values_per_voxel, rel=0.05)


def test_cost_of_a_transformer():
    """Most of its work is between the layers; what the layers show must suffice for a forecast."""
    few = {"width": 12, "depths": [1, 1, 1, 1], "attention_heads": [1, 1, 2, 2]}
    network = build_network("swin-unetr", in_channels=1, out_channels=2, **few).eval()
    cost = measure_cost(network, 1, (32, 32, 64))
    assert cost.gflop_per_mvoxel > 10 and cost.peak_values_per_voxel > 12


def test_a_network_that_refuses_the_probe_is_taken_for_a_usual_one():
    cost = measure_cost(unet(), 1, (3, 5, 7))
    assert cost.gflop_per_mvoxel > 100 and cost.shares == ()


def test_a_network_of_one_size_gets_windows_of_that_size():
    arguments = {"in_channels": 1, "out_channels": 4, "image_size": [16, 32, 16], "width": 4}
    arguments |= {"hidden_size": 24, "mlp_size": 32, "attention_heads": 2}
    stage = make_stage(
        "segmenter", network="unetr", arguments=arguments, patch_ijk=(16, 32, 16), multiple_ijk=(16, 16, 16)
    )
    network = torch_stage(stage, [build_network("unetr", **arguments)])
    grid = stage_grid(Box((0, 0, 0), (3, 3, 3)), Geometry((9, 9, 9), (2.0, 2.0, 3.0)), stage)
    assert grid.size_ijk == (16, 32, 16)
    tiling = plan_stage(network, (32, 48, 16), CascadeSettings(), 1.0)
    assert tiling.window_zyx == (16, 32, 16)
    whole = np.random.default_rng(0).normal(size=(1, 32, 48, 16)).astype(np.float32)
    found = Predictor(CascadeSettings(), 1).start(network, whole, [1]).result(nothing)
    assert found.shape == (1, 32, 48, 16) and network.cost.shares


def test_a_soft_tissue_channel_makes_two():
    stage = make_stage("segmenter", hu_mask="channel", multiple_ijk=(4, 4, 2))
    two = build_network("dynunet", lean=True, **(ARGUMENTS | {"in_channels": 2}))
    network = torch_stage(stage, [two])
    found = network.probabilities(np.concatenate([image(), image(1)]), [1], nothing)
    assert found.shape == (1, 12, 16, 20)


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu_and_repeats():
    gpu = Device("torch", "cuda:0")
    expected = plain(unet(), image())
    network = torch_stage(STAGE, [unet()], gpu, choose_precision(gpu))
    first = network.probabilities(image(), range(4), nothing)
    assert np.abs(first - expected).mean() < 0.02
    np.testing.assert_array_equal(first, network.probabilities(image(), range(4), nothing))
