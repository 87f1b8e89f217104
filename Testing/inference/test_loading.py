"""A model package from disk through the front door."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_model import make_abdomen

from PancreasSegLib.errors import CancelledError, DeviceError, ModelPackageError, NoPancreasError
from PancreasSegLib.inference import CascadeSettings, Segmenter, loading
from PancreasSegLib.inference.device import Device
from PancreasSegLib.inference.engine.torch_engine import TorchMember
from PancreasSegLib.models import ModelPackage, Stage, read_checksums, write_package
from PancreasSegLib.networks import build_network
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.volume import Geometry

ARGUMENTS = {"in_channels": 1, "out_channels": 2, "filters": [4, 8, 8], "strides": [1, 2, 2]}
FILES = ("models/segmenter-0.safetensors", "models/segmenter-1.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A package of one stage with two small networks of random weights."""
    stage = Stage(
        "segmenter",
        "dynunet",
        ARGUMENTS,
        FILES,
        (6.0, 6.0, 6.0),
        (-125.0, 275.0),
        60.0,
        85.0,
        (48, 32, 32),
        (4, 4, 4),
        {"background": 0, "pancreas": 1},
    )
    states = {}
    for seed, name in enumerate(FILES):
        torch.manual_seed(seed)
        states[name] = build_network("dynunet", lean=True, **ARGUMENTS).state_dict()
    path = tmp_path_factory.mktemp("models") / "tiny"
    write_package(path, ModelPackage("tiny", "3", "for tests", path, (stage,)), states, "# tiny\n")
    return path


@pytest.fixture(scope="module")
def ct():
    return make_abdomen(Geometry((64, 50, 40), (5.0, 5.0, 5.0)))[0]


def test_a_package_is_loaded_and_named_in_the_provenance(folder, ct):
    segmenter = Segmenter.load(folder, device="cpu", threads=1)
    result = segmenter.segment(ct, allow_empty=True)
    model = result.provenance["model"]
    assert (model["name"], model["version"]) == ("tiny", "3")
    sums = read_checksums(folder)
    assert model["sha256"] == {name: sums[name] for name in FILES}
    assert result.provenance["device"].startswith("cpu (") and segmenter.device == "cpu"
    assert len(segmenter.networks["segmenter"].members) == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_loads_and_two_runs_give_the_same_bits(folder, ct, precision):
    settings = CascadeSettings(smallest_ml=0.0, least_confidence=0.0, extra_scales=(1.2,))
    crops = []
    for _ in range(2):
        segmenter = Segmenter.load(str(folder), "cpu", threads=1, precision=precision, settings=settings)
        crops.extend(segmenter.segment(ct, roi="none", allow_empty=True) for _ in range(2))
    assert crops[0].provenance["precision"] == precision
    assert crops[0].probability, crops[0].warnings
    for other in crops[1:]:
        np.testing.assert_array_equal(crops[0].mask, other.mask)
        np.testing.assert_array_equal(
            crops[0].probability["pancreas"].voxels, other.probability["pancreas"].voxels
        )


def test_what_cannot_be_loaded(folder, tmp_path):
    with pytest.raises(ModelPackageError):
        Segmenter.load("no-such-model")
    with pytest.raises(ModelPackageError):
        Segmenter.load(tmp_path)
    with pytest.raises(DeviceError, match="unknown"):
        Segmenter.load(folder, device="tpu")


def test_a_model_that_does_not_fit_the_gpu(folder, ct, monkeypatch):
    """Weights that do not fit: the CPU with a warning where the device was left open, else a sentence."""
    gpu = Device("torch", "cuda:0")
    monkeypatch.setattr(
        loading, "choose_device", lambda name: gpu if name in ("auto", "cuda") else Device("openvino", "cpu")
    )
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda d: (8, 0))

    def full(self, place, precision):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(TorchMember, "move", full)
    result = Segmenter.load(folder, threads=1).segment(ct, allow_empty=True)
    assert "cpu-fallback" in {warning.code for warning in result.warnings}
    assert result.provenance["device"].startswith("cpu")
    with pytest.raises(DeviceError, match="does not suffice for the model"):
        Segmenter.load(folder, device="cuda")


def test_threads_and_the_lock_are_left_as_they_were(folder, ct):
    before = torch.get_num_threads()
    segmenter = Segmenter.load(folder, "cpu", threads=1)
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        segmenter.segment(ct, cancel=token)
    assert torch.get_num_threads() == before
    assert not segmenter._lock.locked()


def test_an_empty_result_of_a_model_without_neighbours_says_why(folder, ct):
    segmenter = Segmenter.load(folder, "cpu", settings=CascadeSettings(smallest_ml=1e6))
    with pytest.raises(NoPancreasError, match=r"No pancreas was found\."):
        segmenter.segment(ct)


def test_the_room_is_imported_without_torch():
    code = "import sys, PancreasSegLib.inference; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
