"""The check of the brush behind ``PancreasSegTest``: mouse events on a slice view of the application itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from PancreasSegPanel.drawing import slice_views
from PancreasSegPanel.scene.oriented_image import array_of, image_to_frame, origin_index
from PancreasSegPanel.scene.pancreas_segment import BINARY_LABELMAP, find_own_segment
from PancreasSegPanel.scene.vtk_matrices import node_to_world

VIEW = "Red"
STEP_PIXELS = 4


def check_brush(widget: Any, ct: Any, segmentation: Any) -> str:
    """Exclude the middle of the pancreas and take it back.

    Parameters
    ----------
    widget : PancreasSegWidget
        The module's widget.
    ct, segmentation
        A CT and what was segmented on it.

    Returns
    -------
    str
        What was done, in a sentence.

    Raises
    ------
    AssertionError
        If the segment does not change under the brush, or undo does not bring it back.
    """
    layout = slicer.app.layoutManager()
    view = layout.sliceWidget(VIEW) if layout is not None else None
    if view is None:
        return "There is no slice view: the brush was not tried."
    segment_id, inside = _show(widget, ct, segmentation)
    section = widget.panel.correct
    before = _count(segmentation, segment_id)
    widget.ui.excludeBrushButton.checked = True
    _draw(view.sliceView(), inside)
    section.session().wait()
    assert _count(segmentation, segment_id) < before, "drawing did not change the segment"
    section.undo()
    assert _count(segmentation, segment_id) == before, "undo did not bring the segment back"
    section.active_tool.put_away()
    return "The brush excluded, and all was taken back."


def check_learning(widget: Any, ct: Any, segmentation: Any) -> str:
    """Confirm a slice, learn from it, and take both back; as `check_brush`."""
    segment_id, _inside_it = _show(widget, ct, segmentation)
    section = widget.panel.correct
    before = _count(segmentation, segment_id)
    section.confirm.confirm()
    step = section.session().wait()
    assert step is not None and step.slice_at, f"no slice was confirmed: {widget.ui.correctionStatusLabel.text}"
    section.learn.start()
    step = section.session().wait()
    assert step is not None and step.learnt, f"nothing was learnt: {widget.ui.correctionStatusLabel.text}"
    section.undo()
    section.undo()
    assert _count(segmentation, segment_id) == before, "undo did not bring back what slice and learning changed"
    return "A slice was confirmed and learnt from, and both were taken back."


def _show(widget: Any, ct: Any, segmentation: Any) -> tuple[str, tuple[float, float, float]]:
    """Choose a segmentation in the panel and show it; return its segment and a position inside."""
    parameters = widget.logic.getParameterNode()
    parameters.inputVolume, parameters.outputSegmentation = ct, segmentation
    widget.panel.refresh()
    segment_id = find_own_segment(segmentation, "pancreas")
    assert segment_id is not None, "there is nothing to correct"
    inside = _inside(segmentation, segment_id)
    slice_views.show_ct(slicer.mrmlScene, ct)
    slice_views.jump_to(slicer.mrmlScene, inside)
    slicer.app.processEvents()
    return segment_id, inside


def _draw(view: Any, middle: tuple[float, float, float]) -> None:
    """Press, move and release the left button around a position that the view shows."""
    interactor = view.interactor()
    matrix = view.mrmlSliceNode().GetXYToRAS()
    to_ras = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    x, y = np.round(np.linalg.solve(to_ras, [*middle, 1.0])[:2]).astype(int)
    for event, shift in (
        ("MouseMoveEvent", -STEP_PIXELS),
        ("LeftButtonPressEvent", -STEP_PIXELS),
        ("MouseMoveEvent", 0),
        ("MouseMoveEvent", STEP_PIXELS),
        ("LeftButtonReleaseEvent", STEP_PIXELS),
    ):
        interactor.SetEventInformation(int(x) + shift, int(y), 0, 0, chr(0), 0, None)
        interactor.InvokeEvent(event)


def _inside(segmentation: Any, segment_id: str) -> tuple[float, float, float]:
    """Return the position of a voxel of the segment, on the slice that shows most of it."""
    labelmap = segmentation.GetSegmentation().GetSegment(segment_id).GetRepresentation(BINARY_LABELMAP)
    voxels = _voxels(segmentation, segment_id)
    z = int(np.argmax(voxels.sum(axis=(1, 2))))
    rows = np.argwhere(voxels[z])
    y, x = rows[len(rows) // 2]
    index = [*np.add((x, y, z), origin_index(labelmap)), 1.0]
    r, a, s, _ = node_to_world(segmentation) @ image_to_frame(labelmap) @ index
    return float(r), float(a), float(s)


def _count(segmentation: Any, segment_id: str) -> int:
    return int(np.count_nonzero(_voxels(segmentation, segment_id)))


def _voxels(segmentation: Any, segment_id: str) -> NDArray[np.bool_]:
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    voxels = array_of(segment.GetRepresentation(BINARY_LABELMAP))
    assert voxels is not None, "the segment is empty"
    return np.asarray(voxels == segment.GetLabelValue())
