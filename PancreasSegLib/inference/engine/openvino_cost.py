"""Counts what a network costs from its graph, layer by layer; nothing is computed."""

from __future__ import annotations

import math
from typing import Any

from PancreasSegLib.inference.cost import USUAL_COST, NetworkCost

_MATRIX = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")
_FREE = ("Constant", "Convert", "Parameter", "Result", "ShapeOf", "Reshape", "Squeeze", "Unsqueeze")
"""Layers that write nothing."""
_FUSED = ("LeakyRelu", "PRelu", "Relu", "Elu", "Gelu", "Sigmoid", "Add", "Multiply", "Divide", "Subtract", "Swish")
"""Layers that are computed where their input lies."""


def graph_cost(model: Any, shape: tuple[int, ...]) -> NetworkCost:
    """Count a pass through a graph.

    Parameters
    ----------
    model : openvino.Model
        Of one input; it is given the shape.
    shape : tuple of int
        Of the input, the batch first.

    Returns
    -------
    NetworkCost
        Of a usual U-Net if the graph refuses the shape.
    """
    try:
        model.reshape(list(shape))
        layers = model.get_ordered_ops()
        outputs = [[_size(layer.output(n)) for n in range(layer.get_output_size())] for layer in layers]
    except RuntimeError:
        return USUAL_COST
    flop = largest = values = 0.0
    for layer, sizes in zip(layers, outputs, strict=True):
        kind = layer.get_type_name()
        work = _flop(layer, kind, sizes[0]) if kind in _MATRIX else 0.0
        flop, largest = flop + work, max(largest, work)
        if kind not in (*_FREE, *_FUSED):
            values += sum(sizes)
    voxels = float(math.prod(shape[2:]))
    peak = _peak(layers, outputs)
    return NetworkCost(flop / voxels / 1e3, values / voxels, peak / voxels, largest / voxels / 1e3)


def _size(output: Any) -> int:
    return math.prod(output.get_shape())


def _flop(layer: Any, kind: str, written: int) -> float:
    """Operations of a layer that multiplies matrices."""
    if kind == "MatMul":
        return 2.0 * written * layer.get_input_shape(0)[-1]
    weights = layer.get_input_shape(1)
    if kind in ("Convolution", "GroupConvolution"):  # (out, in, ...) or (groups, out, in, ...)
        return 2.0 * written * math.prod(weights[1:] if kind == "Convolution" else weights[2:])
    read = math.prod(layer.get_input_shape(0))
    return 2.0 * read * math.prod(weights[1:] if kind == "ConvolutionBackpropData" else weights[2:])


def _peak(layers: list[Any], outputs: list[list[int]]) -> float:
    """Return the most numbers alive at once: a layer's output lives until it is read for the last time."""
    owner: dict[str, str] = {}  # layers that write nothing share the memory of their first input
    last: dict[str, int] = {}
    for number, layer in enumerate(layers):
        kind, name = layer.get_type_name(), layer.get_name()
        sources = [layer.input_value(n).get_node().get_name() for n in range(layer.get_input_size())]
        shares = kind in (*_FREE, *_FUSED) and sources
        owner[name] = owner[sources[0]] if shares else name
        for source in (*sources, name):
            last[owner[source]] = number
    alive = peak = 0.0
    ends: dict[int, float] = {}
    for number, (layer, sizes) in enumerate(zip(layers, outputs, strict=True)):
        name = layer.get_name()
        if owner[name] == name and layer.get_type_name() != "Constant":
            alive += sum(sizes)
            ends[last[name]] = ends.get(last[name], 0.0) + sum(sizes)
        peak = max(peak, alive)
        alive -= ends.get(number, 0.0)
    return peak
