"""Spares the copies of joined images: a convolution of several images is the sum of convolutions of each.

A decoder joins its image with that of the encoder, which takes as much memory again as both of them and the time
of a copy, at the finest level most of all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from PancreasSegLib.models.openvino_library import bindings

_CHANNELS = 1  # the axis of images (n, c, ...), and that of a convolution's inputs in its weights (out, in, ...)


def split_joins(model: Any) -> None:
    """Change a model in place.

    Parameters
    ----------
    model : openvino.Model
        Its results change by rounding alone.
    """
    library = bindings()
    layers = library.NodeFactory("opset13")
    for layer in model.get_ordered_ops():
        if layer.get_type_name() != "Convolution":
            continue
        join = layer.input_value(0).get_node()
        if join.get_type_name() != "Concat" or join.get_attributes()["axis"] != _CHANNELS:
            continue
        images = [join.input_value(number) for number in range(join.get_input_size())]
        dimensions = [image.get_partial_shape()[_CHANNELS] for image in images]
        if any(dimension.is_dynamic for dimension in dimensions):
            continue
        lengths = [dimension.get_length() for dimension in dimensions]
        options = layer.get_attributes()
        axis, parts = (library.op.Constant(np.array(value)).output(0) for value in (_CHANNELS, lengths))
        weights = layers.create("VariadicSplit", [layer.input_value(1), axis, parts], {})
        total = None
        for number, image in reversed(list(enumerate(images))):  # the encoder's first: it is let go early
            part = layers.create("Convolution", [image, weights.output(number)], options).output(0)
            total = part if total is None else layers.create("Add", [total, part], {}).output(0)
        for target in layer.output(0).get_target_inputs():
            target.replace_source_output(total)
    model.validate_nodes_and_infer_types()
