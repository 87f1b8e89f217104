"""What was marked, as a segmentation of its own: seen in the slice views, saved with the scene, read again.

Include and Exclude hold what was scribbled or pointed at. Painted and Erased hold what the user set voxel by
voxel in the Segment Editor, and what a confirmed slice says: it is truth as well, but would only hide the segment
and the CT, so it is not shown. Slices outlines the organ in the confirmed slices. Preview is the segment as a
correction would make it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from PancreasSegLib.refine import EXCLUDED, INCLUDED
from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker import CorrectionState
from PancreasSegPanel.scene.ct_node import place_with_ct
from PancreasSegPanel.scene.mark_map import BY_HAND, CONFIRMED, ERASED, MEANING, PAINTED, plain
from PancreasSegPanel.scene.oriented_image import oriented_image
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, put_labelmap
from PancreasSegPanel.scene.segment_on_ct import SegmentVoxels, frame_of, read_segment
from PancreasSegPanel.translation import translator

_ = translator(__name__)

SEGMENTATION_ROLE = "PancreasSeg.MarksOf"
CT_ROLE = "PancreasSeg.MarksOn"
SEGMENT_ATTRIBUTE = "PancreasSeg.MarksOfSegment"

SLICES, PREVIEW = "Slices", "Preview"

_VALUES = {"Include": INCLUDED, "Exclude": EXCLUDED, "Painted": PAINTED, "Erased": ERASED}
_COLOURS = {  # of Okabe and Ito, told apart by colour-blind readers as well
    "Include": (0, 158, 115),
    "Exclude": (213, 94, 0),
    "Painted": (86, 180, 233),
    "Erased": (204, 121, 167),
    SLICES: (86, 180, 233),
    PREVIEW: (240, 228, 66),
}


class MarksNode:
    """The marks of one segment in the scene; the node is made when there is something to show.

    Parameters
    ----------
    scene : vtkMRMLScene
    segmentation : vtkMRMLSegmentationNode
    segment_id : str
    ct : vtkMRMLScalarVolumeNode
    """

    def __init__(self, scene: Any, segmentation: Any, segment_id: str, ct: Any) -> None:
        self._scene, self._segmentation, self._segment_id, self._ct = scene, segmentation, segment_id, ct
        self._node_id = ""
        self._shown: dict[str, Any] = {}
        node = find_marks_node(segmentation, segment_id, ct)
        if node is not None:
            self._node_id = node.GetID()

    @property
    def node(self) -> Any | None:
        """The node, None while there is none or after it was deleted."""
        return self._scene.GetNodeByID(self._node_id) if self._node_id else None

    def read(self, geometry: Geometry) -> tuple[Box | None, NDArray[np.uint8]]:
        """Return the map of marks that the node holds, with its box."""
        node = self.node
        parts = [(value, self._voxels(node, name, geometry)) for name, value in _VALUES.items()]
        slices = self._voxels(node, SLICES, geometry)
        box: Box | None = None
        for _value, part in parts:
            if part.box is not None:
                box = part.box if box is None else box.union(part.box)
        if box is None:
            return None, np.zeros((0, 0, 0), np.uint8)
        marks = np.zeros(box.size_ijk[::-1], np.uint8)
        for value, part in parts:
            if part.box is not None:
                marks[part.box.slices_in(box)][part.mask > 0] = value
        confirmed = CorrectionState(slices.box, slices.mask, slices.mask).within(box)[0] > 0
        marks[confirmed & (plain(marks) == INCLUDED)] |= CONFIRMED
        return box, marks

    def read_preview(self, geometry: Geometry) -> SegmentVoxels:
        """Return the correction that was neither accepted nor rejected."""
        return self._voxels(self.node, PREVIEW, geometry)

    def _voxels(self, node: Any | None, name: str, geometry: Geometry) -> SegmentVoxels:
        if node is None or node.GetSegmentation().GetSegment(name) is None:
            return SegmentVoxels(None, np.zeros((0, 0, 0), np.uint8))
        return read_segment(node, name, geometry)

    def show_marks(self, box: Box | None, marks: NDArray[np.uint8], geometry: Geometry) -> None:
        """Show a map of marks; segments that stay the same are not touched."""
        for name, value in _VALUES.items():
            self._show(name, box, (marks & (BY_HAND | MEANING) == value).view(np.uint8), geometry)
        self._show(SLICES, box, (marks & CONFIRMED > 0).view(np.uint8), geometry)

    def show_preview(self, state: CorrectionState | None, geometry: Geometry) -> None:
        """Show the segment as a correction would make it; None shows none."""
        if state is None or state.box is None:
            self._show(PREVIEW, None, np.zeros((0, 0, 0), np.uint8), geometry)
        else:
            self._show(PREVIEW, state.box, state.mask, geometry)

    def _show(self, name: str, box: Box | None, mask: NDArray[np.uint8], geometry: Geometry) -> None:
        inner = Box.of_mask(mask) if box is not None else None
        place = box.part(inner) if box is not None and inner is not None else None
        part = np.ascontiguousarray(mask[inner.slices_zyx]) if inner is not None else mask[:0]
        content = (place, part.tobytes())
        node = self.node
        if node is None:
            if place is None:
                return
            node = self._make()
        if self._shown.get(name) == content and node.GetSegmentation().GetSegment(name) is not None:
            return
        self._shown[name] = content
        if node.GetSegmentation().GetSegment(name) is None:  # the user took it out, or the scene is an older one
            _add(node, name)
        image = (
            slicer.vtkOrientedImageData()
            if place is None
            else oriented_image(part, place.lower_ijk, frame_of(node, geometry))
        )
        changing = node.StartModify()
        put_labelmap(node, name, image)
        node.EndModify(changing)

    def _make(self) -> Any:
        segment = self._segmentation.GetSegmentation().GetSegment(self._segment_id)
        name = _("{name} marks").format(name=f"{self._segmentation.GetName()} {segment.GetName()}")
        node = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode", self._scene.GenerateUniqueName(name))
        node.SetNodeReferenceID(SEGMENTATION_ROLE, self._segmentation.GetID())
        node.SetNodeReferenceID(CT_ROLE, self._ct.GetID())
        node.SetAttribute(SEGMENT_ATTRIBUTE, self._segment_id)
        place_with_ct(node, self._ct)
        node.GetSegmentation().SetSourceRepresentationName(BINARY_LABELMAP)
        node.SetReferenceImageGeometryParameterFromVolumeNode(self._ct)
        node.CreateDefaultDisplayNodes()
        for segment_name in _COLOURS:
            _add(node, segment_name)
        self._node_id, self._shown = node.GetID(), {}
        return node

    def remove(self) -> None:
        """Take the node out of the scene."""
        node = self.node
        self._node_id, self._shown = "", {}
        if node is not None:
            self._scene.RemoveNode(node)


def find_marks_node(segmentation: Any, segment_id: str | None, ct: Any) -> Any | None:
    """Return the node with the marks of a segment on a CT, None without one."""
    scene = segmentation.GetScene()
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") if scene is not None else 0
    for number in range(count):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        if (
            node.GetNodeReferenceID(SEGMENTATION_ROLE) == segmentation.GetID()
            and node.GetNodeReferenceID(CT_ROLE) == ct.GetID()
            and node.GetAttribute(SEGMENT_ATTRIBUTE) == segment_id
        ):
            return node
    return None


def is_marks_node(node: Any) -> bool:
    """Whether a segmentation holds marks, and is none that a user would correct."""
    return bool(node.GetAttribute(SEGMENT_ATTRIBUTE))


def _add(node: Any, name: str) -> None:
    """Add an empty segment: marks are shown so that the segment under them is seen, the rest as outlines."""
    made = slicer.vtkSegment()
    made.SetName(name)
    made.SetColor(*(channel / 255 for channel in _COLOURS[name]))
    made.AddRepresentation(BINARY_LABELMAP, slicer.vtkOrientedImageData())
    node.GetSegmentation().AddSegment(made, name)
    display = node.GetDisplayNode()
    if display is None:
        return
    display.SetVisibility3D(False)
    display.SetSegmentVisibility(name, name not in ("Painted", "Erased"))
    display.SetSegmentOpacity2DFill(name, 0.0 if name in (SLICES, PREVIEW) else 0.35)
    display.SetSegmentOpacity2DOutline(name, 1.0)
