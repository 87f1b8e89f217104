"""What a network costs, counted on shapes alone."""

from __future__ import annotations

import json

import pytest
import torch

from PancreasSegLib.cli.app import run
from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks import PRESETS, build_network, describe, find_network
from PancreasSegLib.networks.footprint import network_footprint

UNET = {"filters": [4, 8], "strides": [1, 2], "norm": "batch", "activation": "relu"}


def test_parameters_operations_and_memory_agree_with_a_count_by_hand():
    found = network_footprint("fcn", {"filters": [4, 8], "strides": [1, 2], "finest": 1}, (16, 16, 16))
    n = 16**3
    first, second = 2 * n * 27 * 4 * (1 + 4), 2 * (n // 8) * 27 * 8 * (4 + 8)
    head = 2 * (n // 8) * 8 * 2
    assert found.gflops == pytest.approx((first + second + head) / 1e9)
    network = build_network("fcn", filters=[4, 8], strides=[1, 2], finest=1)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    largest = 4 * n * 4  # bytes of a tensor of the first level
    assert 2 * largest <= found.inference_mb * (1 << 20) <= 4 * largest
    assert found.training_mb > found.inference_mb


def test_costs_grow_with_the_image_and_the_batch():
    one = network_footprint("unet", UNET, (32, 32, 16))
    large = network_footprint("unet", UNET, (64, 32, 16))
    batch = network_footprint("unet", UNET, (32, 32, 16), batch=2)
    assert one.parameters == large.parameters == batch.parameters
    for more in (large, batch):
        assert more.gflops == pytest.approx(2 * one.gflops)
        assert 1.8 * one.training_mb < more.training_mb < 2.01 * one.training_mb


def test_sizes_are_rounded_up_to_what_the_network_takes():
    assert network_footprint("unet", UNET, (31, 30, 5)).size_ijk == (32, 30, 6)
    assert network_footprint("unet", {**UNET, "spatial_dims": 2}, (31, 30, 5)).size_ijk == (32, 30, 1)


def test_no_memory_is_taken_for_a_network_that_would_not_fit():
    found = network_footprint(
        "unet", {"filters": [4096, 8192], "strides": [1, 2]}, (512, 512, 512), training=False
    )
    assert found.parameters > 9e8
    assert found.inference_mb > 1e6


def test_wrong_arguments_are_refused_as_in_building():
    with pytest.raises(NetworkError, match="filters"):
        network_footprint("unet", {"filters": [-1, 2]}, (32, 32, 32))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_architecture_with_other_defaults(name):
    preset = find_network(name)
    defaults = {key: entry.get("default") for key, entry in describe(name)["arguments"].items()}
    assert defaults["deep_supervision"] is True
    small = {"filters": [4, 8, 16], "deep_supervision": False}
    small |= {"strides": [1, 2, 2], "blocks": [1, 1, 1]} if "strides" in defaults else {}
    small |= {"expansion": [2, 2, 2], "blocks": [1, 1, 1]} if "expansion" in defaults else {}
    x = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        assert build_network(name, **small).eval()(x).shape == (1, 2, 8, 8, 8)
    base = describe("resenc-unet" if name.startswith("resenc") else "mednext")
    assert describe(name)["arguments"].keys() == base["arguments"].keys()
    assert preset.summary != base["summary"]


def test_the_command_shows_costs_of_one_network(capsys):
    assert run(["networks", "unet", "--size", "64,64,32", "--json", "filters=[4,8]", "strides=[1,2]"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["cost"]["size_ijk"] == [64, 64, 32]
    assert (
        shown["cost"]["parameters"]
        == network_footprint("unet", {"filters": [4, 8], "strides": [1, 2]}, (8, 8, 8)).parameters
    )
    assert run(["networks", "unet", "--size", "256,256"]) == 0
    assert "256 x 256" in capsys.readouterr().out
    assert run(["networks", "unet", "--size", "many"]) == 2
    assert "96,96,96" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_shows_costs_of_every_network(capsys):
    assert run(["networks", "--size", "32,32,32", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"dynunet", "swin-unetr", "unetr", "mednext-l"} <= shown.keys()
    assert all(entry["cost"]["gflops"] > 0 for entry in shown.values())


def test_names_alone_cost_nothing(capsys):
    assert run(["networks", "--brief"]) == 0
    assert "deeplabv3+" in capsys.readouterr().out
