"""One step in the Segment Editor's own history, where it edits the segmentation that is written."""

from __future__ import annotations

import logging
from typing import Any

import slicer

log = logging.getLogger(__name__)

EMBEDDED_TAG = "PancreasSeg"
"""Singleton tag of the settings of the editor inside the panel."""
EMBEDDED: list[Any] = []
"""Editors inside the panel; each has a history of its own."""


def save_state(scene: Any, segmentation_node: Any) -> None:
    """Let the Segment Editor remember a segmentation as it is, right before a write.

    Its Undo then takes back the write and nothing before it. Without a Segment Editor on this segmentation there
    is nothing to do, and none is made for it.
    """
    for embedded in EMBEDDED:
        if embedded.segmentationNode() is segmentation_node:
            embedded.saveStateForUndo()
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode")
    nodes = [scene.GetNthNodeByClass(number, "vtkMRMLSegmentEditorNode") for number in range(count)]
    nodes = [node for node in nodes if node.GetSingletonTag() != EMBEDDED_TAG]
    if not any(node.GetSegmentationNode() is segmentation_node for node in nodes):
        return
    module = getattr(slicer.modules, "segmenteditor", None)
    if module is None:
        return
    try:
        editor = module.widgetRepresentation().self().editor
        if editor.segmentationNode() is segmentation_node:
            editor.saveStateForUndo()
    except AttributeError as error:  # another build of the editor: the panel's own Undo remains
        log.warning("The Segment Editor could not save a step for its Undo: %s", error)
