"""Slice views on a CT, as a test needs them.

PYTEST_DONT_REWRITE: it is no test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Slices:
    """The slice views with a CT in them.

    Attributes
    ----------
    host, ct
        The test host and the CT's node.
    """

    def __init__(self, host: Any, ct: Any) -> None:
        import slicer

        self.host, self.ct = host, ct
        self.layout = slicer.app.layoutManager()
        for name in self.layout.sliceViewNames():
            self.layout.sliceWidget(
                name
            ).sliceView().interactor()  # made now: the size of the slice is the window's
            self.layout.sliceWidget(name).mrmlSliceCompositeNode().SetBackgroundVolumeID(ct.GetID())
        self.layout.resetSliceViews()
        self.jump(self.middle())

    def node(self, view: str) -> Any:
        return self.layout.sliceWidget(view).mrmlSliceNode()

    def middle(self) -> np.ndarray:
        """The middle of the CT in RAS, on the middle of a voxel."""
        import slicer
        import vtk

        i, j, k = (n // 2 for n in self.ct.GetImageData().GetDimensions())
        matrix = vtk.vtkMatrix4x4()
        self.ct.GetIJKToRASMatrix(matrix)
        inner = matrix.MultiplyPoint((i, j, k, 1))
        parent = self.ct.GetParentTransformNode()
        if parent is None:
            return np.array(inner[:3])
        world = vtk.vtkMatrix4x4()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(parent, None, world)
        return np.array(world.MultiplyPoint(inner)[:3])

    def jump(self, ras: Any) -> None:
        for name in self.layout.sliceViewNames():
            self.node(name).JumpSliceByCentering(*(float(v) for v in ras))

    def ras(self, view: str, x: float, y: float) -> np.ndarray:
        return np.array(self.node(view).GetXYToRAS().MultiplyPoint((x, y, 0, 1))[:3])

    def axes(self, view: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Right, up and towards the viewer in a view, RAS."""
        matrix = self.node(view).GetSliceToRAS()
        columns = [np.array([matrix.GetElement(row, column) for row in range(3)]) for column in range(3)]
        return tuple(column / np.linalg.norm(column) for column in columns)

    def centre(self, view: str) -> np.ndarray:
        """The middle of a view, RAS."""
        matrix = self.node(view).GetSliceToRAS()
        return np.array([matrix.GetElement(row, 3) for row in range(3)])

    def line(self, view: str, *steps: tuple[float, float]) -> list[np.ndarray]:
        """Positions in a view, each so many mm to the right of and above its middle."""
        right, up, _ = self.axes(view)
        return [self.centre(view) + x * right + y * up for x, y in steps]

    def drag(self, view: str, button: str = "Left", **keys: bool) -> None:
        self.host.mouse.drag(view, self.line(view, (0, 0), (12, 18)), button, **keys)

    @contextmanager
    def mode(self, name: str) -> Iterator[None]:
        """What the left button does in the application: AdjustWindowLevel, Place."""
        import slicer

        interaction = slicer.app.applicationLogic().GetInteractionNode()
        interaction.SetCurrentInteractionMode(getattr(interaction, name))
        try:
            yield
        finally:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)

    def changes_by(self, act: Callable[[], Any]) -> set[str]:
        """Return what of the first slice view and the CT's display an act has changed."""
        before = self._state()
        act()
        self.host.process_events()
        after = self._state()
        return {name for name in before if not np.allclose(before[name], after[name])}

    def _state(self) -> dict[str, Any]:
        node, display = self.node("Red"), self.ct.GetDisplayNode()
        return {
            "field of view": node.GetFieldOfView(),
            "place": node.GetXYZOrigin(),
            "slice": node.GetSliceOffset(),
            "window and level": (display.GetWindow(), display.GetLevel()),
        }
