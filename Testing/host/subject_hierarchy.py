"""Keeps the real subject hierarchy in step with the scene, as the plugins of the application do."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

SHOWN = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLModelNode",
    "vtkMRMLTransformNode",
)


class SubjectHierarchy:
    """Gives each node that the Data module would show an item, and takes it away with the node.

    Parameters
    ----------
    scene
        The scene.
    """

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._added)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._removed)
        scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._imported)

    @property
    def tree(self) -> slicer.vtkMRMLSubjectHierarchyNode:
        """The node with the items."""
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _added(self, _scene: Any, _event: str, node: Any) -> None:
        if not self._scene.IsImporting():
            self._give_item(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _removed(self, _scene: Any, _event: str, node: Any) -> None:
        if self._is_shown(node) and not self._scene.IsClosing():
            self.tree.RemoveItem(self.tree.GetItemByDataNode(node), False, False)

    def _imported(self, _scene: Any, _event: str) -> None:
        for number in range(self._scene.GetNumberOfNodes()):
            self._give_item(self._scene.GetNthNode(number))

    def _give_item(self, node: Any) -> None:
        if self._is_shown(node) and not self.tree.GetItemByDataNode(node):
            self.tree.CreateItem(self.tree.GetSceneItemID(), node)

    def _is_shown(self, node: Any) -> bool:
        return not node.GetHideFromEditors() and any(node.IsA(name) for name in SHOWN)
