"""The device that a run uses, and the precision that is fastest and exact enough on it."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PancreasSegLib.errors import DeviceError

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Precision:
    """Number format of the activations; weights stay as loaded.

    Attributes
    ----------
    name : str
        ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    channels_last : bool
        Whether the channels of a voxel lie together in memory, which bf16 convolutions on CPUs and tensor cores
        want.
    """

    name: str
    channels_last: bool

    @property
    def dtype(self) -> torch.dtype:
        """The torch type."""
        import torch

        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.name]

    @property
    def bytes(self) -> int:
        """Bytes of one value."""
        return 4 if self.name == "fp32" else 2


def choose_device(name: str = "auto") -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` into a device that is there.

    Raises
    ------
    DeviceError
        If the name is unknown or the device is missing; the sentence says which devices there are.
    """
    import torch

    if name == "auto":
        candidates = [torch.device("cuda", 0)] if torch.cuda.is_available() else []
        candidates += [torch.device("mps")] if torch.backends.mps.is_available() else []
        return next((device for device in candidates if not _failure(device)), torch.device("cpu"))
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdigit())):
        raise DeviceError(f"The device {name!r} is unknown.", "Use auto, cpu, cuda, cuda:<number> or mps.")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(number or 0)
        if index >= count:
            there = f"cuda:0 to cuda:{count - 1}" if count else "none that this torch can use"
            raise DeviceError(f"The device {name!r} is not there; CUDA devices: {there}.", "Use --device auto.")
        return _tried(torch.device("cuda", index))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("The device 'mps' is not there: it needs an Apple GPU.", "Use --device auto.")
    return _tried(torch.device(kind)) if kind == "mps" else torch.device(kind)


def _tried(device: torch.device) -> torch.device:
    failure = _failure(device)
    if failure:
        raise DeviceError(
            f"The device '{device}' is there, but this torch cannot compute on it: {failure}.",
            "Install a torch that fits the GPU and its driver, or use --device cpu.",
        )
    return device


def _failure(device: torch.device) -> str:
    """Return why a device cannot compute: a driver too old, a GPU that torch was not built for; else nothing."""
    import torch

    try:
        torch.ones(8, device=device).sum().item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        _log.warning("%s cannot be used: %s", device, reason)
        return reason
    return ""


def device_name(device: torch.device) -> str:
    """Return the device with its maker's name, for reports."""
    import torch

    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({cpu_name()})" if device.type == "cpu" else str(device)


def cpu_name() -> str:
    """Return the name of the processor as the system gives it."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def choose_precision(device: torch.device, name: str = "auto") -> Precision:
    """Return the fastest precision of a device, or the named one.

    The choice follows from what the hardware can do and never from a stopwatch, so that a result repeats. On
    CPUs bf16 is taken where matrix (AMX) or dot-product (AVX512-BF16) instructions exist: three to five times
    faster with AMX. Without them bf16 is emulated and slower than fp32.

    Raises
    ------
    DeviceError
        If the name is unknown.
    """
    if name not in ("auto", "fp32", "bf16", "fp16"):
        raise DeviceError(f"The precision {name!r} is unknown.", "Use auto, fp32, bf16 or fp16.")
    if device.type == "cpu" and name == "fp16":
        raise DeviceError("The precision 'fp16' is for GPUs.", "Use auto, fp32 or bf16 on the CPU.")
    if name == "auto":
        name = _fastest(device)
    # Measured on CPUs: fp32 is as fast in either layout, and smaller in this one (no copies around the norms).
    return Precision(name, channels_last=device.type != "mps")


def _fastest(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16" if major >= 8 else "fp16" if major >= 7 else "fp32"
    if device.type == "cpu":
        flags = _cpu_flags()
        return "bf16" if flags & {"amx_bf16", "avx512_bf16"} else "fp32"
    return "fp32"


def has_matrix_units() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware (AMX)."""
    return "amx_bf16" in _cpu_flags()


def _cpu_flags() -> set[str]:
    for line in _cpuinfo():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    import torch

    # Other systems than Linux: torch knows, by names that are not yet public.
    found = set()
    for flag, probe in (("amx_bf16", "_is_amx_tile_supported"), ("avx512_bf16", "_is_avx512_bf16_supported")):
        if getattr(torch.cpu, probe, lambda: False)():
            found.add(flag)
    return found


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let cuDNN choose its algorithms by rule, not by timing, inside the block: same input, same mask."""
    import torch

    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
