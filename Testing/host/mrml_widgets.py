"""Stand-ins for the widgets of qMRML that the panel uses.

``cpp_signals`` and ``cpp_slots`` name what the real class offers, by its C++ signature; the value is the attribute
here.
"""

from __future__ import annotations

from typing import ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .pythonqt import native


@native
class qMRMLWidget(QtWidgets.QWidget):
    """A widget that hands its scene on."""

    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    cpp_slots: ClassVar = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        """Return the scene."""
        return self._scene

    def setMRMLScene(self, scene):
        """Set the scene and hand it on."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


def _flag(name):
    """Return a boolean property that is kept in ``_flags``; a change lists the nodes anew."""

    def read(self):
        return self._flags[name]

    def write(self, value):
        self._flags[name] = bool(value)
        self._refresh()

    return QtCore.Property(bool, read, write)


@native
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of some classes; follows the scene as nodes come and go."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    _valid_changed = QtCore.Signal(bool)
    cpp_signals: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "_valid_changed",
        "currentNodeIDChanged(QString)": "currentNodeIDChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
    }
    cpp_slots: ClassVar = {
        "setMRMLScene(vtkMRMLScene*)": "setMRMLScene",
        "setCurrentNode(vtkMRMLNode*)": "setCurrentNode",
        "setCurrentNodeID(QString)": "setCurrentNodeID",
    }

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = QtWidgets.QComboBox(self)
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.activated.connect(self._activated)
        self._scene = None
        self._tags = []
        self._types = []
        self._ids = []
        self._current = None
        self._base_names = {}
        self._attributes = []
        self._none_display = "None"
        self._flags = dict.fromkeys(
            ("noneEnabled", "showHidden", "removeEnabled", "editEnabled", "renameEnabled"), False
        )
        self._flags.update(addEnabled=True, selectNodeUponCreation=True, showChildNodeTypes=True)

    # The scene

    def mrmlScene(self):
        """Return the scene."""
        return self._scene

    def setMRMLScene(self, scene):
        """Set the scene whose nodes are offered."""
        if scene is self._scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene = scene
        self._tags = []
        if scene is not None:
            added, removed = slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent
            self._tags = [
                scene.AddObserver(added, self._node_added),
                scene.AddObserver(removed, self._node_going),
                scene.AddObserver(slicer.vtkMRMLScene.EndBatchProcessEvent, self._batch_ended),
            ]
        self._refresh()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, scene, event, node):
        if self._offers(node) and not scene.IsBatchProcessing():
            self._refresh()
            self.nodeAdded.emit(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_going(self, scene, event, node):
        if self._offers(node):
            self.nodeAboutToBeRemoved.emit(node)
            self._refresh(without=node)

    def _batch_ended(self, scene, event):
        self._refresh()

    def _offers(self, node):
        if node is None or (node.GetHideFromEditors() and not self._flags["showHidden"]):
            return False
        if self._flags["showChildNodeTypes"]:
            fits = any(node.IsA(name) for name in self._types)
        else:
            fits = node.GetClassName() in self._types
        for node_type, name, value in self._attributes:
            if node.IsA(node_type):
                fits = fits and node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
        return fits

    def _refresh(self, without=None):
        """List the nodes anew; the current one stays, else the first or none is taken, as in the application."""
        nodes = []
        if self._scene is not None:
            every = (self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes()))
            nodes = [node for node in every if self._offers(node) and node is not without]
        self._box.blockSignals(True)
        self._box.clear()
        if self._flags["noneEnabled"]:
            self._box.addItem(self._none_display)
        for node in nodes:
            self._box.addItem(node.GetName() or "")
        self._ids = ([None] if self._flags["noneEnabled"] else []) + [node.GetID() for node in nodes]
        self._box.blockSignals(False)
        kept = any(node is self._current for node in nodes)
        first = nodes[0] if nodes and not self._flags["noneEnabled"] else None
        self._choose(self._current if kept else first)

    def _choose(self, node):
        identifier = None if node is None else node.GetID()
        self._box.blockSignals(True)
        self._box.setCurrentIndex(self._ids.index(identifier) if identifier in self._ids else -1)
        self._box.blockSignals(False)
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)
            self._valid_changed.emit(node is not None)
            self.currentNodeIDChanged.emit(identifier or "")

    def _activated(self, index):
        identifier = self._ids[index]
        node = self._scene.GetNodeByID(identifier) if identifier else None
        self._choose(node)
        self.nodeActivated.emit(node)

    # Choosing

    def currentNode(self):
        """Return the chosen node or None."""
        return self._current

    def setCurrentNode(self, node):
        """Choose a node (or its id); one that is not offered means none."""
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        self._refresh()
        self._choose(node if node is not None and node.GetID() in self._ids else None)

    def setCurrentNodeID(self, identifier):
        """Choose a node by its id."""
        self.setCurrentNode(identifier)

    def nodeCount(self):
        """Return how many nodes are offered."""
        return len([i for i in self._ids if i])

    def addNode(self, node_type=""):
        """Make a node, as the entry *Create new* of the real selector does, and choose it."""
        node_type = node_type or self._types[0]
        base = self._base_names.get(node_type) or self._base_names.get("")
        node = self._scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(base or node.GetNodeTagName()))
        self._scene.AddNode(node)
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def addAttribute(self, node_type, name, value=None):
        """Offer only nodes that have this attribute (with this value)."""
        self._attributes.append((node_type, name, None if value is None else str(value)))
        self._refresh()

    # Properties of the form

    def _get_types(self):
        return self._types

    def _set_types(self, names):
        self._types = [str(name) for name in names]
        self._refresh()

    def _get_id(self):
        return "" if self._current is None else self._current.GetID()

    def _get_base_name(self):
        return self._base_names.get("", "")

    def setBaseName(self, name, node_type=""):
        """Set how nodes made here are named."""
        self._base_names[node_type] = name

    def _get_none_display(self):
        return self._none_display

    def _set_none_display(self, text):
        self._none_display = text
        self._refresh()

    nodeTypes = QtCore.Property("QStringList", _get_types, _set_types)
    currentNodeID = QtCore.Property(str, _get_id, setCurrentNodeID)
    baseName = QtCore.Property(str, _get_base_name, setBaseName)
    noneDisplay = QtCore.Property(str, _get_none_display, _set_none_display)
    noneEnabled = _flag("noneEnabled")
    addEnabled = _flag("addEnabled")
    removeEnabled = _flag("removeEnabled")
    editEnabled = _flag("editEnabled")
    renameEnabled = _flag("renameEnabled")
    showHidden = _flag("showHidden")
    showChildNodeTypes = _flag("showChildNodeTypes")
    selectNodeUponCreation = _flag("selectNodeUponCreation")


WIDGETS = {cls.__name__: cls for cls in (qMRMLWidget, qMRMLNodeComboBox)}
