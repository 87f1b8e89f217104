"""Writes the graph of each network of a package, by PyTorch, when the package is made."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.errors import DeviceError, NetworkError
from PancreasSegLib.models.checksums import SUMS_FILE, read_checksums, sha256
from PancreasSegLib.models.engine_graph import graph_name, lacks_graphs
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.models.safetensors_file import TensorPlace, tensor_places
from PancreasSegLib.models.weights import build_stage_network
from PancreasSegLib.networks.imported import TORCHSCRIPT

if TYPE_CHECKING:
    from torch import nn

_log = logging.getLogger(__name__)

_OPSET = 17
_TOLERANCE = 1e-3
"""Scores may differ by this share of the largest."""
_MOST_INLINE = 4 << 20
_REFUSALS = (RuntimeError, ValueError, TypeError, KeyError, ImportError, DeviceError, NetworkError)
"""How PyTorch, ONNX and OpenVINO say that a network cannot be written this way."""


def add_graphs(package: ModelPackage) -> bool:
    """Give a package the graphs that it lacks, each compared with its network, and list them in its SHA256SUMS.

    Returns
    -------
    bool
        Whether all stages have their graphs now; not where a network is a program or cannot be written as a graph,
        where the Python package onnx is missing, or where the folder cannot be written.

    Raises
    ------
    ModelPackageError
        If the weights are damaged.
    """
    for stage in package.all_stages:
        if not lacks_graphs(package, stage):
            continue
        if stage.network == TORCHSCRIPT:
            return False
        try:
            _write_stage(package, stage)
        except (*_REFUSALS, OSError) as error:
            _log.warning("%s of %s gets no graph: %s", stage.role, package.name, error)
            return False
    return True


def _write_stage(package: ModelPackage, stage: Stage) -> None:
    """Write the graphs of all members, dynamic in size where the network allows it."""
    written: list[Path] = []
    try:
        for member, name in enumerate(stage.weights):
            network = build_stage_network(package, stage, member)
            path = package.path / graph_name(name)
            part = path.with_name(f".{path.name}.part")
            written.append(part)
            _write_network(stage, network, package.path / name, part)
        for name, part in zip(stage.weights, written, strict=True):
            part.replace(package.path / graph_name(name))
    finally:
        for part in written:
            part.unlink(missing_ok=True)
    sums = read_checksums(package.path) | {n: sha256(package.path / n) for n in map(graph_name, stage.weights)}
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    part = package.path / f".{SUMS_FILE}.part"
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(package.path / SUMS_FILE)


def _write_network(stage: Stage, network: nn.Module, weights: Path, path: Path) -> None:
    probe, patch = stage.probe_zyx, stage.patch_zyx
    other = (*probe[:-1], 2 * probe[-1])
    attempts = [(probe, True, [probe, other])] if not stage.takes_one_size else []
    attempts += [(patch, False, [patch])] if stage.keeps_patch else []
    for number, (size, free, sizes) in enumerate(attempts, 1):
        try:
            path.write_bytes(_graph(stage, network, size, free, tensor_places(weights), weights.name))
            for shape in sizes:
                _compare(stage, network, path, shape)
            return
        except _REFUSALS as error:
            if number == len(attempts):
                raise
            _log.debug("%s cannot be written for all sizes: %s", stage.role, error)


def _graph(
    stage: Stage,
    network: nn.Module,
    size: tuple[int, ...],
    free: bool,
    places: Mapping[str, TensorPlace],
    weights: str,
) -> bytes:
    """Return a network as ONNX whose weights are places in a safetensors file."""
    import onnx
    import torch

    buffer = io.BytesIO()
    image = torch.zeros((1, stage.in_channels, *size))
    dims = {0: "n", **({axis: f"n{axis}" for axis in range(2, 2 + len(size))} if free else {})}
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of tracing, and that there is a newer exporter, thirty times slower
            torch.onnx.export(
                network,
                (image,),
                buffer,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=_OPSET,
                do_constant_folding=False,  # weights keep their names and values
                input_names=["image"],
                output_names=["scores"],
                dynamic_axes={"image": dims, "scores": dims},
            )
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
    model = onnx.load_from_string(buffer.getvalue())
    casts = [cast for tensor in model.graph.initializer if (cast := _outsourced(tensor, places, weights))]
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for node in model.graph.node:
        node.doc_string = ""  # places in the source code
    content: bytes = model.SerializeToString()
    if len(content) > _MOST_INLINE:
        raise ValueError("its numbers are not those of the weights' file")
    return content


def _outsourced(tensor: Any, places: Mapping[str, TensorPlace], weights: str) -> Any:
    """Let a tensor point into the weights' file; return the node that widens it, where one is needed."""
    from onnx import TensorProto, helper

    place = places.get(tensor.name)
    kinds = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT, "I64": TensorProto.INT64}
    if place is None or place.dtype not in kinds or tuple(tensor.dims) != place.shape or not place.length:
        return None
    name, kind, wanted = tensor.name, kinds[place.dtype], tensor.data_type
    tensor.Clear()
    tensor.dims.extend(place.shape)
    tensor.data_type = kind
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", weights), ("offset", place.offset), ("length", place.length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    tensor.name = name if kind == wanted else f"{name}@stored"
    return None if kind == wanted else helper.make_node("Cast", [tensor.name], [name], to=wanted)


def _compare(stage: Stage, network: nn.Module, path: Path, size: tuple[int, ...]) -> None:
    """Refuse a graph that does not compute what its network computes."""
    import torch

    from PancreasSegLib.models.openvino_library import plain_scores

    generator = np.random.default_rng(0)
    image = generator.standard_normal((1, stage.in_channels, *size)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)).numpy()
    found = plain_scores(path, image)
    if found.shape != expected.shape:
        raise ValueError(f"the graph gives {found.shape} instead of {expected.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise ValueError(f"the graph's scores differ by {difference:.2g}")
