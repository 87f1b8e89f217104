"""Slice views and the 3D view, drawn offscreen by the real displayable managers."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .mrml import MrmlApplication

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
)
THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)


class _View:
    """A render window, its renderer, and the displayable managers that fill it."""

    def __init__(self, factory: vtk.vtkObject, managers: tuple[str, ...], size: tuple[int, int]) -> None:
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)  # with multisampling, translucent segments are not drawn offscreen
        self.window.SetSize(*size)
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.interactor.SetRenderWindow(self.window)
        for manager in managers:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self.managers = factory.InstantiateDisplayableManagers(self.renderer)

    def pixels(self) -> np.ndarray:
        """Render and return the picture as (rows, columns, RGB), top row first."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.SetInputBufferTypeToRGB()
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()


class SliceView(_View):
    """One slice view of the layout."""

    def __init__(self, logic: slicer.vtkMRMLSliceLogic, size: tuple[int, int]) -> None:
        super().__init__(slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), SLICE_MANAGERS, size)
        self.logic = logic
        self.managers.SetMRMLDisplayableNode(logic.GetSliceNode())
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        logic.ResizeSliceNode(*size)

    def pixels(self) -> np.ndarray:
        """Render and return the picture as (rows, columns, RGB), top row first."""
        self.logic.UpdatePipeline()
        blended = self.logic.GetImageDataConnection()
        if blended is None:
            self.renderer.RemoveViewProp(self._actor)
        else:
            self._mapper.SetInputConnection(blended)
            self.renderer.AddViewProp(self._actor)
        return super().pixels()


class ThreeDView(_View):
    """The 3D view of the layout."""

    def __init__(self, logic: slicer.vtkMRMLViewLogic, size: tuple[int, int]) -> None:
        super().__init__(slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), THREE_D_MANAGERS, size)
        self.managers.SetMRMLDisplayableNode(logic.GetViewNode())
        self.logic = logic

    def reset_focal_point(self) -> None:
        """Centre the camera on what is shown."""
        self.window.Render()  # the bounds are known only after the first rendering
        self.renderer.ResetCamera()


class Views:
    """The four views of the default layout, made when they are first looked at (rendering needs OpenGL).

    Parameters
    ----------
    mrml
        The scene and the logics to show.
    size
        Columns and rows of each view.
    """

    def __init__(self, mrml: MrmlApplication, size: tuple[int, int] = (364, 384)) -> None:
        self._mrml = mrml
        self._size = size
        self._slices: dict[str, SliceView] = {}
        self._three_d: ThreeDView | None = None
        self.reset_focal_point = True

    def slice_view(self, name: str) -> SliceView:
        """Return the slice view with this layout name (Red, Yellow or Green)."""
        if name not in self._slices:
            self._slices[name] = SliceView(self._mrml.slice_logic(name), self._size)
        return self._slices[name]

    def three_d_view(self) -> ThreeDView:
        """Return the 3D view."""
        if self._three_d is None:
            self._three_d = ThreeDView(self._mrml.view_logic, self._size)
        return self._three_d

    def pictures(self) -> dict[str, np.ndarray]:
        """Return the picture of every view by its name: Red, 1 (3D), Yellow, Green."""
        if self.reset_focal_point:
            self.three_d_view().reset_focal_point()
            self.reset_focal_point = False
        return {
            "Red": self.slice_view("Red").pixels(),
            "1": self.three_d_view().pixels(),
            "Yellow": self.slice_view("Yellow").pixels(),
            "Green": self.slice_view("Green").pixels(),
        }
