"""Out of memory: smaller windows, then the CPU, then a sentence."""

from __future__ import annotations

import math

import pytest
import torch
from fake_model import CPU, FP32, calls, dice, make_abdomen, make_segmenter, make_stage

from PancreasSegLib.errors import OutOfMemoryError
from PancreasSegLib.inference import prediction
from PancreasSegLib.inference.device import Device
from PancreasSegLib.inference.engine import torch_engine
from PancreasSegLib.volume import Geometry

GRID = Geometry((150, 120, 60), (2.0, 2.0, 3.0))
STAGES = (make_stage("localiser"), make_stage("segmenter", patch_ijk=(96, 64, 32)))


def fails_above(voxels: int, error: Exception):
    def on_layer(x: torch.Tensor) -> None:
        if math.prod(x.shape[2:]) > voxels:
            raise error

    return on_layer


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_smaller_windows_and_a_warning(error):
    ct, truth = make_abdomen(GRID)
    segmenter = make_segmenter(stages=STAGES, on_layer=fails_above(60_000, error))
    result = segmenter.segment(ct)
    assert dice(result.mask == 1, truth) > 0.93
    assert [w.code for w in result.warnings] == ["smaller-tiles"]
    assert "did not suffice" in result.warnings[0].sentence
    sizes = [math.prod(shape) for shape in calls(segmenter, "segmenter")]
    assert max(sizes) > 60_000 >= sizes[-1]


def test_the_cpu_after_the_smallest_windows(monkeypatch):
    """A device that always runs out: torch's meta device stands for it, since it holds no data."""
    ct, truth = make_abdomen(GRID)
    always = fails_above(0, torch.cuda.OutOfMemoryError("CUDA out of memory"))
    segmenter = make_segmenter(stages=STAGES)
    network = segmenter.networks["segmenter"]
    assert network.cost  # counted on the CPU
    gpu = Device("torch", "meta")
    network._home = (gpu, FP32)
    network.members[0].network.on_layer = lambda x: always(x) if network.device == gpu else None
    monkeypatch.setattr(prediction, "window_budget", lambda *_: math.inf)
    result = segmenter.segment(ct)
    assert dice(result.mask == 1, truth) > 0.93
    assert [w.code for w in result.warnings] == ["smaller-tiles", "cpu-fallback"]
    assert network.device == CPU
    segmenter.networks["segmenter"].go_home()
    assert network.device == gpu  # the next run begins on the device that was asked for


def test_an_operation_that_an_apple_gpu_lacks(monkeypatch):
    error = NotImplementedError("The operator 'aten::slow_conv3d_forward' is not currently implemented for MPS")
    network = make_segmenter(stages=STAGES).networks["segmenter"]
    assert not prediction._is_unsupported(error, network)
    network.device = Device("torch", "mps")
    assert prediction._is_unsupported(error, network)


def test_no_memory_at_all_is_a_sentence():
    segmenter = make_segmenter(stages=STAGES, on_layer=lambda x: None)
    for network in segmenter.networks.values():
        assert network.cost
        network.members[0].network.on_layer = fails_above(0, MemoryError())
    with pytest.raises(OutOfMemoryError, match="memory does not suffice for the localiser") as caught:
        segmenter.segment(make_abdomen(GRID)[0])
    assert caught.value.hint


def test_other_errors_are_not_swallowed():
    segmenter = make_segmenter(stages=STAGES)
    network = segmenter.networks["localiser"]
    assert network.cost
    network.members[0].network.on_layer = fails_above(0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot"):
        segmenter.segment(make_abdomen(GRID)[0])


def test_a_small_machine_plans_smaller_windows(monkeypatch):
    segmenter = make_segmenter(stages=STAGES)
    network = segmenter.networks["segmenter"]
    plenty = prediction.window_budget(network, 1)
    monkeypatch.setattr(torch_engine, "available_memory_mb", lambda: 1.0)
    assert prediction.window_budget(network, 1) < plenty
