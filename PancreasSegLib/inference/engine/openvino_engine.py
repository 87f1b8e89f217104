"""OpenVINO: the CPU without PyTorch, and Intel's GPUs (listed where it offers them, not tested here)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.inference.cost import NetworkCost, Speed
from PancreasSegLib.inference.device import Device, Precision, cpu_flags
from PancreasSegLib.inference.engine.openvino_cost import graph_cost
from PancreasSegLib.inference.engine.openvino_joins import split_joins
from PancreasSegLib.inference.memory import available_memory_mb
from PancreasSegLib.models import ModelPackage, Stage
from PancreasSegLib.models.engine_graph import checked_graph
from PancreasSegLib.models.openvino_library import bindings, core, openvino_version

_TICK_MS = 50
_CPU_SHARE = 0.6  # of the free memory that windows may fill; the rest is for weights and work space
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}

_compilers = ThreadPoolExecutor(2, thread_name_prefix="pancreasseg-compile")


class OpenVinoMember:
    """One network of a stage; see `PancreasSegLib.inference.engine.protocol.Member`.

    It is compiled in the background, for images of any size, so that the next network can be loaded, or the CT be
    read, meanwhile.

    Parameters
    ----------
    stage : Stage
        What the network was trained on.
    graph : Path
        ONNX, beside its weights, both checked.
    device : Device
        Where to run.
    precision : Precision
        Of the activations.
    threads : int
        CPU threads inside a layer.
    streams : int
        Images that run at once.
    """

    def __init__(
        self,
        stage: Stage,
        graph: Path,
        device: Device,
        precision: Precision,
        threads: int = 1,
        streams: int = 1,
    ) -> None:
        self.stage, self.threads, self.streams = stage, threads, streams
        self._graph = graph
        self._cost: NetworkCost | None = None
        self._renewal = Lock()
        self.move(device, precision)

    @property
    def cost(self) -> NetworkCost:
        """Counted from the graph on first use."""
        if self._cost is None:
            shape = (1, self.stage.in_channels, *self.stage.probe_zyx)
            self._cost = graph_cost(self._model(), shape)
        return self._cost

    def move(self, device: Device, precision: Precision) -> None:
        """See `Member`."""
        self.device, self.precision = device, precision
        self._requests: Future[SimpleQueue[Any]] = _compilers.submit(self._compiled)

    def release(self) -> None:
        """See `Member`."""
        request = self._requests.result().get()
        request.get_compiled_model().release_memory()
        self._requests.result().put(request)

    def run(
        self, images: NDArray[np.float32], keep: Sequence[int] | None, on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """See `Member`."""
        images = np.ascontiguousarray(images)
        free, request = self._free_request(on_work)
        request.set_input_tensor(bindings().Tensor(images, shared_memory=True))
        if keep is None:  # into an array of one's own: no copy
            channels = request.get_compiled_model().outputs[0].get_partial_shape()[1].get_length()
            found = np.empty((len(images), channels, *images.shape[2:]), dtype=np.float32)
            request.set_output_tensor(bindings().Tensor(found, shared_memory=True))
        request.start_async({}, None)
        try:
            while not request.wait_for(_TICK_MS):
                on_work(0.0)
        except BaseException:
            request.cancel()
            with suppress(RuntimeError):  # says that it was cancelled
                request.wait()
            self._compile_anew(free)
            raise
        if keep is not None:
            found = request.get_output_tensor(0).data[:, list(keep)]
        if self.stage.role != "refiner" and self.streams == 1:  # it would wait for the other streams
            request.get_compiled_model().release_memory()
        free.put(request)
        return found

    def _free_request(self, on_work: Callable[[float], None]) -> tuple[SimpleQueue[Any], Any]:
        """Return a place at which an image can run, and the queue that it belongs to."""
        while True:
            free = self._requests.result()
            try:
                return free, free.get(timeout=_TICK_MS / 1000)
            except Empty:
                on_work(0.0)

    def _compile_anew(self, spoilt: SimpleQueue[Any]) -> None:
        """Give up all places of a queue: after a cancelled image of one shape, those of others come out wrong."""
        with self._renewal:
            if self._requests.result() is spoilt:
                self._requests = _compilers.submit(self._compiled)

    def _model(self) -> Any:
        try:
            return core().read_model(str(self._graph))
        except RuntimeError as error:
            raise ModelPackageError(f"{self._graph} does not fit its weights: {_reason(error)}.") from error

    def _compiled(self) -> SimpleQueue[Any]:
        """Return the places at which an image can run."""
        model = self._model()
        if not self.stage.gives_scores:
            _add_activation(model, self.stage)
        if self.stage.original is not None:
            split_joins(model)
            if self.stage.spatial_dims == 3:  # windows have one size: memory is planned for it
                model.reshape([1, self.stage.in_channels, *self.stage.patch_zyx])
        place = _openvino_place(self.device.place)
        settings: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": _HINTS[self.precision.name]}
        if self.device.on_cpu:
            settings |= {
                "NUM_STREAMS": self.streams,
                "INFERENCE_NUM_THREADS": self.streams * self.threads,
                "ENABLE_CPU_PINNING": False,
            }
        free: SimpleQueue[Any] = SimpleQueue()
        try:
            compiled = core().compile_model(model, place, settings)
            for _ in range(self.streams):
                free.put(compiled.create_infer_request())
            return free
        except RuntimeError as error:
            raise ModelPackageError(f"{self._graph} cannot be run by OpenVINO: {_reason(error)}.") from error


def _reason(error: BaseException) -> str:
    """Return the last line of what OpenVINO says, which names the reason; the places in its code come before."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip().rstrip(".")


