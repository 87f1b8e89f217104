"""OpenVINO beside PyTorch: the same probabilities, without PyTorch, without a word to anybody; stopped in time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from PancreasSegLib.errors import CancelledError, ModelPackageError
from PancreasSegLib.inference import Segmenter, loading
from PancreasSegLib.inference.device import Device, Precision
from PancreasSegLib.inference.engine import engine_of
from PancreasSegLib.inference.loading import able_to_run, load_stage, shared_threads
from PancreasSegLib.inference.prediction import Predictor, window_budget
from PancreasSegLib.inference.refiner import NetworkPropagation
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.models import ModelPackage, Stage, find_package, load_package, verify_package, write_package
from PancreasSegLib.models.checksums import SUMS_FILE, read_checksums, write_checksums
from PancreasSegLib.models.engine_graph import checked_graph, graph_name
from PancreasSegLib.networks import build_network

CPU, TORCH = Device("openvino", "cpu"), Device("torch", "cpu")
FP32 = Precision("fp32")
THREE_D = {"in_channels": 1, "out_channels": 4, "filters": [4, 8, 8], "strides": [1, 2, [1, 2, 2]]}
TWO_D = {"spatial_dims": 2, "filters": [4, 8], "strides": [1, 2], "in_channels": 1, "out_channels": 4}
KINDS = {
    "softmax": {"temperature": 1.5},
    "sigmoid": {"activation": "sigmoid", "labels": {"pancreas": 1, "liver": 4}},
    "other axes": {"axes": "RAS", "multiple_ijk": (4, 4, 4), "patch_ijk": (16, 16, 16)},
    "slices": {"network": "unet", "arguments": TWO_D, "multiple_ijk": (2, 2, 1), "patch_ijk": (16, 16, 1)},
    "one size": {
        "network": "unetr",
        "arguments": {
            "in_channels": 1, "out_channels": 4, "image_size": [16, 32, 16], "width": 4, "hidden_size": 24,
            "mlp_size": 32, "attention_heads": 2,
        },
        "patch_ijk": (16, 32, 16),
        "multiple_ijk": (16, 16, 16),
    },
}  # fmt: skip


def tiny(folder: Path, members: int = 1, **changes: object) -> ModelPackage:
    """A package of one stage with random weights."""
    values: dict = {
        "role": "segmenter",
        "network": "dynunet",
        "arguments": THREE_D,
        "weights": tuple(f"models/segmenter-{n}.safetensors" for n in range(members)),
        "spacing_mm": (6.0, 6.0, 6.0),
        "window_hu": (-125.0, 275.0),
        "mean_hu": 60.0,
        "std_hu": 85.0,
        "patch_ijk": (16, 16, 8),
        "multiple_ijk": (4, 4, 2),
        "labels": {"background": 0, "pancreas": 1, "liver": 3},
    }
    stage = Stage(**(values | changes))
    states = {}
    for seed, name in enumerate(stage.weights):
        torch.manual_seed(seed)
        states[name] = build_network(stage.network, lean=True, **stage.arguments).state_dict()
    package = ModelPackage("tiny", "1", "", folder, (stage,))
    return write_package(folder, package, states, "# tiny\n")


def image_of(stage: Stage) -> np.ndarray:
    x, y, z = stage.patch_ijk
    shape = (1, 6 if stage.spatial_dims == 2 else z, y, x)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def nothing(share: float) -> None:
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_give_the_same_probabilities(kind, tmp_path):
    package = tiny(tmp_path / "tiny", members=2, **KINDS[kind])
    stage, keep = package.stages[0], [0, 1, max(package.stages[0].labels.values())]
    image = image_of(stage)
    ours, theirs = (load_stage(package, stage, device, FP32, 1, 1) for device in (CPU, TORCH))
    found = ours.probabilities(image, keep, nothing)
    assert found.shape == (3, *image.shape[1:]) and found.min() >= 0 and found.max() <= 1
    np.testing.assert_allclose(found, theirs.probabilities(image, keep, nothing), atol=1e-4)
    costs = [network.cost for network in (ours, theirs)]
    if kind != "one size":  # most of a transformer's work is between the layers that PyTorch shows
        assert costs[0].gflop_per_mvoxel == pytest.approx(costs[1].gflop_per_mvoxel, rel=0.05)


def test_weights_lie_on_the_disk_once_and_graphs_are_in_the_checksums(tmp_path):
    package = tiny(tmp_path / "tiny", members=2)
    verify_package(package.path)
    for name in package.stages[0].weights:
        graph = package.path / graph_name(name)
        assert graph.stat().st_size < 0.5 * (package.path / name).stat().st_size < 1e6
        assert Path(name).name.encode() in graph.read_bytes()


def test_the_default_model_has_its_graphs():
    package = find_package("default")
    for stage in package.all_stages:
        for member in range(len(stage.weights)):
            assert checked_graph(package, stage, member).stat().st_size < 100_000


@pytest.mark.parametrize(
    "old, new, match",
    [
        (b"segmenter-0.safetensors", b"../../../etc/passwd.txt", "its weights lie in"),
        (b"scores", b"", "not a graph"),
        (None, b"no graph at all, and of a good length", "not a graph"),
    ],
)
def test_a_graph_that_is_none_or_points_elsewhere_is_refused(tmp_path, old, new, match):
    package = tiny(tmp_path / "tiny")
    graph = package.path / "models" / "segmenter-0.onnx"
    graph.write_bytes(graph.read_bytes().replace(old, new) if old is not None else new)
    write_checksums(package.path)
    with pytest.raises(ModelPackageError, match=match):
        checked_graph(package, package.stages[0], 0)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    package = tiny(tmp_path / "tiny")
    path = package.path / "models" / "segmenter-0.safetensors"
    content = bytearray(path.read_bytes())
    content[-2:] = b"\x00\x7e"  # a NaN in 16 bits
    path.write_bytes(content)
    write_checksums(package.path)
    with pytest.raises(ModelPackageError, match="NaN or infinite"):
        checked_graph(package, package.stages[0], 0)


def without_graphs(package: ModelPackage) -> ModelPackage:
    """The package as an earlier version made it."""
    for name in package.stages[0].weights:
        (package.path / graph_name(name)).unlink()
    write_checksums(package.path)
    return load_package(package.path)


def test_an_older_package_gets_its_graphs_where_pytorch_is(tmp_path):
    package = without_graphs(tiny(tmp_path / "tiny"))
    before = read_checksums(package.path)
    assert able_to_run(package, package.stages, CPU) == CPU
    verify_package(package.path)
    added = read_checksums(package.path)
    assert before.items() < added.items() and set(added) - set(before) == {"models/segmenter-0.onnx"}


def test_an_older_package_without_pytorch_is_a_sentence(tmp_path, monkeypatch):
    package = without_graphs(tiny(tmp_path / "tiny"))
    monkeypatch.setattr(loading, "is_installed", lambda name: name != "torch")
    with pytest.raises(ModelPackageError, match="no graph that can be run without PyTorch") as caught:
        able_to_run(package, package.stages, CPU)
    assert "[torch]" in caught.value.hint


def test_a_package_that_cannot_be_written_is_run_by_pytorch(tmp_path, monkeypatch):
    package = without_graphs(tiny(tmp_path / "tiny"))

    def refuse(*arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr("PancreasSegLib.models.graph_writing._write_network", refuse)
    assert able_to_run(package, package.stages, CPU) == TORCH
    assert not list(package.path.rglob("*.part")) and SUMS_FILE in {p.name for p in package.path.iterdir()}


@pytest.mark.parametrize("device", [CPU, TORCH])
def test_the_number_of_streams_changes_no_bit(tmp_path, device):
    package = tiny(tmp_path / "tiny", members=3)
    stage = package.stages[0]
    image = np.random.default_rng(0).normal(size=(1, 24, 40, 40)).astype(np.float32)
    found = []
    for streams in (1, 2, 4):
        network = load_stage(package, stage, device, FP32, streams, float("inf"))
        found.append(Predictor(CascadeSettings(), streams).start(network, image, [1, 3]).result(nothing))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_threads_are_shared_out():
    assert shared_threads(2, 1, 1) == (2, 1)  # one image: both cores inside its layers
    assert shared_threads(2, 3, 3) == (1, 1)  # three members: two of them at a time
    assert shared_threads(16, 1, 3) == (5, 3)  # one network at three scales
    assert shared_threads(8, 1, float("inf")) == (1, 8)  # many windows of one network


def test_a_run_is_stopped_before_its_end():
    """The largest window that is planned on a CPU."""
    package = find_package("default")
    network = load_stage(package, package.stages[-1], CPU, FP32, 1, 1)
    image = np.zeros((1, 48, 192, 192), np.float32)
    assert image[0].size <= window_budget(network, 1) < 1.2 * image[0].size
    network.members[0].run(image[None, :, :8, :32, :32], [1], nothing)  # compiled
    member, ended = network.members[0], []
    free = member._requests.result()
    request = free.get()

    class Watched:
        """OpenVINO's request; it says that it was cancelled only where it had not come to its end."""

        def __getattr__(self, name: str):
            return getattr(request, name)

        def wait(self) -> None:
            try:
                request.wait()
            except RuntimeError as error:
                ended.append(str(error))
                raise

    def on_work(share: float) -> None:
        raise CancelledError

    free.put(Watched())
    with pytest.raises(CancelledError):
        network.run(0, image, [1], on_work)
    assert len(ended) == 1
    found = network.run(0, image[:, :8, :32, :32], [1], nothing)  # and it can be used again
    assert np.isfinite(found).all()


