"""What is seen of the brush in a slice view: its outline under the pointer, and that of the stroke being drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

Colour = tuple[float, float, float]

ARCS = 32
LEAST_PIXELS = 2.0  # a smaller circle cannot be seen
SIGN_PIXELS = 5.0
HALO = (0.0, 0.0, 0.0)  # a dark rim: the outline is seen on bright and on dark tissue
SIGNS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "+": ((-1, 0, 1, 0), (0, -1, 0, 1)),
    "-": ((-1, 0, 1, 0),),
}
"""Lines of a sign within a square from -1 to 1: colours alone do not tell everybody what a brush does."""


class BrushOutline:
    """Lines over a slice view, in the pixels of its window.

    Parameters
    ----------
    renderer : vtkRenderer
        Of the slice view.
    """

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer
        self._data = vtk.vtkPolyData()
        self._actors = [self._actor(3.0), self._actor(1.5)]
        self._actors[0].GetProperty().SetColor(*HALO)
        self._stroke = StrokeContour()

    def _actor(self, width: float) -> Any:
        mapper = vtk.vtkPolyDataMapper2D()
        mapper.SetInputData(self._data)
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.SetVisibility(False)
        actor.GetProperty().SetLineWidth(width)
        self._renderer.AddViewProp(actor)
        return actor

    @property
    def visible(self) -> bool:
        """Whether it is seen."""
        return bool(self._actors[0].GetVisibility())

    def begin_stroke(self) -> None:
        """The button was pressed: from now on the outline is that of all places."""
        self._stroke = StrokeContour()

    def extend_stroke(self, centre: tuple[float, float], radius: float) -> None:
        """The brush was moved while the button is down; pixels."""
        self._stroke.extend(np.asarray(centre, dtype=np.float64), max(radius, LEAST_PIXELS))

    def end_stroke(self) -> None:
        """The button was released."""
        self._stroke = StrokeContour()

    def show(self, centre: tuple[float, float], radius: float, colour: Colour, sign: str) -> None:
        """Show the brush at a place; radius in pixels, sign one of `SIGNS`."""
        radius = max(radius, LEAST_PIXELS)
        middle = np.asarray(centre, dtype=np.float64)
        lines = [circle(middle, radius), self._stroke.lines]
        beside = middle + radius * np.sqrt(0.5) + 1.5 * SIGN_PIXELS
        lines.append(np.asarray(SIGNS[sign]).reshape(-1, 2, 2) * SIGN_PIXELS + beside)
        self._draw(np.concatenate(lines))
        self._actors[1].GetProperty().SetColor(*colour)
        for actor in self._actors:
            actor.SetVisibility(True)

    def hide(self) -> None:
        """Show nothing."""
        for actor in self._actors:
            actor.SetVisibility(False)

    def remove(self) -> None:
        """Leave the view."""
        for actor in self._actors:
            self._renderer.RemoveViewProp(actor)

    def _draw(self, lines: NDArray[np.float64]) -> None:
        """Show lines, shape (n, 2, 2): their ends in pixels."""
        count = len(lines)
        ends = np.zeros((2 * count, 3))
        ends[:, :2] = lines.reshape(-1, 2)
        points = vtk.vtkPoints()
        points.SetData(numpy_to_vtk(ends, deep=True))
        cells = vtk.vtkCellArray()
        offsets = numpy_to_vtkIdTypeArray(np.arange(0, 2 * count + 1, 2, dtype=np.int64), deep=True)
        cells.SetData(offsets, numpy_to_vtkIdTypeArray(np.arange(2 * count, dtype=np.int64), deep=True))
        self._data.SetPoints(points)
        self._data.SetLines(cells)
        self._data.Modified()


class StrokeContour:
    """The outline of all places where a round brush was, without the lines inside it.

    Attributes
    ----------
    lines : ndarray, shape (n, 2, 2)
        Short lines; pixels.
    """

    def __init__(self) -> None:
        self.lines = np.empty((0, 2, 2))
        self._centres = np.empty((0, 2))

    def extend(self, centre: NDArray[np.float64], radius: float) -> None:
        """Add a place, and the way to it from the last one."""
        way = centre[None]
        if len(self._centres):
            last = self._centres[-1]
            length = float(np.linalg.norm(centre - last))
            step = max(1.0, radius / 3)
            if length < step:
                return
            way = last + (centre - last) * (np.arange(1, int(length / step) + 1) / int(length / step))[:, None]
        for place in way:
            self._stamp(place, radius)

    def _stamp(self, centre: NDArray[np.float64], radius: float) -> None:
        reach = (0.995 * radius) ** 2
        kept = ((self.lines.mean(axis=1) - centre) ** 2).sum(axis=1) > reach
        new = circle(centre, radius)
        if len(self._centres):
            apart = ((new.mean(axis=1)[:, None] - self._centres[None]) ** 2).sum(axis=2).min(axis=1)
            new = new[apart > reach]
        self.lines = np.concatenate([self.lines[kept], new])
        self._centres = np.concatenate([self._centres, centre[None]])


def circle(centre: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return a circle as lines, shape (ARCS, 2, 2)."""
    angles = np.linspace(0.0, 2 * np.pi, ARCS + 1)
    ring = centre + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.stack([ring[:-1], ring[1:]], axis=1)
