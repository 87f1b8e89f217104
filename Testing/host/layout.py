"""``slicer.app.layoutManager()``: three slice views and one 3D view."""

from __future__ import annotations

from typing import Any

from .mrml import SLICE_VIEWS, MrmlApplication
from .strict import Strict
from .views import Views


class SliceWidget(Strict):
    """One slice view with its logic."""

    def __init__(self, mrml: MrmlApplication, name: str) -> None:
        self._logic = mrml.slice_logic(name)

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
        self._slices = {name: SliceWidget(mrml, name) for name, *_ in SLICE_VIEWS}
        self._three_d = ThreeDWidget(mrml, views)
        self.layout = 3  # vtkMRMLLayoutNode.SlicerLayoutFourUpView
        self.threeDViewCount = 1
        self.tableViewCount = 0
        self.plotViewCount = 0

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
