"""The tool in hand: which of the buttons is down, and what the mouse does in the slice views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from PancreasSegPanel.drawing.point_marks import PointMarks
from PancreasSegPanel.drawing.slice_brush import SliceBrush, Stroke
from PancreasSegPanel.drawing.tools import TOOLS, Tool
from PancreasSegPanel.resources import resource
from PancreasSegPanel.signals import connect


class ActiveTool:
    """Holds one tool or none.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    may_take : callable
        Called with a tool before it is taken; False leaves it.
    on_stroke, on_point : callable
        Receive what was drawn (`Stroke`) or clicked (RAS mm) and the tool.
    on_change : callable
        Called after a tool was taken or put away.
    """

    def __init__(
        self,
        ui: Any,
        may_take: Callable[[Tool], bool],
        on_stroke: Callable[[Stroke, Tool], None],
        on_point: Callable[[Any, Tool], None],
        on_change: Callable[[], None],
    ) -> None:
        self._ui, self._may_take, self._on_change = ui, may_take, on_change
        self._on_stroke, self._on_point = on_stroke, on_point
        self.tool: Tool | None = None
        self.brush = SliceBrush(self._drawn, self.resize)
        self.points = PointMarks(self._clicked, self.put_away)
        for tool in TOOLS:
            self._button(tool).icon = qt.QIcon(str(resource(f"Icons/{_icon(tool)}.png")))
            connect(self._button(tool), "toggled(bool)", lambda on, tool=tool: self._toggled(tool, on))
        connect(ui.brushSizeSlider, "valueChanged(double)", self._size_changed)

    def _button(self, tool: Tool) -> Any:
        return getattr(self._ui, tool.button)

    def enable(self, on: bool) -> None:
        """Let the tools be taken, or not: there is nothing to correct, and nothing to draw on."""
        for tool in TOOLS:
            self._button(tool).enabled = on
        if not on:
            self.drop()

    def switch(self, tool: Tool) -> None:
        """Take a tool, or put it away, as a click on its button does."""
        button = self._button(tool)
        if button.enabled:
            button.checked = not button.checked

    def put_away(self) -> None:
        """Give the mouse back to the application; a stroke that is being drawn is taken as it is."""
        if self.tool is None:
            return
        self.brush.switch_off()
        tool, self.tool = self.tool, None
        self.points.stop()
        self._button(tool).checked = False
        self._on_change()

    def drop(self) -> None:
        """Give the mouse back; a stroke that is being drawn is forgotten."""
        self.brush.drop_stroke()
        self.put_away()

    def escape(self) -> None:
        """Forget the stroke that is being drawn, else put the tool away."""
        if not self.brush.drop_stroke():
            self.put_away()

    def renew_points(self) -> None:
        """Show no longer the points that were clicked: they were taken back."""
        if self.points.on and self.tool is not None:
            self.points.start(self.tool.look, self._button(self.tool).text)

    def resize(self, factor: float) -> None:
        """Make the brush larger or smaller."""
        slider = self._ui.brushSizeSlider
        value = max(float(slider.minimum), min(float(slider.maximum), float(slider.value) * factor))
        slider.value = round(value, 1)

    def _toggled(self, tool: Tool, on: bool) -> None:
        if on:
            self._take(tool)
        elif self.tool is tool:
            self.put_away()

    def _take(self, tool: Tool) -> None:
        self.put_away()
        if not self._may_take(tool):
            self._button(tool).checked = False
            return
        self.tool = tool
        if tool.kind == "point":
            self.points.start(tool.look, self._button(tool).text)
        else:
            self.brush.radius_mm = 0.5 * float(self._ui.brushSizeSlider.value)
            self.brush.switch_on(tool.look)
        self._on_change()

    def _size_changed(self, diameter: float) -> None:
        self.brush.radius_mm = 0.5 * diameter
        self.brush.update()

    def _drawn(self, stroke: Stroke) -> None:
        if self.tool is not None:
            self._on_stroke(stroke, self.tool)

    def _clicked(self, position_ras: Any) -> None:
        if self.tool is not None:
            self._on_point(position_ras, self.tool)


def _icon(tool: Tool) -> str:
    """Return the name of a tool's icon: that of its button, without the word."""
    name = tool.button.removesuffix("Button")
    return name[0].upper() + name[1:]
