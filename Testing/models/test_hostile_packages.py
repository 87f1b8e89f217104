"""Packages that are broken or wicked: one sentence, and nothing of theirs is run."""

from __future__ import annotations

import dataclasses

import pytest
from safetensors.torch import load_file, save_file

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models import Stage, build_stage_network, load_package, load_weights, verify_package

WEIGHTS = "models/segmenter-0.safetensors"


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
