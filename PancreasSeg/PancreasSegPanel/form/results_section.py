"""The middle part of the form: what was measured, and what one does with a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import qt
import slicer

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.drawing import slice_views
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.scene import surface
from PancreasSegPanel.scene.measurement import ROWS, Measurement, as_csv, as_text, cell, figures, find_measurements
from PancreasSegPanel.scene.pancreas_segment import find_own_segment
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of

if TYPE_CHECKING:
    from PancreasSegPanel.logic import PanelLogic

_ = translator(__name__)

PAUSE_MS = 200
ROW_HEIGHT = 22


class ResultsSection:
    """Table, copy, export, jump, undo and the surface.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    logic : PanelLogic
        Takes results back.
    dialogs : Dialogs
        Asks for file names.
    output : callable
        Returns the chosen segmentation.
    smoothing : callable
        Returns the chosen smoothing.
    say : callable
        Shows a sentence in the status line.
    """

    def __init__(
        self,
        ui: Any,
        logic: PanelLogic,
        dialogs: Dialogs,
        output: Callable[[], Any | None],
        smoothing: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self._ui, self._logic, self._dialogs = ui, logic, dialogs
        self._output, self._smoothing, self._say = output, smoothing, say
        self._refreshing = False
        self._smoothing_pause = qt.QTimer()  # a surface takes a tenth of a second: one per drag, not one per step
        self._smoothing_pause.setSingleShot(True)
        self._smoothing_pause.setInterval(PAUSE_MS)
        connect(self._smoothing_pause, "timeout()", self._smooth)
        connect(ui.copyResultsButton, "clicked(bool)", self._copy)
        connect(ui.exportResultsButton, "clicked(bool)", self._export)
        connect(ui.jumpButton, "clicked(bool)", self._jump)
        connect(ui.undoButton, "clicked(bool)", self._undo)
        connect(ui.show3DButton, "toggled(bool)", self._show_3d)
        connect(ui.smoothingSlider, "valueChanged(double)", self._smoothing_changed)

    def refresh(self) -> None:
        """Show the measurements that the scene's segmentations carry, and what can be done."""
        ui = self._ui
        measured = find_measurements(slicer.mrmlScene)
        show_figures(ui.resultsTable, measured)
        ui.copyResultsButton.enabled = ui.exportResultsButton.enabled = bool(measured)
        node = self._output()
        has_organ = node is not None and find_own_segment(node, "pancreas") is not None
        ui.jumpButton.enabled = ui.show3DButton.enabled = has_organ
        ui.undoButton.enabled = self._logic.can_undo
        self._refreshing = True
        ui.show3DButton.checked = has_organ and surface.is_shown(node)
        self._refreshing = False

    def jump(self) -> None:
        """Centre the slices on the organ of the chosen segmentation."""
        node = self._output()
        segment_id = find_own_segment(node, "pancreas") if node is not None else None
        if segment_id is not None:
            centre = slice_views.centre_ras(node, segment_id)
            if centre is not None:
                slice_views.jump_to(slicer.mrmlScene, centre)

    def _jump(self, _checked: bool = False) -> None:
        self.jump()

    def _copy(self, _checked: bool = False) -> None:
        slicer.app.clipboard().setText(as_text(find_measurements(slicer.mrmlScene)))
        self._say(_("The table was copied."))

    def _export(self, _checked: bool = False) -> None:
        path = self._dialogs.save_file(_("Export the results"), "pancreas.csv", "CSV (*.csv)")
        if path is None:
            return
        path = path if path.suffix else path.with_suffix(".csv")
        text = as_csv(find_measurements(slicer.mrmlScene))
        try:
            path.write_text(text, encoding="utf-8-sig", newline="")  # with a mark: Excel reads names right
        except OSError as error:
            self._dialogs.error(sentence_of(problem_of(error)))
            return
        self._say(_("The results were saved as {path}.").format(path=path))

    def _undo(self, _checked: bool = False) -> None:
        done = self._logic.undo()
        self._say(_("The last step was taken back.") if done else _("There is nothing left to take back."))
        self.refresh()

    def _show_3d(self, on: bool) -> None:
        node = self._output()
        if self._refreshing or node is None:
            return
        try:
            if on:
                surface.show(node, self._smoothing())
                slice_views.look_at_surfaces()
            else:
                surface.hide(node)
        except PancreasSegError as error:
            self._say(sentence_of(error))

    def _smoothing_changed(self, _value: float) -> None:
        if surface.is_shown(self._output()):
            self._smoothing_pause.start()

    def _smooth(self) -> None:
        node = self._output()
        if surface.is_shown(node):
            surface.show(node, self._smoothing())

    def close(self) -> None:
        """Leave no timer behind."""
        self._smoothing_pause.stop()


def show_figures(table: Any, measured: Sequence[Measurement]) -> None:
    """Show measurements; a single one takes the whole width."""
    table.setRowCount(len(ROWS) if measured else 0)
    table.setColumnCount(len(measured))
    table.setVerticalHeaderLabels([heading for _key, heading, _digits in ROWS] if measured else [])
    table.setHorizontalHeaderLabels([m.ct for m in measured])
    for column, m in enumerate(measured):
        values = figures(m)
        for row, (key, _heading, digits) in enumerate(ROWS):
            item = qt.QTableWidgetItem(cell(values[key], digits))
            item.setTextAlignment(qt.Qt.AlignCenter)
            item.setToolTip(
                "\n".join(
                    [_("{ct}: {model} on {device}").format(ct=m.ct, model=m.model, device=m.device), *m.notes]
                )
            )
            table.setItem(row, column, item)
    table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    table.horizontalHeader().setStretchLastSection(len(measured) == 1)
    table.resizeColumnsToContents()
