"""Write a result into a segmentation node: one segment a label, only the crop, nobody else's voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from PancreasSegLib.errors import OutputError
from PancreasSegLib.io.terminology import term_of
from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.scene.ct_node import place_with_ct
from PancreasSegPanel.scene.marks_node import is_marks_node
from PancreasSegPanel.scene.masking import protection
from PancreasSegPanel.scene.measurement import ATTRIBUTE
from PancreasSegPanel.scene.oriented_image import oriented_image
from PancreasSegPanel.scene.pancreas_segment import (
    BINARY_LABELMAP,
    TAG,
    Snapshot,
    begin_work,
    find_own_segment,
    put_labelmap,
    snapshot,
)
from PancreasSegPanel.scene.patient_axes import ras_from_geometry
from PancreasSegPanel.scene.vtk_matrices import node_to_world
from PancreasSegPanel.translation import translator

_ = translator(__name__)


@dataclass(frozen=True)
class Written:
    """What a write did.

    Attributes
    ----------
    node : vtkMRMLSegmentationNode
        Where the segments are.
    segment_ids : dict of str to str
        Segment id by label.
    mask : ndarray of uint8, shape (z, y, x)
        The labels that were written, protected voxels left out.
    left_out : int
        Voxels that were left out.
    reasons : list of str
        What protected them.
    undo : Snapshot
        The own segments as they were before.
    """

    node: Any
    segment_ids: dict[str, str]
    mask: NDArray[np.uint8]
    left_out: int
    undo: Snapshot
    reasons: list[str] = field(default_factory=list)


def new_segmentation(scene: Any, ct: Any) -> Any:
    """Add a segmentation node for a CT, with it in the world and in the Data module."""
    name = scene.GenerateUniqueName(f"{ct.GetName()} segmentation")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    place_with_ct(node, ct)
    return node


def check_output(node: Any) -> None:
    """Refuse before the run what could not be written after it.

    Raises
    ------
    OutputError
        If the segmentation is kept as surfaces or contours, holds marks, or lies under a transform that is not
        linear.
    """
    if is_marks_node(node):
        raise OutputError(
            _("{name} holds the marks of a correction.").format(name=node.GetName()),
            _("Choose the segmentation, or New segmentation."),
        )
    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and segmentation.GetSourceRepresentationName() != BINARY_LABELMAP:
        raise OutputError(
            _("The segmentation {name} is kept as {kind}, and a mask cannot be added to that.").format(
                name=node.GetName(), kind=segmentation.GetSourceRepresentationName().lower()
            ),
            _("Choose New segmentation, or make the binary labelmap its source in the Segmentations module."),
        )
    node_to_world(node)


def write_segments(
    scene: Any,
    ct: Any,
    node: Any,
    mask: NDArray[np.uint8],
    box: Box,
    geometry: Geometry,
    labels: Mapping[str, int],
    hu: NDArray,
) -> Written:
    """Write the labels of a mask as segments.

    Parameters
    ----------
    scene : vtkMRMLScene
        The scene.
    ct : vtkMRMLScalarVolumeNode
        What was segmented; becomes the reference geometry of a segmentation that has none.
    node : vtkMRMLSegmentationNode
        Where to write.
    mask : ndarray of uint8, shape (z, y, x)
        Labels inside `box`.
    box : Box
        Where the mask lies on the grid `geometry`.
    geometry : Geometry
        The CT's grid in the world.
    labels : mapping of str to int
        Meaning of the values.
    hu : ndarray, shape of the mask
        The CT inside the box.

    Raises
    ------
    OutputError
        As `check_output` says.
    """
    check_output(node)
    node.GetSegmentation().SetSourceRepresentationName(BINARY_LABELMAP)
    if not node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()):
        node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    to_frame = np.linalg.inv(node_to_world(node)) @ ras_from_geometry(geometry)
    own = {label: find_own_segment(node, label) for label in labels}
    ids = {label: own_id or _free_id(node, label) for label, own_id in own.items()}
    crop = oriented_image(mask, box.lower_ijk, to_frame)
    kept = protection(scene, node, crop, ct, hu, set(ids.values()))
    written = np.where(kept.voxels, 0, mask).astype(np.uint8)
    taken = snapshot(node, list(ids.values()), (ATTRIBUTE,))
    changing = node.StartModify()
    try:
        for label, value in labels.items():
            labelmap = oriented_image((written == value).astype(np.uint8), box.lower_ijk, to_frame)
            if own[label] is None:
                node.GetSegmentation().AddSegment(_new_segment(node, label, labelmap), ids[label])
            else:
                put_labelmap(node, ids[label], labelmap)
            begin_work(node, ids[label])
    finally:
        node.EndModify(changing)
    left_out = int(np.count_nonzero(mask) - np.count_nonzero(written))
    return Written(node, ids, written, left_out, taken, kept.reasons if left_out else [])


def _new_segment(node: Any, label: str, labelmap: Any) -> Any:
    term = term_of(label)
    segment = slicer.vtkSegment()
    segment.SetName(_free_name(node, label.replace("_", " ").capitalize()))
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*(channel / 255 for channel in term.rgb))
    segment.SetColorAutoGenerated(False)
    segment.SetTag(segment.GetTerminologyEntryTagName(), term.slicer_entry)
    segment.SetTag(TAG, label)
    segment.AddRepresentation(BINARY_LABELMAP, labelmap)
    return segment


def _free_id(node: Any, label: str) -> str:
    return str(node.GetSegmentation().GenerateUniqueSegmentID(label.replace("_", " ").capitalize()))


def _free_name(node: Any, name: str) -> str:
    """Return the name, with PancreasSeg's behind it if the user has a segment of that name already."""
    taken = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return f"{name} (PancreasSeg)" if taken else name
