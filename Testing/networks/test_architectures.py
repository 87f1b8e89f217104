"""Every architecture: one output in evaluation, a list from fine to coarse in training, JSON arguments."""

from __future__ import annotations

import json

import pytest
import torch

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks import NETWORKS, build_network, describe, input_multiple, training_outputs

SMALL = {
    "dynunet": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2]},
    "resenc-unet": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2], "blocks": [1, 2, 3]},
    "segresnet": {"filters": [8, 16, 32], "blocks_down": [1, 1, 2], "blocks_up": [1, 1]},
    "segresnet-ds": {"filters": [8, 16, 32], "blocks_down": [1, 1, 2]},
    "mednext": {"filters": [4, 8, 16], "blocks": [1, 1, 2], "expansion": [2, 2, 3]},
    "highresnet": {"filters": [4, 4, 8], "kernel_size": [5, 3, 3], "blocks": [1, 2], "last_filters": 8},
    "flexible-unet": {"encoder": "resnet10", "filters": [4, 4, 8, 8, 8]},
    "deeplabv3+": {"encoder": "resnet10", "filters": 8, "skip_filters": 4, "rates": [2, 4]},
    "unet": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2], "residual_units": 1},
    "vnet": {},
    "attention-unet": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2]},
    "unet++": {"filters": [4, 4, 8, 8, 8]},
    "fcn": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2]},
    "swin-unetr": {"width": 12, "depths": [1, 1, 1, 1], "attention_heads": [1, 1, 2, 2]},
    "unetr": {"image_size": [16, 32, 16], "width": 4, "hidden_size": 24, "mlp_size": 32, "attention_heads": 2},
}
MULTIPLE_IJK = {
    "dynunet": (4, 4, 2),
    "resenc-unet": (4, 4, 2),
    "segresnet": (4, 4, 4),
    "segresnet-ds": (4, 4, 4),
    "mednext": (4, 4, 4),
    "highresnet": (1, 1, 1),
    "flexible-unet": (32, 32, 32),
    "deeplabv3+": (16, 16, 16),
    "unet": (4, 4, 2),
    "vnet": (16, 16, 16),
    "attention-unet": (4, 4, 2),
    "unet++": (16, 16, 16),
    "fcn": (4, 4, 2),
    "swin-unetr": (32, 32, 32),
    "unetr": (16, 16, 16),
}


def smallest_input(name: str, channels: int = 2) -> torch.Tensor:
    """Random input (1, channels, z, y, x) of the least size, twice along y for instance normalisation."""
    torch.manual_seed(0)
    i, j, k = input_multiple(name, **SMALL[name])
    return torch.rand(1, channels, k, 2 * j, i)


def test_every_architecture_is_covered_here():
    assert set(SMALL) == set(NETWORKS) == set(MULTIPLE_IJK)


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_lie_on_the_grid_of_the_input_in_both_modes(name):
    arguments = json.loads(json.dumps(SMALL[name]))
    network = build_network(name, in_channels=2, out_channels=3, **arguments)
    x = smallest_input(name)
    assert input_multiple(name, **arguments) == MULTIPLE_IJK[name]
    with torch.no_grad():
        scores = network.eval()(x)
    assert isinstance(scores, torch.Tensor)
    assert scores.shape == (1, 3, *x.shape[2:])
    assert torch.isfinite(scores).all()
    outputs = network.train()(x)
    assert isinstance(outputs, list)
    assert outputs[0].shape == scores.shape


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_takes_part_in_training_and_has_one_name(name):
    network = build_network(name, in_channels=2, out_channels=3, **SMALL[name]).train()
    sum(y.square().mean() for y in training_outputs(network(smallest_input(name)))).backward()
    assert [k for k, p in network.named_parameters() if p.grad is None] == []
    pointers = [v.data_ptr() for v in network.state_dict().values() if v.numel()]
    assert len(pointers) == len(set(pointers))


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"vnet"}))  # 45 million weights
def test_name_and_arguments_alone_rebuild_it(name):
    arguments = {"in_channels": 2, "out_channels": 3, **SMALL[name]}
    first, second = build_network(name, **arguments).eval(), build_network(name, **arguments).eval()
    x = smallest_input(name)
    with torch.no_grad():
        assert not torch.equal(first(x), second(x))  # fresh weights each time
        second.load_state_dict(first.state_dict(), strict=True)
        assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"vnet"}))
def test_two_dimensional_networks_too(name):
    arguments = {
        k: [min(v) if isinstance(v, list) else v for v in w] if k == "strides" else w
        for k, w in SMALL[name].items()
    }
    if name == "unetr":
        arguments["image_size"] = 32
    network = build_network(name, spatial_dims=2, **arguments).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 1, 64, 32)).shape == (1, 2, 64, 32)
    assert input_multiple(name, spatial_dims=2, **arguments)[2] == 1


