"""PyTorch: GPUs by CUDA and Metal, and the CPU."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import get_ident
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from PancreasSegLib.inference.cost import USUAL_COST, NetworkCost, Speed
from PancreasSegLib.inference.device import Device, Precision, choose_device, cpu_flags
from PancreasSegLib.inference.engine.torch_cost import leaf_modules, measure_cost
from PancreasSegLib.inference.memory import available_memory_mb
from PancreasSegLib.models import ModelPackage, Stage, build_stage_network
from PancreasSegLib.networks.imported import TORCHSCRIPT
from PancreasSegLib.networks.instance_norm import keep_channels_last

_log = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of PyTorch by the name of a precision."""

_GPU_SHARE = 0.5  # of the free memory that a window may fill
_CPU_SHARE = 0.6  # the rest is for weights and work space


class TorchMember:
    """One network of a stage; see `PancreasSegLib.inference.engine.protocol.Member`.

    Parameters
    ----------
    stage : Stage
        What the network was trained on.
    network : Module
        On the CPU, in evaluation mode.
    device : Device
        Where to run.
    precision : Precision
        Of the activations.
    threads : int
        CPU threads inside a layer.
    """

    def __init__(
        self, stage: Stage, network: nn.Module, device: Device, precision: Precision, threads: int = 1
    ) -> None:
        self.stage, self.threads = stage, threads
        self.network = keep_channels_last(network).eval()
        self._cost: NetworkCost | None = None
        self.device, self.precision = Device("torch", "cpu"), precision
        self.move(device, precision)

    @property
    def cost(self) -> NetworkCost:
        """Counted on first use by a small pass on the CPU."""
        if self.stage.network == TORCHSCRIPT:
            return USUAL_COST  # its layers cannot be seen from outside
        if self._cost is None:
            device = self.device
            self.move(Device("torch", "cpu"), self.precision)
            self._cost = measure_cost(self.network, self.stage.in_channels, self.stage.probe_zyx)
            self.move(device, self.precision)
        return self._cost

    def changed(self, change: Callable[[nn.Module], None]) -> TorchMember:
        """Return a copy whose network a function has changed; this one stays as it is."""
        network = copy.deepcopy(self.network)
        change(network)
        other = TorchMember(self.stage, network, self.device, self.precision, self.threads)
        other._cost = self._cost
        return other

    @property
    def layout(self) -> torch.memory_format:
        """How images lie in memory: channels last, which bf16 convolutions and tensor cores want."""
        # Measured on CPUs: fp32 is as fast in either layout, and smaller in this one (no copies around the norms).
        if self.device.kind == "mps":
            return torch.contiguous_format
        return torch.channels_last_3d if self.stage.spatial_dims == 3 else torch.channels_last

    def move(self, device: Device, precision: Precision) -> None:
        """See `Member`."""
        self.device, self.precision = device, precision
        self.network.to(device=device.place, memory_format=self.layout)  # type: ignore[call-overload]

    def release(self) -> None:
        """See `Member`."""
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()

    def run(
        self, images: NDArray[np.float32], keep: Sequence[int] | None, on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """See `Member`."""
        with torch.inference_mode(), _threads(self.threads if self.device.on_cpu else None):
            x = torch.from_numpy(np.ascontiguousarray(images)).to(self.device.place)
            x = x.contiguous(memory_format=self.layout)
            shares = self.cost.shares if keep is not None else ()
            with _watched(self.network, shares, on_work), autocast(self.device, self.precision):
                scores = self.network(x)
            scores = scores.float()
            if scores.shape[2:] != x.shape[2:]:
                scores = nn.functional.interpolate(scores, size=x.shape[2:], mode="trilinear")
            if keep is not None:
                scores = self._activated(scores / self.stage.temperature)
                scores = scores if list(keep) == list(range(scores.shape[1])) else scores[:, list(keep)]
            result: NDArray[np.float32] = scores.cpu().numpy()
        return result

    def _activated(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (n, classes, ...) of scores (n, channels, ...), the background first."""
        if self.stage.activation == "softmax":
            return torch.softmax(scores, dim=1)
        labels = torch.sigmoid(scores)
        return torch.cat([1 - labels.amax(dim=1, keepdim=True), labels], dim=1)


def choose_torch_device(name: str) -> Device:
    """Turn a name into a device of PyTorch, for training and learning; see `choose_device`."""
    device = choose_device(name)
    return device if device.engine == "torch" else Device("torch", "cpu")


def autocast(device: Device, precision: Precision) -> AbstractContextManager[Any]:
    """Return the context in which a network computes with a precision."""
    if precision.name == "fp32":
        return nullcontext()
    return torch.autocast(device.kind, dtype=DTYPES[precision.name])


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let layers use `count` threads when called from this thread."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _watched(network: nn.Module, shares: Sequence[float], on_work: Callable[[float], None]) -> Iterator[None]:
    """Call `on_work` before every layer, so that a pass of seconds shows progress and can be stopped."""
    calls, thread = 0, get_ident()

    def before(module: nn.Module, inputs: Any) -> None:
        nonlocal calls
        if get_ident() != thread:
            return  # another image is on its way through the same network
        on_work(shares[calls] if calls < len(shares) else 1.0)
        calls += 1

    hooks = [leaf.register_forward_pre_hook(before) for leaf in leaf_modules(network)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class TorchEngine:
    """See `PancreasSegLib.inference.engine.protocol.Engine`."""

    name = "torch"

    def version(self) -> str:
        """See `Engine`."""
        return torch.__version__

    def places(self) -> list[str]:
        """See `Engine`."""
        found = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
        return [*found, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]

    def failure(self, place: str) -> str:
        """See `Engine`; a driver too old, or a GPU that torch was not built for."""
        try:
            torch.ones(8, device=place).sum().item()
        except (RuntimeError, AssertionError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            _log.warning("%s cannot be used: %s", place, reason)
            return reason
        return ""

    def label(self, place: str) -> str:
        """See `Engine`."""
        return torch.cuda.get_device_name(place) if place.startswith("cuda") else "Apple GPU"

    def fastest(self, place: str) -> str:
        """See `Engine`."""
        if place.startswith("cuda"):
            major, _ = torch.cuda.get_device_capability(place)
            return "bf16" if major >= 8 else "fp16" if major >= 7 else "fp32"
        return "bf16" if place == "cpu" and _bf16_units() else "fp32"

    def speed(self, place: str, precision: Precision, threads: int) -> Speed:
        """See `Engine`."""
        if place.startswith("cuda"):
            return Speed(20_000.0 if precision.bytes == 2 else 6_000.0, 300.0, precision.bytes)
        if place == "mps":
            return Speed(1_500.0, 40.0, precision.bytes)
        if precision.name == "bf16":
            return Speed((1_200.0 if "amx_bf16" in _bf16_units() else 250.0) * threads, 1.1 * threads, 2)
        wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
        return Speed((130.0 if wide else 60.0) * threads, 1.1 * threads, 4)

    def free_memory_mb(self, place: str) -> float:
        """See `Engine`."""
        if place == "cpu":
            return _CPU_SHARE * available_memory_mb()
        if not place.startswith("cuda"):
            return math.inf
        free, _ = torch.cuda.mem_get_info(place)
        free += torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return _GPU_SHARE * free / (1 << 20)

    @contextmanager
    def in_use(self, place: str) -> Iterator[None]:
        """See `Engine`; cuDNN chooses its algorithms by rule, not by timing."""
        if not place.startswith("cuda"):
            yield
            return
        cudnn = torch.backends.cudnn
        before = cudnn.deterministic, cudnn.benchmark
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before

    def load(
        self,
        package: ModelPackage,
        stage: Stage,
        member: int,
        device: Device,
        precision: Precision,
        threads: int = 1,
        streams: int = 1,
    ) -> TorchMember:
        """See `Engine`; a module runs in any number of threads."""
        return TorchMember(stage, build_stage_network(package, stage, member), device, precision, threads)


def _bf16_units() -> set[str]:
    """Return the instructions of the CPU that compute with bf16."""
    flags = cpu_flags()
    if flags:
        return flags & {"amx_bf16", "avx512_bf16"}
    # Other systems than Linux: torch knows, by names that are not yet public.
    probes = {"amx_bf16": "_is_amx_tile_supported", "avx512_bf16": "_is_avx512_bf16_supported"}
    return {flag for flag, probe in probes.items() if getattr(torch.cpu, probe, lambda: False)()}


ENGINE = TorchEngine()
