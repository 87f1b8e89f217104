"""Weights that are broken or wicked: one sentence, and nothing of theirs is run."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.models import build_stage_network, load_package, load_weights

WEIGHTS = "models/segmenter-0.safetensors"


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "code was run"))


def first_stage(metadata: dict) -> dict:
    return metadata["pancreasseg"]["stages"][0]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickle_with_code_is_refused_and_not_run(folder, tiny, tmp_path, wrapped):
    proof = tmp_path / "proof"
    content = {"state_dict": Trap(proof)} if wrapped else Trap(proof)
    torch.save(content, folder / "models" / "model.pt")
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=["models/model.pt"]))
    package = load_package(folder)
    with pytest.raises(UntrustedModelError, match="would run code"):
        load_weights(package, package.stages[0])
    assert not proof.exists()
    torch.load(folder / "models" / "model.pt", weights_only=False)
    assert proof.exists()  # the trap was real


@pytest.mark.filterwarnings("ignore")
def test_a_bare_pickle_is_refused_and_not_run(folder, tiny, tmp_path):
    proof = tmp_path / "proof"
    (folder / "models" / "model.pt").write_bytes(pickle.dumps(Trap(proof)))
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=["models/model.pt"]))
    package = load_package(folder)
    with pytest.raises(ModelPackageError):
        load_weights(package, package.stages[0])
    assert not proof.exists()


def test_a_pickle_under_the_name_of_safetensors_is_refused_and_not_run(folder, tiny, tmp_path):
    proof = tmp_path / "proof"
    (folder / WEIGHTS).write_bytes(pickle.dumps(Trap(proof)))
    tiny.sums_again(folder)
    package = load_package(folder)
    with pytest.raises(ModelPackageError, match="not a safetensors file"):
        load_weights(package, package.stages[0])
    assert not proof.exists()


def test_a_plain_checkpoint_is_read(folder, tiny):
    state = load_file(folder / WEIGHTS)
    torch.save({"state_dict": state, "epoch": 3}, folder / "models" / "model.pt")
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=["models/model.pt"]))
    package = load_package(folder)
    loaded = load_weights(package, package.stages[0])
    assert loaded.keys() == state.keys()
    build_stage_network(package, package.stages[0])


def test_pickles_are_refused_where_torch_can_be_tricked(folder, tiny, monkeypatch):
    torch.save(load_file(folder / WEIGHTS), folder / "models" / "model.pt")
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=["models/model.pt"]))
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    package = load_package(folder)
    with pytest.raises(UntrustedModelError, match=r"torch 2\.5\.1"):
        load_weights(package, package.stages[0])


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_program_is_refused(folder, tiny):
    torch.jit.save(torch.jit.script(torch.nn.Conv3d(1, 1, 1)), folder / "models" / "model.pt")
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=["models/model.pt"]))
    package = load_package(folder)
    with pytest.raises(UntrustedModelError, match="TorchScript"):
        load_weights(package, package.stages[0])


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, {"state_dict": {}}])
def test_a_checkpoint_without_weights(folder, tiny, content):
    torch.save(content, folder / "models" / "model.pt")
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=["models/model.pt"]))
    package = load_package(folder)
    with pytest.raises(ModelPackageError, match="no state dict"):
        load_weights(package, package.stages[0])


def test_a_truncated_weights_file(folder, tiny):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    tiny.sums_again(folder)
    package = load_package(folder)
    with pytest.raises(ModelPackageError, match="not a safetensors file"):
        load_weights(package, package.stages[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder, tiny, value):
    state = load_file(folder / WEIGHTS)
    state["output_block.conv.conv.bias"][1] = value
    save_file(state, folder / WEIGHTS)
    tiny.sums_again(folder)
    package = load_package(folder)
    with pytest.raises(ModelPackageError, match=r"NaN or infinite values in output_block\.conv\.conv\.bias"):
        build_stage_network(package, package.stages[0])


def broken_state(state: dict, how: str) -> dict:
    if how == "shape":
        return {**state, "output_block.conv.conv.bias": torch.zeros(7)}
    if how == "missing":
        return {k: v for k, v in state.items() if k != "output_block.conv.conv.bias"}
    return {**state, "another.weight": torch.zeros(1)}


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("shape", "has shape [7], not [3]"),
        ("missing", "lacks output_block"),
        ("extra", "another.weight, which the network lacks"),
    ],
)
def test_weights_of_another_network(folder, tiny, how, words):
    save_file(broken_state(load_file(folder / WEIGHTS), how), folder / WEIGHTS)
    tiny.sums_again(folder)
    package = load_package(folder)
    with pytest.raises(ModelPackageError) as refusal:
        build_stage_network(package, package.stages[0])
    assert words in str(refusal.value)
    assert WEIGHTS in str(refusal.value).replace(os.sep, "/")


def test_a_network_of_monstrous_size_allocates_nothing(folder, tiny):
    arguments = {**tiny.arguments, "filters": [10**7, 10**7, 10**7]}
    tiny.change_metadata(folder, lambda m: first_stage(m).update(arguments=arguments))
    package = load_package(folder)
    with pytest.raises(ModelPackageError, match="too small for 10000000 channels"):
        build_stage_network(package, package.stages[0])


def test_loading_a_network_imports_no_compiler(folder):
    """Torch's compiler and MONAI take seconds to import and are of no use here."""
    code = (
        "import sys; from PancreasSegLib.models import build_stage_network, load_package;"
        f"package = load_package({str(folder)!r}); build_stage_network(package, package.stages[0]);"
        "sys.exit(any(m in sys.modules for m in ('monai', 'torch._dynamo', 'sympy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_member_that_is_not_there(folder):
    package = load_package(folder)
    for member in (1, -1):
        with pytest.raises(ModelPackageError, match="no member"):
            load_weights(package, package.stages[0], member)