def test_after_a_cancelled_image_others_come_out_as_before():
    """OpenVINO's own state of a cancelled image of another shape gave wrong numbers, or a crash, in the next."""
    package = find_package("default")
    draw = np.random.default_rng(0).normal
    large, small = draw(size=(1, 40, 96, 112)).astype(np.float32), draw(size=(1, 16, 32, 48)).astype(np.float32)
    network = load_stage(package, package.stages[-1], CPU, FP32, 1, 1)
    expected = network.run(0, small, [8], nothing)
    for ticks in (0, 3, 1, 6):
        left = iter(range(ticks))

        def on_work(share: float, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise CancelledError

        with pytest.raises(CancelledError):
            network.run(0, large, [8], on_work)
        np.testing.assert_array_equal(network.run(0, small, [8], nothing), expected)


def test_the_refiner_says_the_same_by_both_engines():
    images = np.random.default_rng(0).normal(size=(11, 16, 32, 32)).astype(np.float32)
    ours, theirs = (NetworkPropagation.load("default", device) for device in ("cpu", "torch:cpu"))
    np.testing.assert_allclose(ours.scores(images), theirs.scores(images), atol=1e-3)


_WITHOUT_TORCH = """
import os, sys

def refuse(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.client", "ftplib.", "smtplib.")):
        raise SystemExit(f"a connection was tried: {event} {arguments}")

sys.addaudithook(refuse)
from PancreasSegLib import Segmenter
from PancreasSegLib.phantom import make_phantom
ct = make_phantom(spacing_mm=(3.0, 3.0, 5.0)).ct
result = Segmenter.load(sys.argv[1], "auto", threads=1).segment(ct, roi="none", allow_empty=True)
assert result.provenance["engine"].startswith("OpenVINO "), result.provenance
foreign = {"torch", "monai", "onnx", "safetensors", "openvino_telemetry"} & set(sys.modules)
assert not foreign, foreign
sockets = [n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")
           and os.readlink(f"/proc/self/fd/{n}").startswith("socket:")] if os.path.isdir("/proc/self/fd") else []
assert not sockets, sockets
"""


def test_a_segmentation_imports_no_pytorch_and_tries_no_connection(tmp_path):
    package = tiny(tmp_path / "tiny", labels={"background": 0, "pancreas": 1})
    run = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, str(package.path)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == 0, run.stderr + run.stdout


def test_openvino_can_still_be_imported_as_a_whole():
    engine_of("openvino").version()
    code = (
        "from PancreasSegLib.models.openvino_library import bindings; first = bindings();"
        "import sys, openvino; assert openvino.Core and sys.modules[first.__name__] is first"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_model_learns_it_learns_by_pytorch(tmp_path):
    segmenter = Segmenter.load(tiny(tmp_path / "tiny"), "cpu", threads=1)
    assert segmenter.networks["segmenter"].device == CPU and segmenter.device == "cpu"
    assert segmenter.trainable().device == TORCH and segmenter.trainable() is segmenter.trainable()
