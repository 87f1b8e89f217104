"""The Segment Editor's panel, as far as other modules use it: its undo, by the real logic of the effects."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtWidgets

from .mrml_widgets import qMRMLWidget
from .pythonqt import native
from .strict import Strict


@native
class qMRMLSegmentEditorWidget(qMRMLWidget):
    """The editor: what is edited, which effect is chosen, and undo. The effects themselves are not there."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._node: Any = None
        self._in_views = False
        self._has_shortcuts = False
        label = QtWidgets.QLabel("Segment Editor (stand-in of the test host)", self)
        QtWidgets.QVBoxLayout(self).addWidget(label)
        self.setProperty("maximumNumberOfUndoStates", 10)
        for name in ("segmentationNodeSelector", "sourceVolumeNodeSelector", "switchToSegmentationsButton"):
            self.setProperty(f"{name}Visible", True)
        self.setProperty("autoShowSourceVolumeNode", True)

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        """Set how far back undo goes."""
        self.setProperty("maximumNumberOfUndoStates", int(count))

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

    def setCurrentSegmentID(self, segment_id: str) -> None:
        """Choose a segment."""
        if self._node is not None:
            self._node.SetSelectedSegmentID(segment_id)

    def currentSegmentID(self) -> str:
        """Return the chosen segment."""
        return (self._node.GetSelectedSegmentID() if self._node is not None else None) or ""

    def setActiveEffectByName(self, name: str) -> None:
        """Choose an effect, as a click on its button does."""
        if self._node is not None:
            self._node.SetActiveEffectName(name)

    def setActiveEffect(self, effect: Any) -> None:
        """Choose no effect; the effects themselves are not here."""
        if effect is not None:
            raise NotImplementedError("the test host has no effects")
        self.setActiveEffectByName("")

    def setupViewObservations(self) -> None:
        """Listen to the views."""
        self._in_views = True

    def removeViewObservations(self) -> None:
        """Listen to the views no longer."""
        self._in_views = False

    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        """Take the keys of the effects."""
        self._has_shortcuts = True

    def uninstallKeyboardShortcuts(self) -> None:
        """Give the keys back."""
        self._has_shortcuts = False

    def updateWidgetFromMRML(self) -> None:
        """Show what the node says: nothing to do here."""

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
