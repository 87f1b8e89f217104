"""The device that a run uses, and the precision that is fastest and exact enough on it."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from PancreasSegLib.errors import DeviceError
from PancreasSegLib.inference.engine import ENGINES, engine_of, is_installed
from PancreasSegLib.inference.engine.place import Device, Precision
from PancreasSegLib.packages import ENGINE, EXTRAS

_DRIVERS = {"linux": ("libcuda.so.1", "libamdhip64.so"), "win32": ("nvcuda.dll", "amdhip64.dll")}
_KNOWN = "Use auto, cpu, torch:cpu, cuda, cuda:<number>, mps, intel or intel:<number>."


def choose_device(name: str = "auto") -> Device:
    """Turn ``auto``, ``cpu``, ``torch:cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``intel`` into a device.

    ``auto`` is a GPU that PyTorch can use, else the CPU. PyTorch is imported only where a GPU's driver is found.

    Raises
    ------
    DeviceError
        If the name is unknown or the device is missing; the sentence says which devices there are.
    """
    if name == "auto":
        return next(_torch_gpus(), None) or _cpu()
    if name == "cpu":
        return _cpu()
    place = name.removeprefix("torch:") if name == "torch:cpu" else name
    kind, _, number = place.partition(":")
    if kind not in ("cpu", "cuda", "mps", "intel") or (
        number and (kind not in ("cuda", "intel") or not number.isdigit())
    ):
        raise DeviceError(f"The device {name!r} is unknown.", _KNOWN)
    if kind in ("cuda", "intel"):
        place = f"{kind}:{int(number or 0)}"
    device = Device("openvino" if kind == "intel" else "torch", place)
    if not is_installed(device.engine):
        raise DeviceError(
            f"The device {name!r} needs {ENGINES[device.engine]}, which is not installed.",
            EXTRAS["torch"].command if device.engine == "torch" else f"pip install '{ENGINE.requirement}'",
        )
    engine = engine_of(device.engine)
    if place not in engine.places():
        there = [p for p in engine.places() if p != "cpu"]
        listed = ", ".join(there) if there else "none that it can use"
        raise DeviceError(
            f"The device {name!r} is not there; GPUs for {ENGINES[device.engine]}: {listed}.", "Use --device auto."
        )
    failure = engine.failure(place) if kind != "cpu" else ""
    if failure:
        raise DeviceError(
            f"The device '{device}' is there, but {ENGINES[device.engine]} cannot compute on it: {failure}.",
            f"Install a {device.engine} that fits the GPU and its driver, or use --device cpu.",
        )
    return device


def available_devices() -> list[Device]:
    """Return all that a model can run on: PyTorch's GPUs, the CPU, Intel's GPUs, the CPU under PyTorch.

    Raises
    ------
    DeviceError
        If no engine is installed.
    """
    found = [*_torch_gpus(), _cpu()]
    if is_installed("openvino"):
        engine = engine_of("openvino")
        found += [Device("openvino", p) for p in engine.places() if p != "cpu" and not engine.failure(p)]
    if is_installed("torch"):
        found.append(Device("torch", "cpu"))
    return list(dict.fromkeys(found))


def _cpu() -> Device:
    """Return the CPU under OpenVINO; under PyTorch where there is no OpenVINO."""
    for name in ("openvino", "torch"):
        if is_installed(name):
            return Device(name, "cpu")
    raise DeviceError("Nothing that runs networks is installed.", f"pip install '{ENGINE.requirement}'")


def _torch_gpus() -> Iterator[Device]:
    """Yield the GPUs that PyTorch can compute on, the best first."""
    if not (has_gpu_driver() and is_installed("torch")):
        return
    engine = engine_of("torch")
    for place in engine.places():
        if place != "cpu" and not engine.failure(place):
            yield Device("torch", place)


def has_gpu_driver() -> bool:
    """Whether this computer has what a GPU needs for PyTorch; found without importing it, which takes seconds."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    for name in _DRIVERS.get(sys.platform, ()):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def device_name(device: Device) -> str:
    """Return the device with its maker's name and the engine, for reports.

    Examples
    --------
    >>> device_name(Device("torch", "cpu"))  # doctest: +SKIP
    'cpu (AMD EPYC, PyTorch 2.13.0)'
    """
    engine = engine_of(device.engine)
    label = cpu_name() if device.on_cpu else engine.label(device.place)
    return f"{device.place} ({label}, {engine_name(device)})"


def engine_name(device: Device) -> str:
    """Return the engine of a device with its version, for reports."""
    return f"{ENGINES[device.engine]} {engine_of(device.engine).version()}"


def cpu_name() -> str:
    """Return the name of the processor as the system gives it."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def choose_precision(device: Device, name: str = "auto") -> Precision:
    """Return the fastest precision of a device, or the named one.

    The choice follows from what the hardware can do and never from a stopwatch, so that a result repeats. On
    CPUs bf16 is taken where matrix (AMX) or dot-product (AVX512-BF16) instructions exist; without them bf16 is
    emulated and slower than fp32.

    Raises
    ------
    DeviceError
        If the name is unknown.
    """
    if name not in ("auto", "fp32", "bf16", "fp16"):
        raise DeviceError(f"The precision {name!r} is unknown.", "Use auto, fp32, bf16 or fp16.")
    if device.on_cpu and name == "fp16":
        raise DeviceError("The precision 'fp16' is for GPUs.", "Use auto, fp32 or bf16 on the CPU.")
    return Precision(engine_of(device.engine).fastest(device.place) if name == "auto" else name)


def cpu_flags() -> set[str]:
    """Return the instruction sets that Linux lists; nothing on other systems."""
    return next((set(line.split(":", 1)[1].split()) for line in _cpuinfo() if line.startswith("flags")), set())


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
