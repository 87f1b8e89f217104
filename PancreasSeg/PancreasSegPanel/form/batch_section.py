"""The batch's part of the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import qt
import slicer

from PancreasSegPanel.batch.batch import Batch, Line, State, Task
from PancreasSegPanel.batch.folder_task import OUTPUT_FOLDER, SUMMARY, FolderTask, plan_folder
from PancreasSegPanel.batch.scene_task import LoadedTask, loaded_cts
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.form.results_section import ROW_HEIGHT
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import sentence_of
from PancreasSegPanel.work.segmentation_run import Job

if TYPE_CHECKING:
    from pathlib import Path

    from PancreasSegPanel.logic import PanelLogic
    from PancreasSegPanel.work.background import BackgroundJob

_ = translator(__name__)

HEADINGS = (_("CT"), _("State"), _("mL"), _("Confidence"), _("Remark"))


class BatchSection:
    """Buttons and table of the batch.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    logic : PanelLogic
        Runs the CTs.
    dialogs : Dialogs
        Asks for the folder.
    settings : callable
        Returns model, device and whether confidence maps are wanted.
    on_change : callable
        Called when the batch starts and ends.
    say : callable
        Shows a sentence in the status line.
    """

    def __init__(
        self,
        ui: Any,
        logic: PanelLogic,
        dialogs: Dialogs,
        settings: Callable[[], tuple[str, str, bool]],
        on_change: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._ui, self._logic, self._dialogs = ui, logic, dialogs
        self._settings, self._on_change, self._say = settings, on_change, say
        self._looking: BackgroundJob | None = None
        self.batch: Batch | None = None
        connect(ui.batchLoadedButton, "clicked(bool)", self._loaded)
        connect(ui.batchFolderButton, "clicked(bool)", self._folder)
        connect(ui.batchCancelButton, "clicked(bool)", self._cancel)

    @property
    def running(self) -> bool:
        """Whether a batch is under way."""
        return self._looking is not None or (self.batch is not None and not self.batch.done)

    def cancel(self) -> None:
        """Stop the batch, as when the scene is closed."""
        if self._looking is not None:
            self._looking.dropped = True
            self._looking = None
        if self.batch is not None:
            self.batch.cancel()
        self._on_change()

    def show(self) -> None:
        """Show the lines as they are."""
        show_lines(self._ui.batchTable, self.batch.lines if self.batch is not None else [])

    def _cancel(self, _checked: bool = False) -> None:
        self.cancel()

    def _loaded(self, _checked: bool = False) -> None:
        model, device, maps = self._settings()
        scene = slicer.mrmlScene
        jobs = [Job(ct, None, model, device, None, maps) for ct in loaded_cts(scene)]
        if not jobs:
            self._say(_("No CT is loaded."))
            return
        self._start([LoadedTask(self._logic, scene, job) for job in jobs])

    def _folder(self, _checked: bool = False) -> None:
        folder = self._dialogs.open_folder(_("Folder of CTs"))
        if folder is None:
            return
        self._say(_("Looking for CTs in {folder}…").format(folder=folder))
        self._looking = self._logic.jobs.do(lambda: plan_folder(folder), lambda job: self._planned(folder, job))
        self._on_change()

    def _planned(self, folder: Path, job: BackgroundJob) -> None:
        self._looking = None
        if job.error is not None:
            self._say(sentence_of(job.error))
            self._on_change()
            return
        model, device, _maps = self._settings()
        summary = folder / OUTPUT_FOLDER / SUMMARY
        self._start(
            [
                FolderTask(self._logic.jobs, name, scan, mask, summary, model, device)
                for name, scan, mask in job.result
            ]
        )

    def _start(self, tasks: Sequence[Task]) -> None:
        self.batch = Batch(tasks, self.show, self._ended)
        self.show()
        self.batch.start()
        self._on_change()

    def _ended(self, batch: Batch) -> None:
        self._say(batch.summary())
        self._on_change()


def show_lines(table: Any, lines: Sequence[Line]) -> None:
    """Show the lines of a batch."""
    if table.columnCount != len(HEADINGS):
        table.setColumnCount(len(HEADINGS))
        table.setHorizontalHeaderLabels(list(HEADINGS))
        table.horizontalHeader().setStretchLastSection(True)
        for column in range(len(HEADINGS) - 1):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    if table.rowCount != len(lines):
        table.setRowCount(len(lines))
    for row, line in enumerate(lines):
        for column, text in enumerate(_texts(line)):
            item = table.item(row, column)
            if item is None:
                item = qt.QTableWidgetItem(text)
                if column in (2, 3):
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(row, column, item)
            elif item.text() != text:
                item.setText(text)
            item.setToolTip(line.remark or line.name)


def _texts(line: Line) -> tuple[str, ...]:
    state = line.state.value
    if line.state is State.RUNNING:
        state = _("running, {share}").format(share=f"{line.fraction:.0%}")
    m = line.measurement
    volume = f"{m.volume_ml:.1f}" if m is not None else ""
    confidence = f"{m.confidence:.2f}" if m is not None and m.confidence is not None else ""
    return line.name, state, volume, confidence, line.remark
