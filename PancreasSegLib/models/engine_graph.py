"""The graph of a network beside its weights: what an engine without PyTorch reads.

A graph is an ONNX file of some kilobytes with the layers alone. Its weights are ONNX's external data: places in
the safetensors file of the same name, so that they lie on the disk once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.checksums import file_inside, verify_files
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.models.safetensors_file import check_finite_file

GRAPH_SUFFIX = ".onnx"
_LARGEST = 16 << 20
_DEEPEST = 32
# Field numbers of ONNX's messages (onnx.proto, fixed for ever by the format's rules).
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_FUNCTIONS = 7, 8, 25
_GRAPH_NODES, _GRAPH_TENSORS, _GRAPH_SPARSE = 1, 5, 15
_NODE_ATTRIBUTES, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_EXTERNAL, _OPSET_DOMAIN = 13, 1
_OWN_DOMAINS = ("", "ai.onnx")


def graph_name(weights: str) -> str:
    """Return the file of a network's graph.

    Examples
    --------
    >>> graph_name("models/segmenter-0.safetensors")
    'models/segmenter-0.onnx'
    """
    return str(PurePosixPath(weights).with_suffix(GRAPH_SUFFIX))


def lacks_graphs(package: ModelPackage, stage: Stage) -> bool:
    """Whether a stage cannot be run without PyTorch."""
    return not all(
        name.endswith(".safetensors") and (package.path / graph_name(name)).is_file() for name in stage.weights
    )


def checked_graph(package: ModelPackage, stage: Stage, member: int) -> Path:
    """Return the graph of a network, checked together with its weights.

    Raises
    ------
    ModelPackageError
        If graph or weights are missing, damaged, not finite, or the graph holds anything but layers of ONNX and
        numbers of its own weights.
    """
    name = stage.weights[member]
    graph = graph_name(name)
    verify_files(package.path, [name, graph])
    weights = file_inside(package.path, name)
    check_finite_file(weights)
    path = file_inside(package.path, graph)
    if path.stat().st_size > _LARGEST:
        raise ModelPackageError(f"{path} is too large for a graph without weights.")
    try:
        _check_model(memoryview(path.read_bytes()), weights.name)
    except (ValueError, IndexError) as error:
        raise ModelPackageError(f"{path} is not a graph for this program: {error}.") from error
    return path


def _check_model(model: memoryview, weights: str) -> None:
    for number, value in _fields(model):
        if number == _MODEL_GRAPH:
            _check_graph(value, weights, 0)
        elif number == _MODEL_FUNCTIONS:
            raise ValueError("it holds functions")
        elif number == _MODEL_OPSETS:
            for field, domain in _fields(value):
                _check_domain(domain) if field == _OPSET_DOMAIN else None


def _check_domain(domain: memoryview) -> None:
    if bytes(domain).decode("utf-8", "replace") not in _OWN_DOMAINS:
        raise ValueError("it has layers that are not ONNX's own")


def _check_graph(graph: memoryview, weights: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    for number, value in _fields(graph):
        if number == _GRAPH_TENSORS:
            _check_tensor(value, weights)
        elif number == _GRAPH_SPARSE:
            raise ValueError("it holds sparse tensors")
        elif number == _GRAPH_NODES:
            for field, part in _fields(value):
                if field == _NODE_DOMAIN:
                    _check_domain(part)
                elif field == _NODE_ATTRIBUTES:
                    _check_attribute(part, weights, depth)


def _check_attribute(attribute: memoryview, weights: str, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _check_tensor(value, weights)
        elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _check_graph(value, weights, depth + 1)


def _check_tensor(tensor: memoryview, weights: str) -> None:
    """Refuse a tensor whose numbers lie in any other file than the network's weights."""
    for number, entry in _fields(tensor):
        if number != _TENSOR_EXTERNAL:
            continue
        texts = {field: bytes(value).decode("utf-8", "replace") for field, value in _fields(entry)}
        if texts.get(1) == "location" and texts.get(2) != weights:
            raise ValueError(f"its weights lie in {texts.get(2)!r}, not in {weights}")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of a message's fields that have a length; protobuf's others are passed over."""
    at = 0
    while at < len(message):
        key, at = _whole_number(message, at)
        kind = key & 7
        if kind == 0:
            _, at = _whole_number(message, at)
        elif kind == 2:
            length, at = _whole_number(message, at)
            if at + length > len(message):
                raise ValueError("it is cut off")
            yield key >> 3, message[at : at + length]
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("it is no protobuf")


def _whole_number(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is no protobuf")
