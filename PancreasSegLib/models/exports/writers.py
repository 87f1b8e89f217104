"""The forms in which a graph can be written, and read back for the check."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.packages import require

_LARGEST = 4096


class GraphWriter(Protocol):
    """Writes and reads one form."""

    suffix: str

    def write(self, graph: nn.Module, path: Path, patch: Sequence[int], multiple: Sequence[int] | None) -> None:
        """Write a graph for images of any multiple of `multiple`, or of the patch alone where that is None."""

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """Read it back."""


def writer_of(form: str) -> GraphWriter:
    """Return the writer of a form.

    Raises
    ------
    ModelPackageError
        If there is none.
    MissingPackageError
        If it needs a Python package that is not there.
    """
    writers: dict[str, type] = {"torchscript": TorchScript, "torch-export": TorchExport, "onnx": Onnx}
    if form not in writers:
        raise ModelPackageError(f"There is no export as {form!r}.", f"Choose one of {', '.join(writers)}.")
    if form == "onnx":
        require("export", "An export as ONNX")
    writer: GraphWriter = writers[form]()
    return writer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporters say of themselves from the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _example(patch: Sequence[int], multiple: Sequence[int] | None) -> Tensor:
    """An image: small where any size will do."""
    size = (
        patch
        if multiple is None
        else [min(n, 2 * m) if n > m else n for n, m in zip(patch, multiple, strict=True)]
    )
    return torch.zeros((1, 1, *size))


class TorchScript:
    """``torch.jit.trace``: deprecated in newer versions of torch, and what many programs still read."""

    suffix = ".ts"

    def write(self, graph: nn.Module, path: Path, patch: Sequence[int], multiple: Sequence[int] | None) -> None:
        """See `GraphWriter`."""
        with _quiet(), torch.no_grad():
            traced = torch.jit.trace(graph, _example(patch, None), check_trace=False)
            torch.jit.save(traced, str(path))

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """See `GraphWriter`."""
        with _quiet():
            program = torch.jit.load(str(path), map_location="cpu")

        def run(hu: Tensor) -> Tensor:
            with torch.inference_mode():
                result: Tensor = program(hu)
            return result

        return run


def _exported(graph: nn.Module, patch: Sequence[int], multiple: Sequence[int] | None) -> Any:
    """A program of ``torch.export``, whose sizes are free multiples."""
    shapes: dict[int, Any] = {}
    for axis, step in enumerate(multiple or (), 2):
        free = torch.export.Dim(f"n{axis}", min=1, max=_LARGEST // step)
        shapes[axis] = free * step if step > 1 else free
    with torch.no_grad():
        return torch.export.export(
            graph, (_example(patch, multiple),), dynamic_shapes={"hu": shapes or None}, strict=False
        )


class TorchExport:
    """``torch.export``, the successor of TorchScript."""

    suffix = ".pt2"

    def write(self, graph: nn.Module, path: Path, patch: Sequence[int], multiple: Sequence[int] | None) -> None:
        """See `GraphWriter`."""
        with _quiet():
            torch.export.save(_exported(graph, patch, multiple), str(path))

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """See `GraphWriter`."""
        with _quiet():
            program = torch.export.load(str(path)).module()

        def run(hu: Tensor) -> Tensor:
            with torch.no_grad():
                result: Tensor = program(hu)
            return result

        return run


class Onnx:
    """ONNX, checked by ONNX Runtime."""

    suffix = ".onnx"

    def write(self, graph: nn.Module, path: Path, patch: Sequence[int], multiple: Sequence[int] | None) -> None:
        """See `GraphWriter`."""
        import onnx

        with _quiet():
            program = torch.onnx.export(
                _exported(graph, patch, multiple),
                dynamo=True,
                input_names=["hu"],
                output_names=["probabilities"],
                external_data=False,
                verbose=False,
            )
            assert program is not None
            program.save(str(path), external_data=False)
        onnx.checker.check_model(str(path))

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """See `GraphWriter`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

        def run(hu: Tensor) -> Tensor:
            return torch.from_numpy(session.run(["probabilities"], {"hu": hu.numpy()})[0])

        return run
