"""The segments that PancreasSeg made, told from the user's own by a tag; and the one step back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk

from PancreasSegPanel.scene.oriented_image import array_of, image_to_frame, oriented_image, origin_index

TAG = "PancreasSeg.Label"
BINARY_LABELMAP = "Binary labelmap"
CLOSED_SURFACE = "Closed surface"


def label_of(segment: Any) -> str:
    """Return the label that PancreasSeg wrote into a segment, empty for the user's own segments."""
    text = _tag(segment, TAG)
    return text or ""


def _tag(segment: Any, name: str) -> str | None:
    value = vtk.mutable("")
    return str(value) if segment.GetTag(name, value) else None


def find_own_segment(segmentation_node: Any, label: str) -> str | None:
    """Return the id of the segment that PancreasSeg made for a label, None if there is none."""
    segmentation = segmentation_node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        segment_id = segmentation.GetNthSegmentID(number)
        if label_of(segmentation.GetSegment(segment_id)) == label:
            return str(segment_id)
    return None


@dataclass(frozen=True)
class Snapshot:
    """What the own segments of a node were before a write.

    Attributes
    ----------
    node_id : str
        The segmentation.
    before : dict of str to (vtkSegment or None)
        Copies by segment id; None where there was no such segment.
    attributes : dict of str to (str or None)
        PancreasSeg's attributes of the node.
    fresh : bool
        Whether the node was made for the write: without segments it goes again.
    """

    node_id: str
    before: dict[str, Any]
    attributes: dict[str, str | None]
    fresh: bool = False


def snapshot(segmentation_node: Any, segment_ids: list[str], attributes: tuple[str, ...] = ()) -> Snapshot:
    """Copy segments (None for those that are not there yet); no other segment is looked at."""
    segmentation = segmentation_node.GetSegmentation()
    before: dict[str, Any] = {}
    for segment_id in segment_ids:
        segment = segmentation.GetSegment(segment_id)
        before[segment_id] = _copy(segment) if segment is not None else None
    kept = {name: segmentation_node.GetAttribute(name) for name in attributes}
    return Snapshot(segmentation_node.GetID(), before, kept)


def restore(scene: Any, taken: Snapshot) -> bool:
    """Bring back the own segments of a snapshot and nothing else; False if their node is gone."""
    node = scene.GetNodeByID(taken.node_id)
    if node is None or not node.IsA("vtkMRMLSegmentationNode"):
        return False
    segmentation = node.GetSegmentation()
    for segment_id, segment in taken.before.items():
        if segment is None:
            segmentation.RemoveSegment(segment_id)
        elif segmentation.GetSegment(segment_id) is None:
            segmentation.AddSegment(segment, segment_id)
        else:
            put_labelmap(node, segment_id, segment.GetRepresentation(BINARY_LABELMAP))
    for name, text in taken.attributes.items():
        if text is None:
            node.RemoveAttribute(name)
        else:
            node.SetAttribute(name, text)
    if taken.fresh and segmentation.GetNumberOfSegments() == 0:
        scene.RemoveNode(node)
    return True


def put_labelmap(segmentation_node: Any, segment_id: str, labelmap: Any) -> None:
    """Give one segment other voxels; of the surfaces that are shown only its own is made anew.

    It leaves a layer shared with others first, so that these keep their voxels, and no later write has to go
    through the whole layer.

    Parameters
    ----------
    segmentation_node : vtkMRMLSegmentationNode
    segment_id : str
    labelmap : vtkOrientedImageData
        Nonzero inside the segment; without a voxel it empties the segment.
    """
    segmentation, logic = segmentation_node.GetSegmentation(), slicer.vtkSlicerSegmentationsModuleLogic
    segment = segmentation.GetSegment(segment_id)
    if labelmap.IsEmpty():
        labelmap = oriented_image(np.zeros((1, 1, 1), np.uint8), (0, 0, 0), image_to_frame(labelmap))
    with slicer.util.RenderBlocker():
        if segment.GetRepresentation(BINARY_LABELMAP) is None:
            segment.AddRepresentation(BINARY_LABELMAP, slicer.vtkOrientedImageData())
        segmentation.SeparateSegmentLabelmap(segment_id)
        logic.SetBinaryLabelmapToSegment(
            labelmap, segmentation_node, segment_id, logic.MODE_REPLACE, labelmap.GetExtent()
        )


def begin_work(segmentation_node: Any, segment_id: str) -> None:
    """Say that a segment is in progress, as the Segment Editor does; what is completed or flagged stays so."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    if logic.GetSegmentStatus(segment) == logic.NotStarted:
        logic.SetSegmentStatus(segment, logic.InProgress)


def _copy(segment: Any) -> Any:
    """Return a copy of a segment with a labelmap of its own, cut to its voxels' layer and label 1."""
    copied = slicer.vtkSegment()
    copied.DeepCopyMetadata(segment)
    source = segment.GetRepresentation(BINARY_LABELMAP)
    if source is not None:
        copied.AddRepresentation(BINARY_LABELMAP, _label_alone(source, segment.GetLabelValue()))
    copied.SetLabelValue(1)
    return copied


def _label_alone(labelmap: Any, value: int) -> Any:
    voxels = array_of(labelmap)
    if voxels is None:
        return slicer.vtkOrientedImageData()
    return oriented_image((voxels == value).astype("uint8"), origin_index(labelmap), image_to_frame(labelmap))
