"""The button and the key that confirm the slice on the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer

from PancreasSegLib.errors import MarkError
from PancreasSegPanel.drawing.slice_of_view import slice_of_view
from PancreasSegPanel.drawing.slice_views import centre_ras
from PancreasSegPanel.scene.patient_axes import flip
from PancreasSegPanel.scene.vtk_matrices import to_numpy
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession

_ = translator(__name__)

PRIORITY = 11.0  # before the brush, which stops events while it draws; these are only looked at
EVENTS = ("EnterEvent", "MouseMoveEvent")


class ConfirmSliceSection:
    """Confirms what the slice view shows in which the pointer is, or was last.

    Parameters
    ----------
    button : QPushButton
        Of the form.
    do : callable
        Does something with the session of the chosen segment, and says what cannot be done.
    drawing : callable
        Whether a line is being drawn.
    """

    def __init__(
        self,
        button: Any,
        do: Callable[[Callable[[CorrectionSession], Any]], None],
        drawing: Callable[[], bool],
    ) -> None:
        self._button, self._do, self._drawing = button, do, drawing
        self._pointed = ""
        self._layout: Any = None
        self._tags: list[tuple[Any, int]] = []
        connect(button, "clicked(bool)", self._clicked)

    def watch(self, on: bool) -> None:
        """Follow the pointer through the slice views, or no longer."""
        layout = slicer.app.layoutManager() if on else None
        if layout is self._layout:
            return
        if self._layout is not None:
            self._layout.disconnect("layoutChanged(int)", self._layout_changed)
        self._leave_views()
        self._layout = layout
        if layout is not None:
            connect(layout, "layoutChanged(int)", self._layout_changed)
            self._observe()

    def confirm(self) -> None:
        """Confirm the slice."""
        self._do(self._confirm)

    def _clicked(self, _checked: bool = False) -> None:
        self.confirm()

    def _confirm(self, session: CorrectionSession) -> None:
        if self._drawing():
            raise MarkError(_("A line is being drawn."), _("Release the mouse button, then press S."))
        view = self._view(session)
        plane = to_numpy(slicer.app.layoutManager().sliceWidget(view).mrmlSliceNode().GetSliceToRAS())
        organ = centre_ras(session.segmentation, session.segment_id)
        axis, index = slice_of_view(plane, session.geometry, organ, view)
        session.confirm_slice(axis, index)

    def _view(self, session: CorrectionSession) -> str:
        """Return the name of the view that is meant: where the pointer was, else that of the CT's own slices."""
        layout = slicer.app.layoutManager()
        nodes = {}
        for name in layout.sliceViewNames() if layout is not None else ():
            widget = layout.sliceWidget(name)
            if widget is not None:
                nodes[name] = widget.mrmlSliceNode()
        shown = [name for name, node in nodes.items() if node.IsMappedInLayout()] or list(nodes)
        if not shown:
            raise MarkError(_("There is no slice view."), _("Choose a layout with slice views."))
        if self._pointed in shown:
            return self._pointed
        across = flip(tuple(session.geometry.matrix[:, 2]))

        def turned(name: str) -> float:
            return -abs(round(float(to_numpy(nodes[name].GetSliceToRAS())[:3, 2] @ across), 3))

        return min(shown, key=turned)

    # ------------------------------------------------------------------ the pointer

    def _observe(self) -> None:
        for name in self._layout.sliceViewNames():
            widget = self._layout.sliceWidget(name)
            if widget is None:
                continue
            interactor = widget.sliceView().interactor()
            for event in EVENTS:
                tag = interactor.AddObserver(event, lambda _caller, _event, name=name: self._at(name), PRIORITY)
                self._tags.append((interactor, tag))

    def _at(self, view: str) -> None:
        self._pointed = view

    def _leave_views(self) -> None:
        for interactor, tag in self._tags:
            interactor.RemoveObserver(tag)
        self._tags = []

    def _layout_changed(self, _layout: int) -> None:
        self._leave_views()
        self._observe()
