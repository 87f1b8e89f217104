"""A brush for the slice views: the left mouse button draws, everything else stays the application's.

It observes the interactors of the slice views with a high priority, so that it comes before window/level, markups
and the Segment Editor, and stops only the events that it uses: the left button without modifier keys, moves while
it is down, and Shift with the wheel. Zoom, pan, scrolling and Shift with a move stay as they are; while the brush
is off, nothing is observed at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from PancreasSegPanel.drawing.brush_outline import BrushOutline, Colour
from PancreasSegPanel.scene.vtk_matrices import to_numpy
from PancreasSegPanel.signals import connect

PRIORITY = 10.0  # the Segment Editor's effects have 1, the application's own handling 0
EVENTS = {
    "LeftButtonPressEvent": "press",
    "LeftButtonDoubleClickEvent": "press",  # two quick dabs: Qt tells the second one by this event alone
    "LeftButtonReleaseEvent": "release",
    "MouseMoveEvent": "move",
    "LeaveEvent": "leave",
    "MouseWheelForwardEvent": "larger",
    "MouseWheelBackwardEvent": "smaller",
}
WHEEL_STEP = 1.2


@dataclass(frozen=True)
class Look:
    """How a brush looks: its colour (0 to 1), and a sign beside it (see `brush_outline`)."""

    colour: Colour
    sign: str


@dataclass(frozen=True, eq=False)
class Stroke:
    """What was drawn between a press and a release.

    Attributes
    ----------
    points_ras : ndarray, shape (n, 3)
        Where the middle of the brush was, in the world, mm.
    normal_ras : ndarray, shape (3,)
        Unit normal of the slice that was drawn on.
    view : str
        Name of the slice view.
    """

    points_ras: NDArray[np.float64]
    normal_ras: NDArray[np.float64]
    view: str


class SliceBrush:
    """One brush in all slice views.

    Parameters
    ----------
    on_stroke : callable
        Receives every `Stroke`.
    on_resize : callable
        Receives a factor when Shift and the wheel ask for a larger or smaller brush.

    Attributes
    ----------
    radius_mm : float
        Of the brush; may be changed at any time.
    """

    def __init__(self, on_stroke: Callable[[Stroke], None], on_resize: Callable[[float], None]) -> None:
        self.on_stroke, self.on_resize = on_stroke, on_resize
        self.radius_mm = 2.5
        self.look: Look | None = None
        self._views: list[_BrushView] = []
        self._layout: Any = None

    @property
    def on(self) -> bool:
        """Whether the left mouse button draws."""
        return self.look is not None

    @property
    def drawing(self) -> bool:
        """Whether the button is down."""
        return any(view.drawing for view in self._views)

    def switch_on(self, look: Look) -> None:
        """Let the left mouse button draw in all slice views of the layout."""
        self.drop_stroke()
        self.look = look
        if not self._views:
            self._observe()
        for view in self._views:
            view.update()

    def switch_off(self) -> None:
        """Give the mouse back; a stroke that is being drawn is taken as it is."""
        for view in self._views:
            view.finish()
        self.look = None
        self._leave_views()
        if self._layout is not None:
            self._layout.disconnect("layoutChanged(int)", self._layout_changed)
            self._layout = None

    def drop_stroke(self) -> bool:
        """Forget the stroke that is being drawn; False if there is none."""
        return any(view.drop() for view in self._views)  # the mouse draws in one view at a time

    def update(self) -> None:
        """The radius has changed."""
        for view in self._views:
            view.update()

    def _observe(self) -> None:
        layout = slicer.app.layoutManager()
        if layout is None:  # Slicer without a main window
            return
        if self._layout is None:
            connect(layout, "layoutChanged(int)", self._layout_changed)
            self._layout = layout
        for name in layout.sliceViewNames():
            widget = layout.sliceWidget(name)
            if widget is not None:
                self._views.append(_BrushView(self, name, widget.sliceView()))

    def _leave_views(self) -> None:
        for view in self._views:
            view.remove()
        self._views = []

    def _layout_changed(self, _layout: int) -> None:
        self._leave_views()
        if self.on:
            self._observe()


class _BrushView:
    """The brush in one slice view."""

    def __init__(self, brush: SliceBrush, name: str, view: Any) -> None:
        self._brush, self._name, self._view = brush, name, view
        self._interactor = view.interactor()
        self._outline = BrushOutline(view.renderWindow().GetRenderers().GetFirstRenderer())
        self._points: list[NDArray[np.float64]] | None = None
        self._normal = np.array([0.0, 0.0, 1.0])
        self._place: tuple[int, int] | None = None
        self._tags = {event: self._interactor.AddObserver(event, self._event, PRIORITY) for event in EVENTS}

    @property
    def drawing(self) -> bool:
        return self._points is not None

    def remove(self) -> None:
        """Observe no longer, leave nothing in the view."""
        for tag in self._tags.values():
            self._interactor.RemoveObserver(tag)
        self._tags = {}
        self._outline.remove()
        self._view.scheduleRender()

    def update(self) -> None:
        """Draw the outline anew."""
        if self._place is not None and self._outline.visible:
            self._show()

    def drop(self) -> bool:
        """Forget the stroke that is being drawn."""
        dropped, self._points = self.drawing, None
        if dropped:
            self._outline.end_stroke()
            self.update()
        return dropped

    def finish(self) -> None:
        """End the stroke that is being drawn."""
        points, self._points = self._points, None
        self._outline.end_stroke()
        if points:
            self._brush.on_stroke(Stroke(np.array(points), self._normal, self._name))

    # ------------------------------------------------------------------ events

    def _event(self, _caller: Any, event: str) -> None:
        used = getattr(self, f"_{EVENTS[event]}")()
        if used and event in self._tags:
            self._interactor.GetCommand(self._tags[event]).SetAbortFlag(1)

    def _press(self) -> bool:
        interactor = self._interactor
        if interactor.GetShiftKey() or interactor.GetControlKey() or interactor.GetAltKey():
            return False
        matrix = to_numpy(self._view.mrmlSliceNode().GetSliceToRAS())
        self._normal = matrix[:3, 2] / np.linalg.norm(matrix[:3, 2])
        self._points = []
        self._outline.begin_stroke()
        self._take()
        return True

    def _move(self) -> bool:
        if self.drawing:
            self._take()
            return True
        self._show(self._interactor.GetEventPosition())
        return False

    def _release(self) -> bool:
        if not self.drawing:
            return False
        self._take()
        self.finish()
        self.update()
        return True

    def _leave(self) -> bool:
        if not self.drawing:
            self._outline.hide()
            self._place = None
            self._view.scheduleRender()
        return False

    def _larger(self) -> bool:
        return self._resize(WHEEL_STEP)

    def _smaller(self) -> bool:
        return self._resize(1 / WHEEL_STEP)

    def _resize(self, factor: float) -> bool:
        if not self._interactor.GetShiftKey():
            return False
        self._brush.on_resize(factor)
        return True

    # ------------------------------------------------------------------ where the pointer is

    def _take(self) -> None:
        """Add the pointer's place to the stroke."""
        assert self._points is not None
        place = self._interactor.GetEventPosition()
        position = self._to_ras(place)
        if not self._points or not np.allclose(position, self._points[-1]):
            self._points.append(position)
        self._outline.extend_stroke(place, self._radius_pixels())
        self._show(place)

    def _show(self, place: tuple[int, int] | None = None) -> None:
        look = self._brush.look
        self._place = place or self._place
        if look is not None and self._place is not None:
            self._outline.show(self._place, self._radius_pixels(), look.colour, look.sign)
            self._view.scheduleRender()

    def _to_ras(self, place: tuple[int, int]) -> NDArray[np.float64]:
        xyz = self._view.convertDeviceToXYZ([int(place[0]), int(place[1])])
        matrix = to_numpy(self._view.mrmlSliceNode().GetXYToRAS())
        return np.asarray(matrix @ [*xyz, 1.0])[:3]

    def _radius_pixels(self) -> float:
        matrix = to_numpy(self._view.mrmlSliceNode().GetXYToRAS())
        mm_per_pixel = float(np.linalg.norm(matrix[:3, 0]))
        return self._brush.radius_mm / mm_per_pixel if mm_per_pixel > 0 else 0.0
