"""The MRML scene and the application logics of 3D Slicer, as the application itself sets them up.

Everything here is the real C++ code of ``slicer-core``; nothing is imitated.
"""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk

from .subject_hierarchy import SubjectHierarchy

# Layout name, orientation, label and colour, as the application has them.
SLICE_VIEWS = (
    ("Red", "Axial", "R", (0.95, 0.29, 0.24)),
    ("Yellow", "Sagittal", "Y", (0.93, 0.84, 0.28)),
    ("Green", "Coronal", "G", (0.43, 0.69, 0.29)),
)

# Module name in the application -> class of its logic; the name in slicer.modules is the same in lower case.
MODULE_LOGICS = {
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Colors": "vtkSlicerColorLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}


class MrmlApplication:
    """One scene with the logics that the application keeps for it.

    Parameters
    ----------
    folder
        A writable folder for temporary files, caches and the default place of the scene.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scene = slicer.vtkMRMLScene()
        self.scene.SetRootDirectory(str(folder))
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetTemporaryPath(str(folder))
        self.logic.SetShareDirectory(str(folder))
        self.logic.SetHomeDirectory(str(folder))
        slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(self.logic)
        slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(self.logic)
        self._connect_file_transfer()
        self._add_scene()
        vtk.vtkObject.GlobalWarningDisplayOff()  # the wheel has no terminology files, which the logics miss loudly
        self.module_logics = {name: self._module_logic(name) for name in MODULE_LOGICS}
        vtk.vtkObject.GlobalWarningDisplayOn()
        self.logic.SetColorLogic(self.module_logics["Colors"])
        self._add_views()
        self.subject_hierarchy = SubjectHierarchy(self.scene)

    def _connect_file_transfer(self) -> None:
        """Create what reading a scene bundle (.mrb) needs."""
        self._remote_io = slicer.vtkMRMLRemoteIOLogic()
        self._remote_io.GetCacheManager().SetRemoteCacheDirectory(str(self.folder))
        self._data_io = slicer.vtkDataIOManagerLogic()
        self._data_io.SetMRMLApplicationLogic(self.logic)
        self._data_io.SetAndObserveDataIOManager(self._remote_io.GetDataIOManager())

    def _add_scene(self) -> None:
        self.scene.RegisterNodeClass(slicer.vtkMRMLCommandLineModuleNode())
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        self.logic.SetMRMLScene(self.scene)
        self.logic.SetMRMLSceneDataIO(self.scene, self._remote_io, self._data_io)

    def _module_logic(self, name: str) -> vtk.vtkObject:
        logic = getattr(slicer, MODULE_LOGICS[name])()
        if isinstance(logic, slicer.vtkSlicerModuleLogic):
            logic.SetModuleShareDirectory(str(self.folder))
        logic.SetMRMLApplicationLogic(self.logic)
        logic.SetMRMLScene(self.scene)
        self.logic.SetModuleLogic(name, logic)
        return logic

    def _add_views(self) -> None:
        """Add the nodes and logics of three slice views and one 3D view: the application's default layout."""
        self.slice_logics = vtk.vtkCollection()
        self.view_logics = vtk.vtkCollection()
        for name, orientation, label, colour in SLICE_VIEWS:
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self.logic)
            logic.SetMRMLScene(self.scene)
            node = logic.AddSliceNode(name)
            node.SetOrientation(orientation)
            node.SetLayoutLabel(label)
            node.SetLayoutColor(*colour)
            node.SetMappedInLayout(1)
            self.slice_logics.AddItem(logic)
        logic = slicer.vtkMRMLViewLogic()
        logic.SetName("1")  # by this it finds its node again after the scene was closed
        logic.SetMRMLApplicationLogic(self.logic)
        logic.SetMRMLScene(self.scene)
        node = logic.AddViewNode("1")
        node.SetLayoutLabel("1")
        node.SetMappedInLayout(1)
        self.view_logics.AddItem(logic)
        self.logic.SetSliceLogics(self.slice_logics)
        self.logic.SetViewLogics(self.view_logics)

    def slice_logic(self, name: str) -> slicer.vtkMRMLSliceLogic:
        """Return the logic of the slice view with this layout name (Red, Yellow or Green)."""
        return self.logic.GetSliceLogicByLayoutName(name)

    @property
    def view_logic(self) -> slicer.vtkMRMLViewLogic:
        """The logic of the 3D view."""
        return self.view_logics.GetItemAsObject(0)
