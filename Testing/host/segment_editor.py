"""The Segment Editor's panel, as far as other modules use it: its undo, by the real logic of the effects."""

from __future__ import annotations

from typing import Any

import slicer

from .strict import Strict


class qMRMLSegmentEditorWidget(Strict):
    """The editor: what is edited, and undo."""

    def __init__(self) -> None:
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._node: Any = None

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        """Set the node with the editor's settings."""
        self._node = node
        self._logic.SetSegmentEditorNode(node)

    def mrmlSegmentEditorNode(self) -> Any:
        """Return the node with the editor's settings."""
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        """Set what is edited; undo begins anew."""
        self._logic.SetSegmentationNode(node)

    def segmentationNode(self) -> Any:
        """Return what is edited."""
        return self._logic.GetSegmentationNode()

    def setSourceVolumeNode(self, node: Any) -> None:
        """Set the volume that is segmented."""
        self._logic.SetSourceVolumeNode(node)

    def sourceVolumeNode(self) -> Any:
        """Return the volume that is segmented."""
        return self._logic.GetSourceVolumeNode()

    def saveStateForUndo(self) -> None:
        """Keep the segments as they are."""
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        """Go back to what was kept last."""
        self._logic.Undo()

    def redo(self) -> None:
        """Undo the undo."""
        self._logic.Redo()


class SegmentEditorWidget(Strict):
    """The Python object behind the panel."""

    def __init__(self) -> None:
        self.editor = qMRMLSegmentEditorWidget()


class SegmentEditorPanel(Strict):
    """The panel."""

    def __init__(self) -> None:
        self._self = SegmentEditorWidget()

    def self(self) -> SegmentEditorWidget:
        """Return the Python object."""
        return self._self


class SegmentEditorModule(Strict):
    """``slicer.modules.segmenteditor``; its panel is made when it is first asked for, as in the application."""

    def __init__(self) -> None:
        self.name = "SegmentEditor"
        self.title = "Segment Editor"
        self._panel: SegmentEditorPanel | None = None

    def widgetRepresentation(self) -> SegmentEditorPanel:
        """Return the panel."""
        if self._panel is None:
            self._panel = SegmentEditorPanel()
        return self._panel
