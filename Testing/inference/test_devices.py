"""Devices, precision, threads and memory: what is there is used, what is not gets a sentence."""

from __future__ import annotations

import mmap
import os
import sys

import pytest
import torch

from PancreasSegLib.errors import DeviceError
from PancreasSegLib.inference import device as device_module
from PancreasSegLib.inference import memory, threads
from PancreasSegLib.inference.device import Device, Precision, choose_device, choose_precision, device_name
from PancreasSegLib.inference.engine import engine_of, torch_engine
from PancreasSegLib.inference.engine.torch_engine import DTYPES, TorchEngine
from PancreasSegLib.inference.threads import default_threads

CPU = Device("openvino", "cpu")
TORCH_CPU = Device("torch", "cpu")


@pytest.fixture(autouse=True)
def driver(monkeypatch):
    """As on a computer with a GPU's driver."""
    monkeypatch.setattr(device_module, "has_gpu_driver", lambda: True)


@pytest.fixture
def working(monkeypatch):
    """Devices that are not here compute all the same."""
    monkeypatch.setattr(TorchEngine, "failure", lambda engine, place: "")


def test_auto_takes_the_best_device(monkeypatch, working):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == Device("torch", "mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == Device("torch", "cuda:0")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "", "mps:0", "cuda:-1", "torch:cuda"])
def test_unknown_devices(name):
    with pytest.raises(DeviceError, match="unknown"):
        choose_device(name)


def test_missing_devices_name_what_is_there(monkeypatch, working):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == Device("torch", "cuda:1")
    with pytest.raises(DeviceError, match="cuda:0, cuda:1"):
        choose_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="none that it can use"):
        choose_device("cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="not there"):
        choose_device("mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a torch that cannot use CUDA")
def test_a_gpu_that_torch_cannot_use(monkeypatch):
    """torch reports a GPU that it was not built for, or whose driver is too old."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(DeviceError, match="cannot compute on it"):
        choose_device("cuda")


@pytest.mark.parametrize(
    "flags, expected", [({"amx_bf16"}, "bf16"), ({"avx512_bf16"}, "bf16"), ({"avx2", "avx512f"}, "fp32")]
)
def test_cpu_precision_follows_the_instructions(monkeypatch, flags, expected):
    monkeypatch.setattr(torch_engine, "cpu_flags", lambda: flags)
    assert choose_precision(TORCH_CPU).name == expected


@pytest.mark.parametrize("major, expected", [(9, "bf16"), (8, "bf16"), (7, "fp16"), (6, "fp32")])
def test_cuda_precision_follows_the_generation(monkeypatch, major, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (major, 0))
    assert choose_precision(Device("torch", "cuda:0")).name == expected


def test_precision_by_name():
    assert choose_precision(CPU, "fp32") == Precision("fp32") and Precision("fp32").bytes == 4
    assert DTYPES["bf16"] == torch.bfloat16 and Precision("bf16").bytes == 2
    with pytest.raises(DeviceError, match="fp8"):
        choose_precision(CPU, "fp8")
    with pytest.raises(DeviceError, match="GPUs"):
        choose_precision(CPU, "fp16")


def test_names():
    assert device_name(CPU).startswith("cpu (") and ", OpenVINO 20" in device_name(CPU)
    assert f"PyTorch {torch.__version__})" in device_name(TORCH_CPU)


def test_cudnn_chooses_by_rule_inside_the_block():
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with engine_of("torch").in_use("cuda:0"):
        assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == before


def test_threads_obey_the_environment_and_a_quota(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert default_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= default_threads() <= (os.cpu_count() or 1)
    monkeypatch.setattr(threads, "_physical_cores", lambda: 16)
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(threads, "_CGROUP_QUOTA", quota)
    for text, expected in (("250000 100000", 2), ("50000 100000", 1), ("max 100000", 16)):
        quota.write_text(text)
        assert default_threads() == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /sys")
def test_two_threads_of_a_core_count_once(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(threads, "_CPUS", tmp_path)
    for cpu in range(4):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 2},{cpu % 2 + 2}\n")
    assert threads._physical_cores() == 2


def test_memory_is_measured():
    assert memory.available_memory_mb() > 50
    before = memory.current_memory_mb()
    with mmap.mmap(-1, 64 << 20) as pages:  # fresh ones, whatever the process has freed and may use again
        pages.write(b"1" * (64 << 20))
        assert memory.current_memory_mb() > before + 50
    assert memory.peak_memory_mb() >= before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's control groups")
def test_a_containers_limit_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(str(300 << 20))
    (tmp_path / "memory.current").write_text(str(250 << 20))
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {50 << 20}\n")
    assert memory.available_memory_mb() == pytest.approx(100)
    (tmp_path / "memory.max").write_text("max")
    assert memory.available_memory_mb() > 300
