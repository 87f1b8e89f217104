"""Packages that are broken or wicked: one sentence, and nothing of theirs is run."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.models import Stage, build_stage_network, load_package, load_weights, verify_package

WEIGHTS = "models/segmenter-0.safetensors"


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "code was run"))


def block(metadata: dict) -> dict:
    return metadata["pancreasseg"]


def first_stage(metadata: dict) -> dict:
    return metadata["pancreasseg"]["stages"][0]


@pytest.mark.parametrize("name", ["configs/metadata.json", WEIGHTS, "SHA256SUMS"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelPackageError) as refusal:
        load_package(folder)
    assert name in str(refusal.value)


def test_no_package_at_all(tmp_path):
    with pytest.raises(ModelPackageError, match="There is no model package at"):
        load_package(tmp_path / "nowhere")
    with pytest.raises(ModelPackageError, match="is not a model package"):
        load_package(tmp_path)


@pytest.mark.parametrize("name", ["configs/metadata.json", WEIGHTS, "MODEL_CARD.md"])
def test_a_changed_file_is_named(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelPackageError) as refusal:
        verify_package(folder)
    assert name in str(refusal.value)
    assert "checksum" in str(refusal.value)


def test_changed_weights_are_not_loaded_even_without_a_verify(folder):
    package = load_package(folder)
    state = load_file(folder / WEIGHTS)
    save_file({k: v * 0 for k, v in state.items()}, folder / WEIGHTS)
    with pytest.raises(ModelPackageError, match="checksum"):
        load_weights(package, package.stages[0])


def test_a_file_that_is_not_listed_is_refused(folder):
    (folder / "models" / "extra.bin").write_bytes(b"surprise")
    with pytest.raises(ModelPackageError, match=r"extra\.bin is not listed"):
        verify_package(folder)
    (folder / "models" / "extra.bin").unlink()
    (folder / ".DS_Store").write_bytes(b"litter of a file manager")
    verify_package(folder)


def test_weights_that_are_not_listed_are_refused(folder):
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if WEIGHTS not in line))
    package = load_package(folder)
    with pytest.raises(ModelPackageError, match="not listed"):
        load_weights(package, package.stages[0])


@pytest.mark.parametrize("text", ["garbage", "0" * 64, f"{'g' * 64}  LICENSE", f"{'0' * 64}  ../../etc/passwd"])
def test_broken_checksum_files(folder, text):
    (folder / "SHA256SUMS").write_text(text + "\n")
    with pytest.raises(ModelPackageError):
        verify_package(folder)
    with pytest.raises(ModelPackageError):
        load_package(folder)


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


@pytest.mark.parametrize(
    "name",
    [
        "../outside.safetensors",
        "models/../../outside.safetensors",
        "/outside.safetensors",
        "C:\\outside.safetensors",
        "models\\..\\..\\outside.safetensors",
        "models/\0.safetensors",
    ],
)
def test_weights_outside_the_package(folder, tiny, name):
    (folder.parent / "outside.safetensors").write_bytes((folder / WEIGHTS).read_bytes())
    tiny.change_metadata(folder, lambda m: first_stage(m).update(weights=[name]))
    with pytest.raises(ModelPackageError, match="not a plain path inside it"):
        load_package(folder)


@pytest.mark.parametrize("link", [WEIGHTS, "models"])
def test_links_are_refused(folder, link):
    real = folder.parent / "elsewhere"
    (folder / link).rename(real)
    (folder / link).symlink_to(real)
    with pytest.raises(ModelPackageError, match="is a link"):
        load_package(folder)
    with pytest.raises(ModelPackageError, match="is a link"):
        verify_package(folder)


def test_expressions_are_texts(folder, tiny, tmp_path):
    proof = tmp_path / "proof"
    expression = f"$__import__('pathlib').Path({str(proof)!r}).write_text('code was run')"
    (folder / "configs/inference.json").write_text(f'{{"initialize": ["{expression}"], "broken')  # not even JSON

    def change(metadata: dict) -> None:
        metadata["description"] = expression
        block(metadata)["recipe"] = {"_target_": "os.system", "command": expression}
        block(metadata)["scores"] = {"dice": expression}

    tiny.change_metadata(folder, change)
    package = load_package(folder)
    assert package.description == expression
    build_stage_network(package, package.stages[0])
    assert not proof.exists()


def test_a_newer_format_is_refused(folder, tiny):
    tiny.change_metadata(folder, lambda m: block(m).update(format_version=2, stages="in a form yet to come"))
    with pytest.raises(ModelPackageError, match=r"format 2.*Update"):
        load_package(folder)


def test_a_bundle_of_another_program(folder, tiny):
    tiny.change_metadata(folder, lambda m: m.pop("pancreasseg"))
    with pytest.raises(ModelPackageError, match="no pancreasseg block"):
        load_package(folder)


@pytest.mark.parametrize("text", ["", "[1, 2", "[]", "null", "[" * 100_000, '{"pancreasseg": 3}'])
def test_metadata_that_is_not_an_object(folder, tiny, text):
    (folder / "configs/metadata.json").write_text(text)
    tiny.sums_again(folder)
    with pytest.raises(ModelPackageError, match=r"metadata\.json"):
        load_package(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "finder"),
        ("network", "resnet"),
        ("network", 3),
        ("arguments", {"filters": [2, 2]}),
        ("arguments", {"in_channels": 2}),
        ("arguments", {"spatial_dims": 2}),
        ("arguments", {"surprise": 1}),
        ("arguments", []),
        ("weights", []),
        ("weights", "models/a.safetensors"),
        ("weights", ["models/a.bin"]),
        ("weights", ["models/a.pt", "models/a.pt"]),
        ("spacing_mm", [1, 1]),
        ("spacing_mm", [1, 1, 0]),
        ("spacing_mm", [1, 1, "1"]),
        ("spacing_mm", [1, 1, float("nan")]),
        ("spacing_mm", [1, 1, 10**400]),
        ("window_hu", [240, -100]),
        ("mean_hu", None),
        ("mean_hu", True),
        ("std_hu", 0),
        ("std_hu", float("inf")),
        ("patch_ijk", [16, 24, 7]),
        ("patch_ijk", [16, 24, 0]),
        ("patch_ijk", [16.0, 24.0, 8.0]),
        ("multiple_ijk", [4, 4, 1]),
        ("labels", {}),
        ("labels", {"pancreas": 3}),
        ("labels", {"pancreas": 0}),
        ("labels", {"pancreas": 1, "liver": 1}),
        ("labels", {"pancreas": -1}),
        ("hu_mask", "maybe"),
        ("hu_mask", "channel"),
    ],
)
def test_a_stage_field_that_makes_no_sense_is_named(folder, tiny, field, value):
    tiny.change_metadata(folder, lambda m: first_stage(m).update({field: value}))
    with pytest.raises(ModelPackageError) as refusal:
        load_package(folder)
    named = "arguments" if field == "hu_mask" and value == "channel" else field
    place = "network" if field == "arguments" and value in ({"surprise": 1}, {"filters": [2, 2]}) else named
    assert f"pancreasseg.stages[0].{place}" in str(refusal.value)


STAGE_FIELDS = [field.name for field in dataclasses.fields(Stage) if field.default is dataclasses.MISSING]


@pytest.mark.parametrize("field", STAGE_FIELDS)
def test_a_missing_stage_field_is_named(folder, tiny, field):
    tiny.change_metadata(folder, lambda m: first_stage(m).pop(field))
    with pytest.raises(ModelPackageError, match=rf"pancreasseg\.stages\[0\]\.{field} is missing"):
        load_package(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format_version", "1"),
        ("format_version", True),
        ("name", "../evil"),
        ("name", ""),
        ("name", "a b"),
        ("name", "-rf"),
        ("labels", {"spleen": 1}),
        ("labels", {"pancreas": 0}),
        ("stages", []),
        ("stages", {}),
        ("scores", 3),
        ("sources", [3]),
        ("licence", None),
        ("recipe", []),
    ],
)
def test_a_package_field_that_makes_no_sense_is_named(folder, tiny, field, value):
    tiny.change_metadata(folder, lambda m: block(m).update({field: value}))
    with pytest.raises(ModelPackageError, match=rf"pancreasseg\.{field}"):
        load_package(folder)


def test_stages_out_of_order_or_twice(folder, tiny):
    def localiser_last(metadata: dict) -> None:
        block(metadata)["stages"].append({**first_stage(metadata), "role": "localiser"})

    tiny.change_metadata(folder, localiser_last)
    with pytest.raises(ModelPackageError, match=r"pancreasseg\.stages.*segmenter comes last"):
        load_package(folder)
    tiny.change_metadata(folder, lambda m: block(m)["stages"][1].update(role="segmenter"))
    with pytest.raises(ModelPackageError, match=r"pancreasseg\.stages"):
        load_package(folder)
    tiny.change_metadata(folder, lambda m: [s.update(role="localiser") for s in block(m)["stages"]])
    with pytest.raises(ModelPackageError, match=r"pancreasseg\.stages"):
        load_package(folder)


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
