"""Slice views and the 3D view, drawn offscreen by the real displayable managers."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from PySide6 import QtCore
from vtk.util.numpy_support import vtk_to_numpy

from .event_loop import EventLoopGaps
from .mrml import MrmlApplication

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",  # window and level by mouse
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
    """A render window, its renderer, and the displayable managers that fill it.

    Parameters
    ----------
    factory, managers
        Makes the displayable managers with these names.
    size
        Columns and rows.
    backdrop
        Drawn before all that the managers draw; what is translucent lets it through.
    """

    def __init__(
        self,
        factory: vtk.vtkObject,
        managers: tuple[str, ...],
        size: tuple[int, int],
        backdrop: vtk.vtkProp | None = None,
    ) -> None:
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)  # with multisampling, translucent segments are not drawn offscreen
        self.window.SetSize(*size)
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        if backdrop is not None:
            self.renderer.AddViewProp(backdrop)
        self.interactor = vtk.vtkRenderWindowInteractor()
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.interactor.SetRenderWindow(self.window)
        for manager in managers:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self.managers = factory.InstantiateDisplayableManagers(self.renderer)

    def draw(self) -> None:
        """Render."""
        self.window.Render()

    def pixels(self) -> np.ndarray:
        """Render and return the picture as (rows, columns, RGB), top row first."""
        self.draw()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.SetInputBufferTypeToRGB()
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()


class SliceView(_View):
    """One slice view of the layout, with the application's own handling of the mouse."""

    def __init__(self, logic: slicer.vtkMRMLSliceLogic, size: tuple[int, int]) -> None:
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._actor.SetVisibility(False)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, SLICE_MANAGERS, size, self._actor)
        self.logic = logic
        self.managers.SetMRMLDisplayableNode(logic.GetSliceNode())
        self.interactor_observer = slicer.vtkMRMLSliceViewInteractorStyle()
        self.interactor_observer.SetSliceLogic(logic)
        self.interactor_observer.SetDisplayableManagers(self.managers)
        self.interactor_observer.SetInteractor(self.interactor)
        logic.ResizeSliceNode(*size)

    def draw(self) -> None:
        """Render, with the volumes as they are now."""
        self.logic.UpdatePipeline()
        blended = self.logic.GetImageDataConnection()
        self._actor.SetVisibility(blended is not None)
        if blended is not None:
            self._mapper.SetInputConnection(blended)
        super().draw()


class ThreeDView(_View):
    """The 3D view of the layout."""

    def __init__(self, logic: slicer.vtkMRMLViewLogic, size: tuple[int, int]) -> None:
        super().__init__(slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), THREE_D_MANAGERS, size)
        self.managers.SetMRMLDisplayableNode(logic.GetViewNode())
        self.logic = logic

    def reset_focal_point(self) -> None:
        """Centre the camera on what is shown."""
        for _ in range(2):  # bounds are known only after a rendering; the first may still show the scene before
            self.window.Render()
            self.renderer.ResetCamera()


class Views:
    """The four views of the default layout, made when they are first looked at (rendering needs OpenGL).

    Parameters
    ----------
    mrml
        The scene and the logics to show.
    gaps
        Does not count the making of a slice view: the application makes its own before any module is opened.
    size
        Columns and rows of each view.

    Attributes
    ----------
    live
        Whether the slice views are drawn whenever the application would draw them; else only for a picture, which
        is enough for most tests and quicker.
    drawn
        How often a slice view was drawn while `live`.
    """

    def __init__(self, mrml: MrmlApplication, gaps: EventLoopGaps, size: tuple[int, int] = (364, 384)) -> None:
        self._mrml, self._gaps = mrml, gaps
        self._size = size
        self._slices: dict[str, SliceView] = {}
        self._three_d: ThreeDView | None = None
        self.reset_focal_point = True
        self.live = False
        self.drawn = 0
        self._waiting: set[str] = set()

    def slice_view(self, name: str) -> SliceView:
        """Return the slice view with this layout name (Red, Yellow or Green)."""
        if name not in self._slices:
            view = self._gaps.excluded(lambda: SliceView(self._mrml.slice_logic(name), self._size))
            view.managers.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.wants_render(name))
            self._slices[name] = view
        return self._slices[name]

    def wants_render(self, name: str) -> None:
        """Take note that a slice view is to be drawn; what is asked for meanwhile is drawn together."""
        if self.live and name not in self._waiting:
            self._waiting.add(name)
            QtCore.QTimer.singleShot(0, lambda: self._draw(name))

    def _draw(self, name: str) -> None:
        self._waiting.discard(name)
        self.drawn += 1
        self.slice_view(name).draw()

    def three_d_view(self) -> ThreeDView:
        """Return the 3D view."""
        if self._three_d is None:
            self._three_d = ThreeDView(self._mrml.view_logic, self._size)
        return self._three_d

    def forget_three_d(self) -> None:
        """Drop the 3D view with all that tests before have left in it; the next look makes a new one."""
        self._three_d = None
        self.reset_focal_point = True

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
