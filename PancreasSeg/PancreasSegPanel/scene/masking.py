"""Which voxels a write must leave out: what the Segment Editor's masking settings and finished neighbours protect.

Slicer keeps these settings in the Segment Editor's parameter node; they count where that node edits the very
segmentation that is written. The rules here are those of the application: the segment that is written is always
editable where it already is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from PancreasSegPanel.scene.oriented_image import values_on
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, label_of
from PancreasSegPanel.scene.segment_editor_history import EMBEDDED_TAG
from PancreasSegPanel.translation import translator

_ = translator(__name__)


@dataclass
class Protection:
    """Voxels that must not be written, and why.

    Attributes
    ----------
    voxels : ndarray of bool, shape of the crop
        True where nothing may be written.
    reasons : list of str
        What protects them, for the sentence that tells the user.
    """

    voxels: NDArray[np.bool_]
    reasons: list[str] = field(default_factory=list)

    def add(self, voxels: NDArray[np.bool_], reason: str) -> None:
        """Protect more voxels."""
        self.voxels |= voxels
        self.reasons.append(reason)


def protection(
    scene: Any,
    segmentation_node: Any,
    crop: Any,
    source_volume: Any,
    hu: NDArray,
    own_ids: set[str],
    *,
    ours_too: bool = False,
) -> Protection:
    """Return what must be left out of a write.

    Parameters
    ----------
    scene : vtkMRMLScene
        Where the Segment Editor's parameter nodes are looked for.
    segmentation_node : vtkMRMLSegmentationNode
        The node that is written.
    crop : vtkOrientedImageData
        The labelmap to be written; gives the grid.
    source_volume : vtkMRMLScalarVolumeNode
        The CT that was segmented.
    hu : ndarray, shape of the crop
        Its HU inside the crop.
    own_ids : set of str
        Segments that the write replaces.
    ours_too : bool
        Whether other segments that PancreasSeg made are neighbours as well.
    """
    x0, x1, y0, y1, z0, z1 = crop.GetExtent()
    found = Protection(np.zeros((z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1), dtype=bool))
    for segment_id, segment in _neighbours(segmentation_node, own_ids, ours_too):
        if _is_completed(segment):
            found.add(
                _voxels(segment, crop),
                _("the completed segment {name}").format(name=segment.GetName() or segment_id),
            )
    for editor in _editors_of(scene, segmentation_node):
        own = _union(_own(segmentation_node, own_ids), crop)
        neighbours = list(_neighbours(segmentation_node, own_ids, ours_too))
        _add_mask_mode(found, editor, segmentation_node, crop, own, own_ids, neighbours)
        if editor.GetSourceVolumeIntensityMask() and editor.GetSourceVolumeNode() is source_volume:
            low, high = editor.GetSourceVolumeIntensityMaskRange()
            found.add(((hu < low) | (hu > high)) & ~own, _("the Segment Editor's intensity range"))
    return found


def _add_mask_mode(
    found: Protection,
    editor: Any,
    node: Any,
    crop: Any,
    own: NDArray[np.bool_],
    own_ids: set[str],
    neighbours: list[tuple[str, Any]],
) -> None:
    kind = slicer.vtkMRMLSegmentationNode
    mode = editor.GetMaskMode()
    if mode == kind.EditAllowedEverywhere:
        return
    if mode == kind.EditAllowedInsideSingleSegment:
        segment = node.GetSegmentation().GetSegment(editor.GetMaskSegmentID() or "")
        if segment is not None and editor.GetMaskSegmentID() not in own_ids:
            found.add(
                ~_voxels(segment, crop) & ~own,
                _("the editable area (inside {name})").format(name=segment.GetName()),
            )
        return
    visible_only = mode in (kind.EditAllowedInsideVisibleSegments, kind.EditAllowedOutsideVisibleSegments)
    chosen = [s for i, s in neighbours if not visible_only or _is_visible(node, i)]
    area = _union(chosen, crop)
    which = _("visible segments") if visible_only else _("all segments")
    if mode in (kind.EditAllowedOutsideAllSegments, kind.EditAllowedOutsideVisibleSegments):
        found.add(area & ~own, _("the editable area (outside {which})").format(which=which))
    else:
        found.add(~area & ~own, _("the editable area (inside {which})").format(which=which))


def _editors_of(scene: Any, segmentation_node: Any) -> list[Any]:
    """Return the settings of those that edit this segmentation: the application's own editor, and the panel's."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode")
    nodes = [scene.GetNthNodeByClass(number, "vtkMRMLSegmentEditorNode") for number in range(count)]
    nodes = [node for node in nodes if node.GetSegmentationNode() is segmentation_node]
    embedded = [node for node in nodes if node.GetSingletonTag() == EMBEDDED_TAG]
    others = [node for node in nodes if node.GetSingletonTag() != EMBEDDED_TAG]
    others.sort(key=lambda node: node.GetSingletonTag() != "SegmentEditor")
    return others[:1] + embedded


def _segments(node: Any) -> Iterator[tuple[str, Any]]:
    segmentation = node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        segment_id = segmentation.GetNthSegmentID(number)
        yield segment_id, segmentation.GetSegment(segment_id)


def _neighbours(node: Any, own_ids: set[str], ours_too: bool) -> Iterator[tuple[str, Any]]:
    return ((i, s) for i, s in _segments(node) if i not in own_ids and (ours_too or not label_of(s)))


def _own(node: Any, own_ids: set[str]) -> list[Any]:
    return [segment for segment_id, segment in _segments(node) if segment_id in own_ids]


def _union(segments: list[Any], crop: Any) -> NDArray[np.bool_]:
    x0, x1, y0, y1, z0, z1 = crop.GetExtent()
    area = np.zeros((z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1), dtype=bool)
    for segment in segments:
        area |= _voxels(segment, crop)
    return area


def _voxels(segment: Any, crop: Any) -> NDArray[np.bool_]:
    """Return a segment's voxels on the crop's grid; none if it has no labelmap."""
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    if labelmap is None:
        x0, x1, y0, y1, z0, z1 = crop.GetExtent()
        return np.zeros((z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1), dtype=bool)
    return values_on(labelmap, crop) == segment.GetLabelValue()


def _is_visible(node: Any, segment_id: str) -> bool:
    display = node.GetDisplayNode()
    return display is None or bool(display.GetVisibility() and display.GetSegmentVisibility(segment_id))


def _is_completed(segment: Any) -> bool:
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    return logic.GetSegmentStatus(segment) == logic.Completed
