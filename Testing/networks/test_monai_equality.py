"""Our networks against MONAI's own classes, and the one without MONAI against the one with it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from PancreasSegLib.networks import build_network, monai_definition

DYNUNETS = {
    "plain": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2]},
    "kernels": {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2], "kernel_size": [[1, 3, 3], 3, [3, 5, 3]]},
    "residual": {"filters": [4, 8, 8, 16], "strides": [1, 2, 2, 1], "residual": True},
    "batch": {"filters": [4, 8, 16], "strides": [1, 2, 2], "norm": "batch", "activation": "prelu"},
    "group": {
        "filters": [4, 8, 16],
        "strides": [1, 2, 2],
        "norm": ["group", {"num_groups": 2}],
        "activation": ["leakyrelu", {"negative_slope": 0.1}],
    },
    "supervised": {"filters": [4, 8, 8, 16], "strides": [1, 2, 2, 2], "deep_supervision": True},
    "stem": {"filters": [4, 8, 16], "strides": [[1, 2, 2], 2, 2], "activation": "gelu"},
    "flat": {"filters": [4, 8, 16], "strides": [1, 2, 2], "spatial_dims": 2, "activation": "elu"},
}


def perturbed(network: torch.nn.Module) -> torch.nn.Module:
    """Give every weight and running statistic a value of its own, so that a swapped one shows."""
    torch.manual_seed(1)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.mul_(1 + 0.2 * torch.rand_like(value)).add_(0.01)
    return network


@pytest.mark.parametrize("kind", DYNUNETS)
def test_the_lean_network_gives_the_scores_of_monais(kind):
    arguments = {"in_channels": 2, "out_channels": 3, **DYNUNETS[kind]}
    full = perturbed(build_network("dynunet", **arguments))
    lean = build_network("dynunet", lean=True, **arguments)
    assert list(lean.state_dict()) == list(full.state_dict())
    lean.load_state_dict(full.state_dict(), strict=True)
    x = torch.rand(2, 2, *[16] * arguments.get("spatial_dims", 3))
    with torch.no_grad():
        assert torch.allclose(lean.eval()(x), full.eval()(x), atol=1e-5)
        for a, b in zip(lean.train()(x), full.train()(x), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_the_lean_network_with_several_blocks_a_level():
    arguments = {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2], "blocks": [1, 2, 3], "dropout": 0.2}
    full = perturbed(build_network("resenc-unet", **arguments)).eval()
    lean = build_network("resenc-unet", lean=True, **arguments).eval()
    lean.load_state_dict(full.state_dict(), strict=True)
    x = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        assert torch.allclose(lean(x), full(x), atol=1e-5)


def test_building_the_lean_network_does_not_import_monai():
    code = (
        "import sys; from PancreasSegLib.networks import build_network;"
        "build_network('dynunet', lean=True); build_network('resenc-unet', lean=True);"
        "sys.exit(any(m.split('.')[0] == 'monai' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_room_imports_neither_torch_nor_monai():
    code = (
        "import sys; from PancreasSegLib.networks import describe, input_multiple;"
        "describe('swin-unetr'); input_multiple('dynunet');"
        "sys.exit(any(m in sys.modules for m in ('torch', 'monai')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *(("dynunet", v) for k, v in DYNUNETS.items() if k != "stem"),
        ("segresnet", {"filters": [8, 16, 32], "blocks_down": [1, 1, 2], "blocks_up": [1, 1]}),
        ("unet", {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2], "residual_units": 2}),
        ("attention-unet", {"filters": [4, 8, 16], "strides": [1, [1, 2, 2], 2]}),
        pytest.param("vnet", {}, marks=pytest.mark.slow),  # 45 million weights
        ("swin-unetr", {"width": 12, "depths": [1, 1, 1, 1], "attention_heads": [1, 1, 2, 2]}),
    ],
)
def test_monais_own_class_takes_our_weights_and_gives_our_scores(name, arguments):
    from monai.bundle import ConfigParser

    ours = perturbed(build_network(name, **arguments)).eval()
    definition = monai_definition(name, **arguments)
    if name == "swin-unetr":
        definition = as_this_monai_takes_it(definition)
    parser = ConfigParser({"network": definition})
    theirs = parser.get_parsed_content("network").eval()
    loaded = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert [k for k in loaded.missing_keys if not k.startswith("skip_layers.")] == []
    assert [k for k in loaded.unexpected_keys if not k.startswith("deep_supervision_heads.")] == []
    x = torch.rand(1, 1, *[32, 64, 32][: arguments.get("spatial_dims", 3)])
    with torch.no_grad():
        assert torch.allclose(theirs(x), ours(x), atol=1e-4)


def as_this_monai_takes_it(definition: dict) -> dict:
    """MONAI before 1.5 wants to know a size, and its window is 7."""
    import inspect

    from monai.networks.nets import SwinUNETR

    known = inspect.signature(SwinUNETR.__init__).parameters
    definition = {k: v for k, v in definition.items() if k == "_target_" or k in known}
    return definition | ({"img_size": [32, 32, 32]} if "img_size" in known else {})


def test_there_is_no_monai_definition_where_the_scores_would_differ():
    assert monai_definition("dynunet", **DYNUNETS["stem"]) is None
    assert monai_definition("unet++") is None
    assert monai_definition("fcn") is None