def _add_activation(model: Any, stage: Stage) -> None:
    """Let a model of scores give probabilities, the background first."""
    library = bindings()
    layers = library.NodeFactory("opset13")

    def number(value: Any, kind: type) -> Any:
        return library.op.Constant(np.array(value, kind)).output(0)

    end = model.get_results()[0].input(0)
    scores = model.get_results()[0].input_value(0)
    if stage.temperature != 1.0:
        scores = layers.create("Divide", [scores, number(stage.temperature, np.float32)], {}).output(0)
    if stage.activation == "softmax":
        found = layers.create("Softmax", [scores], {"axis": 1})
    else:
        labels = layers.create("Sigmoid", [scores], {}).output(0)
        most = layers.create("ReduceMax", [labels, number([1], np.int64)], {"keep_dims": True}).output(0)
        background = layers.create("Subtract", [number(1.0, np.float32), most], {}).output(0)
        found = layers.create("Concat", [background, labels], {"axis": 1})
    end.replace_source_output(found.output(0))
    model.validate_nodes_and_infer_types()


def _openvino_place(place: str) -> str:
    """Return OpenVINO's name of a place."""
    return "CPU" if place == "cpu" else f"GPU.{place.partition(':')[2]}"


class OpenVinoEngine:
    """See `PancreasSegLib.inference.engine.protocol.Engine`."""

    name = "openvino"

    def version(self) -> str:
        """See `Engine`."""
        return openvino_version()

    def places(self) -> list[str]:
        """See `Engine`."""
        found = [name for name in core().available_devices if name.partition(".")[0] == "GPU"]
        return [*(f"intel:{n}" for n in range(len(found))), "cpu"]

    def failure(self, place: str) -> str:
        """See `Engine`."""
        try:
            core().get_property(_openvino_place(place), "FULL_DEVICE_NAME")
        except RuntimeError as error:
            return _reason(error)
        return ""

    def label(self, place: str) -> str:
        """See `Engine`."""
        return f"{core().get_property(_openvino_place(place), 'FULL_DEVICE_NAME')}, not tested here"

    def fastest(self, place: str) -> str:
        """See `Engine`; bf16 where the CPU has instructions for it, fp16 on GPUs."""
        if place != "cpu":
            return "fp16"
        return "bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"

    def speed(self, place: str, precision: Precision, threads: int) -> Speed:
        """See `Engine`."""
        if place != "cpu":
            return Speed(1_500.0, 40.0, precision.bytes)
        fp32 = 90.0 if "avx512f" in cpu_flags() else 60.0
        return Speed((180.0 if precision.name == "bf16" else fp32) * threads, 6.0 * threads, precision.bytes)

    def free_memory_mb(self, place: str) -> float:
        """See `Engine`."""
        return _CPU_SHARE * available_memory_mb() if place == "cpu" else math.inf

    def in_use(self, place: str) -> AbstractContextManager[None]:
        """See `Engine`."""
        return nullcontext()

    def load(
        self,
        package: ModelPackage,
        stage: Stage,
        member: int,
        device: Device,
        precision: Precision,
        threads: int = 1,
        streams: int = 1,
    ) -> OpenVinoMember:
        """See `Engine`."""
        return OpenVinoMember(stage, checked_graph(package, stage, member), device, precision, threads, streams)


ENGINE = OpenVinoEngine()
