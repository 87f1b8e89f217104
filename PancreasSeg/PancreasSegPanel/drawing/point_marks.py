"""Points that are marked with Slicer's own placing of markups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from PancreasSegPanel.drawing.slice_brush import Look

GLYPH_SCALE = 2.0


class PointMarks:
    """Lets the user click points into the slice views.

    Each point is handed on once it is placed. The markups node is a tool and no data: it is not saved, and it goes
    when the tool is put away; what was said stays in the marks.

    Parameters
    ----------
    on_point : callable
        Receives a position in the world, RAS mm, shape (3,).
    on_end : callable
        Called when placing was ended from outside, as by Slicer's mouse mode buttons.
    """

    def __init__(self, on_point: Callable[[NDArray[np.float64]], None], on_end: Callable[[], None]) -> None:
        self._on_point, self._on_end = on_point, on_end
        self._node: Any = None
        self._observed: list[tuple[Any, int]] = []

    @property
    def on(self) -> bool:
        """Whether points are being placed."""
        return self._node is not None

    def start(self, look: Look, name: str) -> None:
        """Begin to place points."""
        self.stop()
        scene = slicer.mrmlScene
        node = scene.CreateNodeByClass("vtkMRMLMarkupsFiducialNode")
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node = scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSelectedColor(*look.colour)
        display.SetActiveColor(*look.colour)
        display.SetPointLabelsVisibility(False)
        display.SetGlyphScale(GLYPH_SCALE)
        display.SetSaveWithScene(False)
        self._node = node
        application = slicer.app.applicationLogic()
        selection, interaction = application.GetSelectionNode(), application.GetInteractionNode()
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(node.GetID())
        interaction.SetPlaceModePersistence(1)
        interaction.SetCurrentInteractionMode(interaction.Place)
        self._keep_to_slices()
        self._observe(scene, scene.NodeAddedEvent, self._keep_to_slices)  # another layout brings other views
        self._observe(node, node.PointPositionDefinedEvent, self._placed)
        self._observe(interaction, interaction.InteractionModeChangedEvent, self._mode_changed)

    def stop(self) -> None:
        """End placing; the points go, what they said stays."""
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed = []
        node, self._node = self._node, None
        if node is None:
            return
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
            interaction.SetPlaceModePersistence(0)
        if node.GetScene() is not None and not slicer.mrmlScene.IsClosing():
            slicer.mrmlScene.RemoveNode(node)

    def _keep_to_slices(self, *_event: Any) -> None:
        """Let a click in a 3D view mark nothing: on a surface nobody sees which voxel is meant."""
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            self._node.GetDisplayNode().AddViewNodeID(view.GetID())

    def _observe(self, sender: Any, event: Any, slot: Callable[..., None]) -> None:
        self._observed.append((sender, sender.AddObserver(event, slot)))

    @vtk.calldata_type(vtk.VTK_INT)
    def _placed(self, node: Any, _event: str, number: int) -> None:
        node.SetNthControlPointLocked(number, True)  # what was said is said: Undo takes it back, not a drag
        position = np.zeros(3)
        node.GetNthControlPointPositionWorld(number, position)
        self._on_point(position)

    def _mode_changed(self, interaction: Any, _event: str) -> None:
        if interaction.GetCurrentInteractionMode() != interaction.Place:
            self._on_end()
