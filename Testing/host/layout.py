"""``slicer.app.layoutManager()``: three slice views and one 3D view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .mrml import SLICE_VIEWS, MrmlApplication
from .strict import Strict
from .views import Views


class SliceView(Strict):
    """One slice view: its window, made when it is first asked for, and its coordinates."""

    def __init__(self, mrml: MrmlApplication, views: Views, name: str) -> None:
        self._node = mrml.slice_logic(name).GetSliceNode()
        self._views, self._name = views, name

    def mrmlSliceNode(self) -> Any:
        """Return the slice node."""
        return self._node

    def interactor(self) -> Any:
        """Return what receives the mouse's events."""
        return self._views.slice_view(self._name).interactor

    def interactorObserver(self) -> Any:
        """Return the application's own handling of the mouse."""
        return self._views.slice_view(self._name).interactor_observer

    def renderWindow(self) -> Any:
        """Return the window."""
        return self._views.slice_view(self._name).window

    def convertDeviceToXYZ(self, xy: Any) -> tuple[float, float, float]:
        """Return the place in the slice of a pixel of the window."""
        x, y = (int(v) for v in xy)
        return float(x), float(y), 0.0

    def convertXYZToRAS(self, xyz: Any) -> tuple[float, float, float]:
        """Return the position of a place in the slice."""
        return self._node.GetXYToRAS().MultiplyPoint((*xyz, 1.0))[:3]

    def scheduleRender(self) -> None:
        """Draw soon: here when a picture is taken, or when the host shows what happens."""
        self._views.wants_render(self._name)

    def forceRender(self) -> None:
        """Draw now."""
        self._views.slice_view(self._name).window.Render()


class SliceWidget(Strict):
    """One slice view with its logic."""

    def __init__(self, mrml: MrmlApplication, views: Views, name: str) -> None:
        self._logic = mrml.slice_logic(name)
        self._view = SliceView(mrml, views, name)

    def sliceView(self) -> SliceView:
        """Return the view."""
        return self._view

    def sliceLogic(self) -> Any:
        """Return the logic."""
        return self._logic

    def mrmlSliceNode(self) -> Any:
        """Return the slice node."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """Return the node that says which volumes are shown."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Show the whole background volume."""
        self._logic.FitSliceToBackground()


class ThreeDView(Strict):
    """The 3D view; it is drawn when a picture is taken, and what was asked for until then is done first."""

    def __init__(self, mrml: MrmlApplication, views: Views) -> None:
        self._node = mrml.view_logic.GetViewNode()
        self._views = views

    def mrmlViewNode(self) -> Any:
        """Return the view node."""
        return self._node

    def resetFocalPoint(self) -> None:
        """Centre the camera on what is shown."""
        self._views.reset_focal_point = True

    def scheduleRender(self) -> None:
        """Nothing to do: a picture is drawn when it is taken."""

    def forceRender(self) -> None:
        """Draw now."""
        self._views.three_d_view().window.Render()


class ThreeDWidget(Strict):
    """The 3D view with its controls, of which the host has none."""

    def __init__(self, mrml: MrmlApplication, views: Views) -> None:
        self._view = ThreeDView(mrml, views)

    def threeDView(self) -> ThreeDView:
        """Return the view."""
        return self._view

    def mrmlViewNode(self) -> Any:
        """Return the view node."""
        return self._view.mrmlViewNode()


class LayoutManager(Strict):
    """The default layout of the application, *Four-Up*."""

    def __init__(self, mrml: MrmlApplication, views: Views) -> None:
        self._mrml = mrml
        self._slices = {name: SliceWidget(mrml, views, name) for name, *_ in SLICE_VIEWS}
        self._three_d = ThreeDWidget(mrml, views)
        self.layout = 3  # vtkMRMLLayoutNode.SlicerLayoutFourUpView
        self.threeDViewCount = 1
        self.tableViewCount = 0
        self.plotViewCount = 0
        self._listeners: list[Callable[[int], Any]] = []

    def connect(self, signal: str, slot: Callable[[int], Any]) -> bool:
        """Connect the one signal that there is here."""
        if signal != "layoutChanged(int)":
            return False
        self._listeners.append(slot)
        return True

    def disconnect(self, signal: str, slot: Callable[[int], Any]) -> bool:
        """Undo one `connect`."""
        if signal != "layoutChanged(int)" or slot not in self._listeners:
            return False
        self._listeners.remove(slot)
        return True

    def setLayout(self, layout: int) -> None:
        """Choose a layout; the views of the host stay what they are."""
        self.layout = layout
        for slot in list(self._listeners):
            slot(layout)

    def sliceViewNames(self) -> tuple[str, ...]:
        """Return Red, Yellow, Green."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """Return a slice view by its name."""
        return self._slices.get(name)

    def threeDWidget(self, which: int) -> ThreeDWidget | None:
        """Return the 3D view."""
        return self._three_d if which in (0, "1") else None

    def mrmlSliceLogics(self) -> Any:
        """Return the logics of the slice views."""
        return self._mrml.slice_logics

    def resetSliceViews(self) -> None:
        """Show everything in the slice views."""
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Centre the camera of the 3D view on what is shown."""
        self._three_d.threeDView().resetFocalPoint()
