"""Slicer's Segment Editor inside the panel, for everything that the panel's own tools do not do.

Its widget is made when the section is opened for the first time: it takes a while, and most users need it seldom.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer
import vtk

from PancreasSegPanel.scene import segment_editor_history
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator

_ = translator(__name__)

log = logging.getLogger(__name__)
STEPS = 10
PAINT = "Paint"


class EmbeddedEditor:
    """The Segment Editor's widget on the segment that is corrected.

    Parameters
    ----------
    section : ctkCollapsibleButton
        Holds it.
    label : QLabel
        Says what it is for, or why it is not there.
    on_effect : callable
        Called when one of its effects is taken: two tools in one hand would fight for the mouse.
    """

    def __init__(self, section: Any, label: Any, on_effect: Callable[[], None]) -> None:
        self._section, self._label, self._on_effect = section, label, on_effect
        self._widget: Any = None
        self._node: Any = None
        self._tag: int | None = None
        self._target: tuple[Any, str, Any] | None = None
        self._entered, self._effect = False, ""
        label.text = _(
            "All effects of the Segment Editor. What is edited here counts as truth in the next correction."
        )
        connect(section, "contentsCollapsed(bool)", self._collapsed)

    @property
    def active(self) -> bool:
        """Whether one of its effects is in hand."""
        return self._node is not None and bool(self._node.GetActiveEffectName())

    @property
    def widget(self) -> Any | None:
        """The qMRMLSegmentEditorWidget, None before the section was opened."""
        return self._widget

    def edit(self, segmentation: Any | None, segment_id: str | None, ct: Any | None) -> None:
        """Say what is to be edited; taken over when the section is open."""
        self._target = (segmentation, segment_id, ct) if segmentation is not None and segment_id else None
        self._update()

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self._update()

    def exit(self) -> None:
        """The module is left: the editor gives the mouse back."""
        self._entered = False
        self.drop_effect()
        if self._widget is not None:
            self._widget.removeViewObservations()

    def paint(self) -> None:
        """Take the editor's Paint effect, or put it away; the section opens for it."""
        self._section.collapsed = False
        if self._widget is not None:
            painting = self._node is not None and self._node.GetActiveEffectName() == PAINT
            self._widget.setActiveEffectByName("" if painting else PAINT)

    def drop_effect(self) -> None:
        """Put the editor's effect away."""
        if self._widget is not None and self.active:
            self._widget.setActiveEffectByName("")

    def scene_closing(self) -> None:
        """The scene goes, and the editor's node with it."""
        self._target = None
        self._forget_node()
        if self._widget is not None:
            self._widget.setSegmentationNode(None)
            self._widget.removeViewObservations()

    def close(self) -> None:
        """The module is unloaded."""
        self.exit()
        self._forget_node()
        if self._widget is not None and self._widget in segment_editor_history.EMBEDDED:
            segment_editor_history.EMBEDDED.remove(self._widget)

    def _collapsed(self, collapsed: bool) -> None:
        if collapsed:
            self.drop_effect()
        else:
            self._make()
            self._update()

    def _make(self) -> None:
        """Make the widget, with its node before its scene, as it wants."""
        if self._widget is not None:
            return
        try:
            widget = slicer.qMRMLSegmentEditorWidget()
        except AttributeError as error:
            log.warning("The Segment Editor's widget is not here: %s", error)
            self._label.text = _("The Segment Editor cannot be shown here; use the module Segment Editor.")
            return
        widget.objectName = "segmentEditorWidget"
        widget.setMaximumNumberOfUndoStates(STEPS)
        widget.segmentationNodeSelectorVisible = False
        widget.sourceVolumeNodeSelectorVisible = False
        widget.switchToSegmentationsButtonVisible = False
        widget.autoShowSourceVolumeNode = False
        self._widget = widget
        self._choose_node()
        widget.setMRMLScene(slicer.mrmlScene)
        self._section.layout().addWidget(widget)
        segment_editor_history.EMBEDDED.append(widget)

    def _update(self) -> None:
        if self._widget is None or self._section.collapsed or slicer.mrmlScene.IsClosing():
            return
        self._choose_node()
        segmentation, segment_id, ct = self._target or (None, None, None)
        if self._widget.segmentationNode() is not segmentation:
            self._widget.setSegmentationNode(segmentation)
        if segmentation is not None:
            if self._widget.sourceVolumeNode() is not ct:
                self._widget.setSourceVolumeNode(ct)
            if self._widget.currentSegmentID() != segment_id:
                self._widget.setCurrentSegmentID(segment_id)
        if self._entered:
            self._widget.setupViewObservations()
        else:
            self._widget.removeViewObservations()

    def _choose_node(self) -> None:
        """Take the scene's node with the settings of this editor, or add one."""
        scene = slicer.mrmlScene
        if self._node is not None and self._node.GetScene() is scene:
            return
        self._forget_node()
        node = scene.GetSingletonNode(segment_editor_history.EMBEDDED_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(segment_editor_history.EMBEDDED_TAG)
            node = scene.AddNode(node)
        self._node = node
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._modified)
        self._widget.setMRMLSegmentEditorNode(node)

    def _forget_node(self) -> None:
        if self._node is not None and self._tag is not None:
            self._node.RemoveObserver(self._tag)
        self._node = self._tag = None

    def _modified(self, node: Any, _event: str) -> None:
        before, self._effect = self._effect, node.GetActiveEffectName() or ""
        if self._effect and self._effect != before:
            self._on_effect()
