"""The mouse over the slice views: real events of VTK's interactors, where a user would make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .event_loop import EventLoopGaps
from .views import SliceView, Views

Position = Sequence[float]
STEP_PIXELS = 6.0  # how far a mouse that is drawn quickly moves between two events
OFF_SLICE_MM = 0.75


class Mouse:
    """Presses, moves and turns its wheel over slice views.

    Parameters
    ----------
    views
        The views.
    gaps
        Measures how long each event took.
    process_events
        Lets the application run between two events.
    """

    def __init__(self, views: Views, gaps: EventLoopGaps, process_events: Callable[[], None]) -> None:
        self._views, self._gaps, self._process_events = views, gaps, process_events
        self._inside: str | None = None

    def pixel(self, view: str, ras: Position) -> tuple[int, int]:
        """Return the pixel of a view that shows a position, counted from its lower left corner.

        Raises
        ------
        AssertionError
            When the view does not show it: it lies off the slice, or outside the window.
        """
        shown = self._views.slice_view(view)
        node = shown.logic.GetSliceNode()
        node.UpdateMatrices()
        to_ras = node.GetXYToRAS()
        matrix = np.array([[to_ras.GetElement(r, c) for c in range(4)] for r in range(4)])
        x, y, z, _ = np.linalg.solve(matrix, [*ras, 1.0])
        off = abs(z) * float(np.linalg.norm(matrix[:3, 2]))
        columns, rows = shown.window.GetSize()
        if off > OFF_SLICE_MM or not (0 <= x < columns and 0 <= y < rows):
            raise AssertionError(f"{view} does not show {tuple(ras)}: pixel ({x:.0f}, {y:.0f}), {off:.1f} mm off")
        return round(x), round(y)

    def move(self, view: str, ras: Position, **keys: bool) -> None:
        """Move the pointer to a position; keys: ``shift``, ``control``, ``alt``."""
        self._enter(view)
        self._send(view, "MouseMoveEvent", self.pixel(view, ras), keys)

    def press(self, view: str, ras: Position, button: str = "Left", **keys: bool) -> None:
        """Press a button (Left, Middle, Right)."""
        self.move(view, ras, **keys)
        self._send(view, f"{button}ButtonPressEvent", self.pixel(view, ras), keys)

    def release(self, view: str, ras: Position, button: str = "Left", **keys: bool) -> None:
        """Let a button go."""
        self._send(view, f"{button}ButtonReleaseEvent", self.pixel(view, ras), keys)

    def click(self, view: str, ras: Position, button: str = "Left", **keys: bool) -> None:
        """Press a button and let it go."""
        self.press(view, ras, button, **keys)
        self.release(view, ras, button, **keys)

    def drag(self, view: str, line: Sequence[Position], button: str = "Left", **keys: bool) -> None:
        """Press a button at the first position, draw along the line, and let it go at the last one."""
        self.press(view, line[0], button, **keys)
        self.draw(view, line, **keys)
        self.release(view, line[-1], button, **keys)

    def draw(self, view: str, line: Sequence[Position], **keys: bool) -> None:
        """Move along a line in small steps, whatever is pressed."""
        for start, end in pairwise(line):
            here, there = (np.asarray(self.pixel(view, position)) for position in (start, end))
            steps = max(1, int(np.ceil(np.linalg.norm(there - here) / STEP_PIXELS)))
            for step in range(1, steps + 1):
                x, y = np.round(here + (there - here) * step / steps).astype(int)
                self._send(view, "MouseMoveEvent", (int(x), int(y)), keys)

    def wheel(self, view: str, ras: Position, clicks: int = 1, **keys: bool) -> None:
        """Turn the wheel: forward by positive clicks."""
        self.move(view, ras, **keys)
        name = "MouseWheelForwardEvent" if clicks > 0 else "MouseWheelBackwardEvent"
        here = self.pixel(view, ras)  # the slice moves, the pointer does not
        for _ in range(abs(clicks)):
            self._send(view, name, here, keys)

    def double_click(self, view: str, ras: Position) -> None:
        """Click twice, as Qt tells it: the second press is an event of its own."""
        self.click(view, ras)
        self._send(view, "LeftButtonDoubleClickEvent", self.pixel(view, ras), {})
        self.release(view, ras)

    def leave(self) -> None:
        """Take the pointer out of the views."""
        if self._inside is not None:
            view, self._inside = self._inside, None
            self._send(view, "LeaveEvent", (0, 0), {})

    def _enter(self, view: str) -> None:
        if self._inside != view:
            self.leave()
            self._inside = view
            self._send(view, "EnterEvent", (1, 1), {})

    def _send(self, view: str, event: str, pixel: tuple[int, int], keys: dict[str, bool]) -> None:
        shown: SliceView = self._views.slice_view(view)
        interactor: Any = shown.interactor
        control, shift = bool(keys.get("control")), bool(keys.get("shift"))
        with self._gaps.running():
            interactor.SetEventInformation(*pixel, control, shift, chr(0), 0, None)
            interactor.SetAltKey(bool(keys.get("alt")))
            interactor.InvokeEvent(event)
        self._process_events()
