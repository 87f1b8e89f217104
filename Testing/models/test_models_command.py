"""``pancreasseg models`` and ``pancreasseg networks``."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from PancreasSegLib.cli import models, networks
from PancreasSegLib.errors import ModelPackageError, NetworkError
from PancreasSegLib.models import registry


@pytest.fixture
def run(models_home, monkeypatch, tmp_path):
    """Run a command with no built-in package; errors come out as they are."""
    monkeypatch.setattr(registry, "default_folder", lambda: tmp_path / "none")
    program = typer.Typer(pretty_exceptions_enable=False)
    program.add_typer(models.app, name="models")
    program.command("networks")(networks.command)

    def invoke(*arguments):
        result = CliRunner().invoke(program, [str(a) for a in arguments], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


def test_the_life_of_a_package(run, folder, tmp_path):
    assert json.loads(run("models", "list", "--json")) == []
    assert "--model tiny" in run("models", "add", folder)
    assert "tiny" in run("models", "list")
    (row,) = json.loads(run("models", "list", "--json"))
    assert (row["name"], row["version"], row["labels"]) == ("tiny", "1.2.0", {"pancreas": 1})
    text = run("models", "show", "tiny")
    for word in (
        "segmenter",
        "dynunet",
        "4 x 4 x 6 mm",
        "-100 to 240 HU",
        "liver, pancreas",
        "made up (CC0-1.0)",
        "Apache",
    ):
        assert word in text
    assert json.loads(run("models", "show", "tiny", "--json"))["stages"][0]["patch_ijk"] == [16, 24, 8]
    assert "in order" in run("models", "verify", "tiny")
    assert "tiny 1.2.0: in order" in run("models", "verify")
    run("models", "export", "tiny", tmp_path / "out.zip", "--format", "monai")
    with pytest.raises(ModelPackageError, match="--force"):
        run("models", "add", tmp_path / "out.zip")
    run("models", "add", tmp_path / "out.zip", "--force")
    assert "Removed" in run("models", "remove", "tiny", "--yes")
    assert json.loads(run("models", "list", "--json")) == []


def test_broken_packages(run, folder, models_home):
    run("models", "add", folder)
    weights = models_home / "tiny" / "models" / "segmenter-0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ModelPackageError, match=r"segmenter-0\.safetensors.*checksum"):
        run("models", "verify", "tiny")
    (models_home / "tiny" / "configs" / "metadata.json").unlink()
    (models_home / "second").mkdir()
    assert "BROKEN" in run("models", "list")
    assert all("error" in row for row in json.loads(run("models", "list", "--json")))
    with pytest.raises(ModelPackageError, match="2 of 2"):
        run("models", "verify")


@pytest.mark.slow
def test_networks(run):
    assert "swin-unetr" in run("networks")
    assert "deep_supervision" in run("networks", "dynunet")
    assert json.loads(run("networks", "unetr", "--json"))["arguments"]["image_size"]["meaning"]
    with pytest.raises(NetworkError):
        run("networks", "nonesuch")


def test_a_model_of_another_program_is_imported(run, tmp_path):
    import nnunet_models
    from foreign_models import write_bundle

    said = run("models", "import", write_bundle(tmp_path / "b"), "--name", "mine", "--organ", "liver")
    assert "Imported the MONAI bundle as mine, which writes liver." in said
    assert "--model mine" in said
    nnunet_models.write_nnunet(tmp_path / "results")
    assert "Imported the nnU-Net v2 model as Dataset007_Pancreas-3d_fullres" in run(
        "models", "import", tmp_path / "results", "--axes", "ras", "--training", "3d_fullres"
    )
    rows = {row["name"]: row for row in json.loads(run("models", "list", "--json"))}
    assert rows["mine"]["labels"] == {"liver": 1}
    assert "in order" in run("models", "verify", "Dataset007_Pancreas-3d_fullres")
    with pytest.raises(ModelPackageError, match="--force"):
        run("models", "import", tmp_path / "b", "--name", "mine")


def test_exports_for_other_programs(run, folder, tmp_path):
    said = run("models", "export", folder, tmp_path / "graphs", "--format", "torchscript")
    assert "segmenter.ts: on 8 x 24 x 16 voxels at most" in said
    assert (tmp_path / "graphs/segmenter.json").is_file()
    run("models", "export", folder, tmp_path / "bundle", "--format", "monai")
    assert (tmp_path / "bundle/models/model.pt").is_file()
    assert "python -m monai.bundle run" in (tmp_path / "bundle/docs/README.md").read_text()
    assert "in order" in run("models", "verify", tmp_path / "bundle")
