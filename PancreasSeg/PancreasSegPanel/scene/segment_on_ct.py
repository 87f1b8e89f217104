"""One segment seen on the CT's voxels: read it, compare it, write a part of it; nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.scene.oriented_image import (
    array_of,
    image_to_frame,
    oriented_image,
    origin_index,
    values_on,
    whole_shift,
)
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, put_labelmap
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.vtk_matrices import node_to_world


@dataclass(frozen=True, eq=False)
class SegmentVoxels:
    """A segment's voxels.

    Attributes
    ----------
    box : Box or None
        Where they lie on the CT's grid, no wider than need be; None of an empty segment.
    mask : ndarray of uint8, shape (z, y, x)
        1 inside the segment.
    """

    box: Box | None
    mask: NDArray[np.uint8]


EMPTY = SegmentVoxels(None, np.zeros((0, 0, 0), np.uint8))


def frame_of(node: Any, geometry: Geometry) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from the CT's indices to a segmentation's frame, RAS in mm."""
    return np.linalg.inv(node_to_world(node)) @ ras_from_geometry(geometry)


def labelmap_of(node: Any, segment_id: str) -> Any | None:
    """Return a segment's binary labelmap, None without one."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    return segment.GetRepresentation(BINARY_LABELMAP) if segment is not None else None


def stamp_of(node: Any, segment_id: str) -> tuple[Any, ...]:
    """Return what changes whenever a segment's voxels or their place do; it costs nothing."""
    labelmap = labelmap_of(node, segment_id)
    if labelmap is None:
        return ()
    scalars = labelmap.GetPointData().GetScalars()
    value = node.GetSegmentation().GetSegment(segment_id).GetLabelValue()
    times = (labelmap.GetMTime(), scalars.GetMTime() if scalars is not None else 0)
    return (labelmap.GetAddressAsString(""), *times, labelmap.GetExtent(), value)


def read_segment(node: Any, segment_id: str, geometry: Geometry) -> SegmentVoxels:
    """Return a segment's voxels on the CT's grid; the nearest ones where its own grid is another.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    segment_id : str
    geometry : Geometry
        The CT's grid in the world.
    """
    labelmap = labelmap_of(node, segment_id)
    voxels = array_of(labelmap) if labelmap is not None else None
    if voxels is None:
        return EMPTY
    value = node.GetSegmentation().GetSegment(segment_id).GetLabelValue()
    frame = frame_of(node, geometry)
    shift = whole_shift(labelmap, _corner(frame))
    if shift is None:
        reach = _reach(labelmap, frame, geometry)
        if reach.is_empty:
            return EMPTY
        like = oriented_image(np.zeros(reach.size_ijk[::-1], np.uint8), reach.lower_ijk, frame)
        return _tight((values_on(labelmap, like) == value).view(np.uint8), reach.lower_ijk)
    first = np.subtract(origin_index(labelmap), shift)
    whole = Box(tuple(first), tuple(first + voxels.shape[::-1]))
    inside = whole.clipped(geometry)
    if inside.is_empty:
        return EMPTY
    part = voxels[inside.slices_in(whole)]
    return _tight((part == value).view(np.uint8), inside.lower_ijk)


def lies_on(node: Any, segment_id: str, geometry: Geometry) -> bool:
    """Whether a segment's own grid is the CT's, or it has none yet."""
    labelmap = labelmap_of(node, segment_id)
    if labelmap is None or array_of(labelmap) is None:
        return True
    return whole_shift(labelmap, _corner(frame_of(node, geometry))) is not None


def write_segment(node: Any, segment_id: str, geometry: Geometry, box: Box, mask: NDArray[np.uint8]) -> None:
    """Set a segment's voxels inside a box and leave all others as they are, also those outside the CT.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    segment_id : str
        A segment that is not on the CT's grid is brought onto it.
    geometry : Geometry
        The CT's grid in the world.
    box : Box
        Where to write.
    mask : ndarray of uint8, shape (z, y, x)
        1 inside the segment.
    """
    frame = frame_of(node, geometry)
    if lies_on(node, segment_id, geometry):
        labelmap = labelmap_of(node, segment_id)
        value = node.GetSegmentation().GetSegment(segment_id).GetLabelValue()
        voxels = array_of(labelmap) if labelmap is not None else None
        if voxels is None:
            present = EMPTY
        else:
            shift = whole_shift(labelmap, _corner(frame))
            assert shift is not None  # it lies on the grid
            first = np.subtract(origin_index(labelmap), shift).tolist()
            present = _tight((voxels == value).view(np.uint8), first)
    else:
        present = read_segment(node, segment_id, geometry)
    whole = box if present.box is None else present.box.union(box)
    result = np.zeros(whole.size_ijk[::-1], np.uint8)
    if present.box is not None:
        result[present.box.slices_in(whole)] = present.mask
    result[box.slices_in(whole)] = mask
    put_labelmap(node, segment_id, oriented_image(result, whole.lower_ijk, frame))


def _corner(frame: NDArray[np.float64]) -> Any:
    """Return the CT's first voxel as an image: its grid, without its memory."""
    return oriented_image(np.zeros((1, 1, 1), np.uint8), (0, 0, 0), frame)


def _reach(labelmap: Any, frame: NDArray[np.float64], geometry: Geometry) -> Box:
    """Return the CT's voxels that a labelmap on another grid can lie on."""
    x0, x1, y0, y1, z0, z1 = labelmap.GetExtent()
    edges = (x0 - 0.5, x1 + 0.5), (y0 - 0.5, y1 + 0.5), (z0 - 0.5, z1 + 0.5)
    corners = [[*corner, 1.0] for corner in product(*edges)]
    index = (np.linalg.inv(frame) @ image_to_frame(labelmap) @ np.transpose(corners))[:3].T
    lower, upper = np.floor(index.min(0) + 0.5).astype(int), np.ceil(index.max(0) + 0.5).astype(int)
    return Box(tuple(lower), tuple(upper)).clipped(geometry)


def _tight(mask: NDArray[np.uint8], first_ijk: Sequence[int]) -> SegmentVoxels:
    """Cut a mask to its voxels; slices first, as a labelmap may be as large as the CT."""
    slices = np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))
    if slices.size == 0:
        return EMPTY
    z0, z1 = int(slices[0]), int(slices[-1]) + 1
    inner = Box.of_mask(mask[z0:z1])
    assert inner is not None
    cut = np.ascontiguousarray(mask[z0:z1][inner.slices_zyx])
    lower = np.add(first_ijk, inner.lower_ijk) + np.array([0, 0, z0])
    return SegmentVoxels(Box(tuple(lower), tuple(lower + inner.size_ijk)), cut)