@pytest.mark.parametrize("name", ["dynunet", "resenc-unet", "fcn"])
def test_deep_supervision_outputs_keep_their_own_resolution(name):
    arguments = {"filters": [4, 8, 8, 16], "strides": [1, [1, 2, 2], 2, 2]}
    if name == "resenc-unet":
        arguments["blocks"] = [1, 1, 1, 1]
    network = build_network(name, deep_supervision=True, **arguments)
    shapes = [tuple(y.shape[2:]) for y in network.train()(torch.rand(1, 1, 8, 16, 16))]
    levels = [(8, 16, 16), (8, 8, 8), (4, 4, 4), (2, 2, 2)]
    assert shapes == (levels if name == "fcn" else levels[:3])
    assert network.eval()(torch.rand(1, 1, 8, 16, 16)).shape == (1, 2, 8, 16, 16)
    if name != "fcn":
        one = build_network(name, deep_supervision=True, heads=1, **arguments).train()
        assert [tuple(y.shape[2:]) for y in one(torch.rand(1, 1, 8, 16, 16))] == levels[:2]


def test_the_first_output_of_a_nested_network_is_the_one_of_evaluation():
    network = build_network("unet++", deep_supervision=True, **SMALL["unet++"])
    x = smallest_input("unet++", 1)
    with torch.no_grad():
        outputs = network.train()(x)
        assert len(outputs) == 4
        assert torch.allclose(outputs[0], network.eval()(x), atol=1e-5)


def test_strides_and_kernels_are_in_z_y_x_order():
    network = build_network(
        "dynunet", filters=[4, 4, 4], strides=[1, [1, 2, 2], [1, 1, 2]], kernel_size=[[1, 3, 5], 3, 3]
    )
    assert network.input_block.conv1.conv.weight.shape[2:] == (1, 3, 5)
    shapes = []
    network.bottleneck.register_forward_hook(lambda _m, _i, y: shapes.append(tuple(y.shape[2:])))
    network.eval()(torch.rand(1, 1, 3, 4, 8))
    assert shapes == [(3, 2, 2)]  # z untouched, y halved, x quartered


def test_a_strided_stem_gives_full_size_scores_in_evaluation():
    network = build_network("dynunet", filters=[4, 4, 8], strides=[[1, 2, 2], 2, 2])
    assert network.eval()(torch.rand(1, 1, 8, 16, 16)).shape == (1, 2, 8, 16, 16)
    assert network.train()(torch.rand(1, 1, 8, 16, 16))[0].shape == (1, 2, 8, 8, 8)


def test_unetr_takes_inputs_of_another_size_than_it_was_built_for():
    network = build_network("unetr", **SMALL["unetr"]).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 1, 32, 32, 48)).shape == (1, 2, 32, 32, 48)


@pytest.mark.parametrize("name", NETWORKS)
def test_description_is_json_and_says_what_each_argument_means(name):
    description = json.loads(json.dumps(describe(name)))
    assert description["summary"].endswith(".")
    for argument, entry in description["arguments"].items():
        assert len(entry["meaning"]) > 10, argument
    defaults = {k: v["default"] for k, v in description["arguments"].items() if "default" in v}
    if name != "unetr":
        assert input_multiple(name, **defaults) == input_multiple(name)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("resunet", {}, ["resunet", "dynunet", "swin-unetr"]),
        ("Dynunet", {}, ["Did you mean dynunet?"]),
        ("dynunet", {"feature_maps": 3}, ["feature_maps", "filters"]),
        ("dynunet", {"filters": [4, 8]}, ["filters", "at least 3"]),
        ("dynunet", {"filters": [4, 8, -1]}, ["filters", "positive"]),
        ("dynunet", {"filters": [4, 8, 16], "strides": [1, 2]}, ["strides", "2 entries for 3 levels"]),
        ("dynunet", {"filters": [4, 8, 16], "strides": [1, 2, [1, 2]]}, ["strides[2]", "z, y, x"]),
        ("dynunet", {"norm": "layer"}, ["norm", "instance"]),
        ("dynunet", {"norm": ["group", {"groups": 3}]}, ["dynunet", "groups"]),
        ("dynunet", {"norm": ["group", {"num_groups": 7}]}, ["dynunet", "divisible"]),
        ("dynunet", {"dropout": 1.5}, ["dropout", "1.5"]),
        ("dynunet", {"in_channels": 0}, ["in_channels"]),
        ("dynunet", {"spatial_dims": 4}, ["spatial_dims"]),
        ("dynunet", {"deep_supervision": True, "heads": 9}, ["heads", "1 to 3"]),
        ("resenc-unet", {"blocks": [1, 2]}, ["blocks"]),
        ("unet", {"strides": [2, 2, 2, 2, 2]}, ["strides[0]"]),
        ("segresnet", {"filters": [8, 12]}, ["filters", "[8, 16]"]),
        ("vnet", {"in_channels": 3}, ["vnet", "divisible"]),
        ("fcn", {"finest": 4}, ["finest", "0 to 3"]),
        ("unet++", {"upsample": "nearest"}, ["upsample", "deconv"]),
        ("swin-unetr", {"width": 20}, ["width", "12"]),
        ("unetr", {}, ["image_size"]),
        ("unetr", {"image_size": [20, 32, 32]}, ["image_size", "16"]),
    ],
)
def test_wrong_names_and_arguments_are_refused_with_a_sentence(name, arguments, words):
    with pytest.raises(NetworkError) as refusal:
        build_network(name, **arguments)
    for word in words:
        assert word in str(refusal.value)
