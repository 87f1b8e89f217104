"""Reading and writing nodes and scenes: ``slicer.app.coreIOManager()``, used by ``slicer.util.loadVolume`` etc."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import slicer

from .mrml import MrmlApplication
from .strict import Strict

FILE_TYPES = (
    ((".seg.nrrd", ".seg.nhdr"), "SegmentationFile"),
    ((".mrml", ".mrb"), "SceneFile"),
    ((".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm"), "VolumeFile"),
    ((".mrk.json", ".fcsv"), "MarkupsFile"),
)


def save_scene(scene: slicer.vtkMRMLScene, path: Path) -> None:
    """Write the scene and its data: ``.mrb`` is one file, a ``.mrml`` keeps its data beside it.

    Raises
    ------
    RuntimeError
        When it cannot be written.
    """
    messages = slicer.vtkMRMLMessageCollection()
    if path.suffix == ".mrb":
        written = scene.WriteToMRB(str(path), None, messages)
    else:
        scene.SetRootDirectory(str(path.parent))
        scene.SetURL(str(path))
        written = _save_data(path.parent) and bool(scene.Commit())
    if not written:
        raise RuntimeError(f"The scene could not be written to {path}: {messages.GetAllMessagesAsString()}")


def _save_data(folder: Path) -> bool:
    """Write the file of every node that has one, named by the node's id, which no other node has."""
    for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
        if not node.GetSaveWithScene() or node.GetHideFromEditors():
            continue
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is not None:
            storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
            if not storage.WriteData(node):
                return False
    return True


def load_scene(scene: slicer.vtkMRMLScene, path: Path) -> None:
    """Replace the scene by the one in the file, as *Open scene* does.

    Raises
    ------
    RuntimeError
        When it cannot be read.
    """
    messages = slicer.vtkMRMLMessageCollection()
    if path.suffix == ".mrb":
        loaded = scene.ReadFromMRB(str(path), True, messages)
    else:
        scene.SetURL(str(path))
        loaded = bool(scene.Connect(messages))
    if not loaded:
        raise RuntimeError(f"The scene could not be read from {path}: {messages.GetAllMessagesAsString()}")


class CoreIOManager(Strict):
    """Loads and saves by the kind of file."""

    def __init__(self, mrml: MrmlApplication) -> None:
        self._mrml = mrml

    def fileType(self, path: str) -> str:
        """Return the kind of a file by its name."""
        for endings, kind in FILE_TYPES:
            if str(path).lower().endswith(endings):
                return kind
        return "NoFile"

    def fileWriterFileType(self, node: Any) -> str:
        """Return the kind of file that a node is saved as."""
        return f"{node.GetClassName().removeprefix('vtkMRML')}File"

    def loadNodes(self, kind: str, properties: dict, loaded: Any = None, messages: Any = None) -> bool:
        """Load a file; False when it cannot be read."""
        path = Path(properties["fileName"])
        if not path.exists():
            return False
        if kind == "SceneFile":
            load_scene(self._mrml.scene, path)
            return True
        node = self._load(kind, path, properties)
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return node is not None

    def _load(self, kind: str, path: Path, properties: dict) -> Any:
        name = properties.get("name") or path.name.partition(".")[0]
        logics = self._mrml.module_logics
        if kind == "VolumeFile":
            options = 1 if properties.get("labelmap") else 0
            node = logics["Volumes"].AddArchetypeVolume(str(path), name, options)
            if node is not None and properties.get("show", True):
                self._mrml.logic.GetSelectionNode().SetReferenceActiveVolumeID(node.GetID())
                self._mrml.logic.PropagateVolumeSelection()
            return node
        if kind == "SegmentationFile":
            return logics["Segmentations"].LoadSegmentationFromFile(str(path), True, name)
        if kind == "MarkupsFile":
            identifier = logics["Markups"].LoadMarkups(str(path), name)
            return self._mrml.scene.GetNodeByID(identifier) if identifier else None
        raise NotImplementedError(f"the test host does not load files of the kind {kind}")

    def saveNodes(self, kind: str, properties: dict, messages: Any = None) -> bool:
        """Save a node, or the scene (kind SceneFile); False when it cannot be written."""
        path = Path(properties["fileName"])
        if kind == "SceneFile":
            save_scene(self._mrml.scene, path)
            return True
        node = self._mrml.scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        return bool(node.GetStorageNode().WriteData(node))


def temporary_folder(prefix: str = "test-host-") -> Path:
    """Make a folder of its own."""
    return Path(tempfile.mkdtemp(prefix=prefix))
