"""Networks as ONNX, TorchScript and torch.export: the same probabilities from HU, on images of other sizes too."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from foreign_models import bundle_config, changed, moving_dynunet, write_bundle

from PancreasSegLib.errors import MissingPackageError, ModelPackageError, OutputError
from PancreasSegLib.models import build_stage_network, write_package
from PancreasSegLib.models.exports import FORMATS, export_graphs, graph_export
from PancreasSegLib.models.imports import import_model
from PancreasSegLib.packages import Package

SUFFIX = {"onnx": ".onnx", "torchscript": ".ts", "torch-export": ".pt2"}


@pytest.fixture
def pair(tiny, tmp_path):
    """A segmenter of two different members with a temperature."""
    stage = tiny.stage(members=2, temperature=1.5)
    states = {name: tiny.weights(stage) for name in stage.weights}
    return write_package(tmp_path / "pair", tiny.package(stage), states, "# Card\n")


def probabilities(package, hu):
    """What the cascade computes, written out."""
    stage = package.stages[-1]
    x = (hu.clamp(*stage.window_hu) - stage.mean_hu) / stage.std_hu
    with torch.no_grad():
        members = [
            torch.softmax(build_stage_network(package, stage, i)(x) / stage.temperature, 1)
            for i in range(len(stage.weights))
        ]
    return sum(members) / len(members)


def run_file(path, hu):
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return torch.from_numpy(session.run(None, {"hu": hu.numpy()})[0])
    if path.suffix == ".pt2":
        return torch.export.load(str(path)).module()(hu)
    return torch.jit.load(str(path))(hu)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "form", [pytest.param(f, marks=() if f == "torchscript" else pytest.mark.slow) for f in FORMATS]
)
def test_the_file_gives_the_same_probabilities(pair, tmp_path, form):
    if form == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    said = []
    (graph,) = export_graphs(pair, tmp_path / "out", form, progress=said.append)
    assert said
    assert graph.path == tmp_path / "out" / f"segmenter{SUFFIX[form]}"
    assert [check.shape for check in graph.parity] == [(8, 24, 16), (4, 8, 8)]
    assert all(check.difference <= 1e-5 for check in graph.parity)
    hu = 300 * torch.randn(1, 1, 6, 20, 12)  # a size that was neither traced nor checked
    assert torch.allclose(run_file(graph.path, hu), probabilities(pair, hu), atol=1e-5)
    about = json.loads((tmp_path / "out/segmenter.json").read_text())
    assert about["input"]["axes"] == "SPL"
    assert about["input"]["layout"] == ["batch", "channel", "Superior", "Posterior", "Left"]
    assert about["input"]["spacing_mm"] == [6.0, 4.0, 4.0]
    assert about["input"]["multiple"] == [2, 4, 4]
    assert about["output"]["channels"] == {"background": 0, "liver": 1, "pancreas": 2}
    assert about["inside"]["members"] == 2
    assert [check["shape"] for check in about["parity"]] == [[8, 24, 16], [4, 8, 8]]
    assert (tmp_path / "out/MODEL_CARD.md").read_text() == "# Card\n"
    assert (tmp_path / "out/LICENSE").is_file()


def test_a_file_that_differs_is_not_written(pair, tmp_path, monkeypatch):
    from PancreasSegLib.models.exports import writers

    load = writers.TorchScript.load

    def slightly_wrong(self, path):
        run = load(self, path)
        return lambda hu: run(hu) + 2e-4

    monkeypatch.setattr(writers.TorchScript, "load", slightly_wrong)
    with pytest.raises(ModelPackageError, match=r"differs from the original by 0\.0002"):
        export_graphs(pair, tmp_path / "out", "torchscript")
    assert [p.name for p in tmp_path.iterdir()] == ["pair"]
    monkeypatch.setattr(graph_export, "TOLERANCE", 1e-3)
    export_graphs(pair, tmp_path / "out", "torchscript")


def test_all_stages_of_a_cascade(tiny, tmp_path):
    made = tiny.written(tmp_path / "two", tiny.package(tiny.stage("localiser"), tiny.stage()))
    graphs = export_graphs(made, tmp_path / "out", "torchscript")
    assert [graph.path.name for graph in graphs] == ["localiser.ts", "segmenter.ts"]


def test_an_imported_model_keeps_its_axes_and_its_sigmoid(models_home, tmp_path):
    config = changed(bundle_config(), "Activationsd", softmax=False, sigmoid=True)
    package = import_model(write_bundle(tmp_path / "b", config), organs=["pancreas"]).package
    (graph,) = export_graphs(package, tmp_path / "out", "torchscript")
    about = json.loads((tmp_path / "out/segmenter.json").read_text())
    assert about["input"]["layout"][2:] == ["Right", "Anterior", "Superior"]
    assert about["input"]["spacing_mm"] == [4.0, 5.0, 6.0]
    assert about["output"]["channels"]["pancreas"] == 0  # the only channel that is kept
    hu = torch.full((1, 1, 24, 16, 16), 150.0)
    with torch.no_grad():
        expected = torch.sigmoid(moving_dynunet(0.5)((hu + 100) / 400))[:, 2:]
    assert torch.allclose(run_file(graph.path, hu), expected, atol=1e-5)
    assert np.ptp(expected.numpy()) > 0.4


def test_what_cannot_be_exported(tiny, tmp_path, monkeypatch):
    arguments = {**tiny.arguments, "in_channels": 2}
    masked = tiny.written(tmp_path / "masked", tiny.package(tiny.stage(hu_mask="channel", arguments=arguments)))
    with pytest.raises(ModelPackageError, match="soft-tissue mask"):
        export_graphs(masked, tmp_path / "out", "onnx")
    plain = tiny.written(tmp_path / "plain")
    with pytest.raises(ModelPackageError, match="no export as 'tensorrt'"):
        export_graphs(plain, tmp_path / "out", "tensorrt")
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="there already"):
        export_graphs(plain, tmp_path / "there", "torchscript")
    monkeypatch.setattr(Package, "version", None)
    with pytest.raises(MissingPackageError, match=r"onnxruntime.*\[export\]"):
        export_graphs(plain, tmp_path / "out", "onnx")
