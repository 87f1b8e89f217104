"""OpenVINO's library, without what its Python package brings besides.

``import openvino`` loads converters of other formats and ``openvino_telemetry``, which can report how they are
used: 400 modules and a fifth of a second, of which nothing is needed to run a network. The bindings alone are
loaded here.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DeviceError

_M_MMAP_THRESHOLD = -3  # of malloc.h
_LARGE_BLOCK = 1 << 20


@cache
def bindings() -> Any:
    """Load OpenVINO's bindings.

    Raises
    ------
    DeviceError
        If OpenVINO is missing or cannot be loaded.
    """
    try:
        if "openvino" in sys.modules:
            return import_module("openvino._pyopenvino")
        spec = find_spec("openvino")
        if spec is None:
            raise ImportError("it is not installed")
        sys.modules["openvino"] = module_from_spec(spec)  # a package that has not been run: it imports nothing
        try:
            import_module("openvino.package_utils")._add_openvino_libs_to_search_path()  # for Windows
            return import_module("openvino._pyopenvino")
        finally:
            del sys.modules["openvino"]
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"OpenVINO cannot be loaded: {' '.join(str(error).split())}.",
            "pip install --force-reinstall openvino, or use --device torch:cpu.",
        ) from error


@cache
def core() -> Any:
    """Return OpenVINO's entrance; one for the process."""
    _give_memory_back()
    return bindings().Core()


def _give_memory_back() -> None:
    """Let the C library return large blocks to the system when they are freed, where it is glibc.

    By default it keeps blocks of up to 32 MB for later; those of windows of different sizes do not fit into each
    other, and a segmentation took twice the memory.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def openvino_version() -> str:
    """Return the version of the Python package."""
    return version("openvino")


def plain_scores(graph: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a graph gives for an image (n, c, ...) on the CPU in 32 bits, as it is."""
    compiled = core().compile_model(core().read_model(str(graph)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.set_input_tensor(bindings().Tensor(image, shared_memory=True))
    request.start_async({}, None)
    request.wait()
    found: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
    return found
