"""A segmentation as 3D Slicer saves it (``.seg.nrrd``): named segments, in a layer or in several that overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.io.text_header import read_text_header
from PancreasSegLib.volume import Geometry, Volume

SEGMENTS = "segments"
"""The key of ``source`` under which a label map that was a segmentation names its values."""


@dataclass(frozen=True, eq=False)
class SegmentationFile:
    """The segments of a file.

    Attributes
    ----------
    layers : ndarray, shape (layers, z, y, x)
    geometry : Geometry
        Of the file, which Slicer cuts to the segments: often a part of the CT's grid.
    segments : mapping of str to (int, int)
        Layer and value of each, by name.
    source : dict
    """

    layers: NDArray
    geometry: Geometry
    segments: Mapping[str, tuple[int, int]]
    source: dict[str, Any]

    def label_map(self) -> Volume:
        """Return one label map; ``source["segments"]`` names its values.

        Values are the file's where it has one layer. Of several layers the segments are numbered from 1, and
        the smaller one lies on top.
        """
        if len(self.layers) == 1:
            values = {name: value for name, (_, value) in self.segments.items()}
            voxels = self.layers[0].astype(np.uint8 if max(values.values()) < 256 else np.int16, copy=False)
            return Volume(voxels, self.geometry, {**self.source, SEGMENTS: values})
        values = {name: number for number, name in enumerate(self.segments, 1)}
        masks = {name: self.layers[layer] == value for name, (layer, value) in self.segments.items()}
        voxels = np.zeros(self.layers.shape[1:], np.uint8 if len(values) < 256 else np.int16)
        for name in sorted(masks, key=lambda name: -np.count_nonzero(masks[name])):
            voxels[masks[name]] = values[name]
        return Volume(voxels, self.geometry, {**self.source, SEGMENTS: values})


def segments_of(path: Path) -> tuple[dict[str, tuple[int, int]], int]:
    """Return layer and value of each segment by name, and the number of layers; no segments in other files."""
    fields = {name: text.removeprefix("=") for name, text in read_text_header(path).items()}
    found: dict[str, tuple[int, int]] = {}
    number = 0
    while f"Segment{number}_ID" in fields or f"Segment{number}_Name" in fields:
        name = fields.get(f"Segment{number}_Name") or fields[f"Segment{number}_ID"]
        layer, value = (_number(fields.get(f"Segment{number}_{key}")) for key in ("Layer", "LabelValue"))
        while name in found:
            name += "'"
        found[name] = (layer or 0, number + 1 if value is None else value)
        number += 1
    sizes = fields.get("sizes", "").split()
    layers = int(sizes[0]) if len(sizes) == 4 and sizes[0].isdecimal() else 1
    return found, max(layers, 1)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
