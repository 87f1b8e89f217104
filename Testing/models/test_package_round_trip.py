"""A package that was written is read back as it was, and its networks give the same scores."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from PancreasSegLib.errors import ModelPackageError, OutputError
from PancreasSegLib.models import build_stage_network, load_package, load_weights, verify_package, write_package
from PancreasSegLib.networks import NETWORKS, build_network


def test_description_survives(tiny, tmp_path):
    localiser = tiny.stage("localiser", spacing_mm=(5.0, 5.0, 5.0), labels={"pancreas": 1, "liver": 2})
    segmenter = tiny.stage(members=2)
    wanted = tiny.package(localiser, segmenter, labels={"pancreas": 4, "liver": 7})
    found = tiny.written(tmp_path / "packages" / "tiny", wanted)
    assert found == replace(wanted, path=tmp_path / "packages" / "tiny")
    assert load_package(found.path) == found
    assert [p.name for p in (tmp_path / "packages").iterdir()] == ["tiny"]  # nothing left beside it


def test_networks_give_the_same_scores(tiny, tmp_path):
    description = tiny.package(tiny.stage(members=2))
    states = {name: tiny.weights(description.stages[0]) for name in description.stages[0].weights}
    found = write_package(tmp_path / "tiny", description, states, "card")
    x = torch.rand(1, 1, 4, 8, 8)
    for member, name in enumerate(description.stages[0].weights):
        ours = build_stage_network(found, found.stages[0], member)
        reference = build_network("dynunet", **tiny.arguments).eval()
        reference.load_state_dict(states[name])
        assert not ours.training
        assert not any(p.requires_grad for p in ours.parameters())
        assert all(p.device.type == "cpu" for p in ours.parameters())
        with torch.no_grad():
            assert torch.allclose(ours(x), reference(x), atol=1e-6)
    assert load_weights(found, found.stages[0])["output_block.conv.conv.weight"].dtype == torch.float16


SMALL = {
    "resenc-unet": {"filters": [2, 2, 2], "strides": [1, 2, 2], "blocks": [1, 1, 1]},
    "segresnet": {"filters": [8, 16], "blocks_down": [1, 1], "blocks_up": [1]},
    "segresnet-ds": {"filters": [8, 16, 32], "blocks_down": [1, 1, 1]},
    "mednext": {"filters": [2, 4], "blocks": [1, 1], "expansion": [2, 2]},
    "highresnet": {"filters": [2, 2], "kernel_size": [3, 3], "blocks": [1], "last_filters": 2},
    "flexible-unet": {"encoder": "resnet10", "filters": [2, 2, 2, 2, 2]},
    "deeplabv3+": {"encoder": "resnet10", "filters": 2, "skip_filters": 2, "rates": [2]},
    "unet": {"filters": [2, 2], "strides": [1, 2]},
    "attention-unet": {"filters": [2, 2], "strides": [1, 2]},
    "unet++": {"filters": [2, 2, 2, 2, 2]},
    "fcn": {"filters": [2, 2], "strides": [1, 2]},
    "swin-unetr": {"width": 12, "depths": [1, 1, 1, 1], "attention_heads": [1, 1, 1, 1]},
    "unetr": {"image_size": 16, "width": 2, "hidden_size": 12, "mlp_size": 8, "attention_heads": 2},
}


FAMILIES = {"segresnet", "unet"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FAMILIES else pytest.mark.slow)
        for name in sorted(set(NETWORKS) - {"dynunet", "vnet"})
    ],
)
def test_every_architecture_can_be_packed(name, tiny, tmp_path):
    stage = tiny.stage(
        network=name, arguments={"out_channels": 3, **SMALL[name]}, patch_ijk=(32, 32, 32), multiple_ijk=(32,) * 3
    )
    description = tiny.package(stage)
    state = {k: v.half().float() for k, v in build_network(name, **stage.arguments).state_dict().items()}
    found = write_package(tmp_path / "tiny", description, {stage.weights[0]: state}, "card")
    reference = build_network(name, **stage.arguments).eval()
    reference.load_state_dict(state)
    x = torch.rand(1, 1, 32, 32, 64)
    with torch.no_grad():
        assert torch.allclose(build_stage_network(found, found.stages[0])(x), reference(x), atol=1e-4)


def test_checksums_are_those_of_the_standard_tool(folder):
    verify_package(folder)
    if shutil.which("sha256sum"):
        assert (
            subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=False).returncode == 0
        )
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == {
        "LICENSE",
        "MODEL_CARD.md",
        "configs/inference.json",
        "configs/metadata.json",
        "models/segmenter-0.onnx",
        "models/segmenter-0.safetensors",
    }


def test_metadata_has_the_fields_of_monais_schema(folder):
    metadata = json.loads((folder / "configs/metadata.json").read_text())
    names = """version changelog monai_version pytorch_version numpy_version required_packages_version task
        description authors copyright data_source data_type network_data_format"""
    for name in names.split():
        assert name in metadata
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["spatial_shape"] == [8, 24, 16]  # z, y, x of patch (16, 24, 8)
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {
        "0": "background",
        "1": "pancreas",
    }
    assert metadata["numpy_version"] == np.__version__
    assert metadata["pancreasseg"]["format_version"] == 1


def test_writing_is_all_or_nothing(tiny, tmp_path):
    target = tmp_path / "tiny"
    description = tiny.package()
    name = description.stages[0].weights[0]
    good = tiny.weights(description.stages[0])
    write_package(target, description, {name: good}, "first")
    with pytest.raises(OutputError, match="there already"):
        write_package(target, description, {name: good}, "second")
    for bad in (float("nan"), float("inf"), 1e6):
        broken = {**good, "output_block.conv.conv.bias": torch.tensor([0.0, bad, 0.0])}
        with pytest.raises(ModelPackageError, match=r"output_block\.conv\.conv\.bias .* float16"):
            write_package(target, description, {name: broken}, "second", overwrite=True)
    with pytest.raises(ModelPackageError, match="does not get the weights"):
        write_package(target, description, {}, "second", overwrite=True)
    assert (target / "MODEL_CARD.md").read_text() == "first"
    verify_package(target)
    write_package(
        target, description, {name: good}, "second", overwrite=True, licence_text="CC0", about={"authors": "A"}
    )
    assert (target / "MODEL_CARD.md").read_text() == "second"
    assert (target / "LICENSE").read_text() == "CC0"
    assert json.loads((target / "configs/metadata.json").read_text())["authors"] == "A"
    assert [p.name for p in tmp_path.iterdir()] == ["tiny"]


def test_a_folder_that_cannot_be_written_gets_a_sentence(tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        tiny.written(tmp_path / "file" / "tiny")


def test_names_outside_ascii_in_the_path(tiny, tmp_path):
    found = tiny.written(tmp_path / "Bauchspeicheldrüse 膵臓" / "tiny")
    verify_package(found.path)
    assert build_stage_network(found, found.stages[0]) is not None


def test_writing_full_precision_keeps_it(tiny, tmp_path):
    description = tiny.package()
    name = description.stages[0].weights[0]
    state = {k: v + 1e-5 if v.is_floating_point() else v for k, v in tiny.weights(description.stages[0]).items()}
    found = write_package(tmp_path / "tiny", description, {name: state}, "card", half=False)
    loaded = load_weights(found, found.stages[0])
    assert all(torch.equal(loaded[k], v) for k, v in state.items())


def test_weights_can_be_read_by_whoever_can_read_the_rest(folder):
    modes = {p.stat().st_mode & 0o777 for p in folder.rglob("*") if p.is_file()}
    assert len(modes) == 1
