"""The form's part that walks through the doubtful scans of a cohort."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer

from PancreasSegLib.errors import CohortError, MissingPackageError
from PancreasSegPanel.drawing import slice_views
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.form.results_section import ROW_HEIGHT
from PancreasSegPanel.form.training_case_section import READER_KEY
from PancreasSegPanel.review.reviewed_scan import ReviewedScan
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of

if TYPE_CHECKING:
    from PancreasSegLib.cohort.folder import Cohort
    from PancreasSegLib.cohort.review import Doubt
    from PancreasSegPanel.logic import PanelLogic
    from PancreasSegPanel.work.background import BackgroundJob

_ = translator(__name__)

HEADINGS = (_("Scan"), _("Answer"), _("Why"))
ANSWERED = {"accepted": _("accepted"), "corrected": _("corrected"), "failed": _("failed")}
COHORT_KEY = "PancreasSeg/Cohort"


class ReviewSection:
    """The queue's table, and the buttons that open and answer.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    logic : PanelLogic
        Reads and writes in the background, and holds the corrections.
    dialogs : Dialogs
        Asks for the cohort and before a correction is left.
    opened : callable
        Called with CT and segmentation when a scan was opened.
    """

    def __init__(self, ui: Any, logic: PanelLogic, dialogs: Dialogs, opened: Callable[[Any, Any], None]) -> None:
        self._ui, self._logic, self._dialogs, self._opened = ui, logic, dialogs, opened
        self._settings = slicer.app.userSettings()
        self._job: BackgroundJob | None = None
        self._cohort: Cohort | None = None
        self._model = ""
        self.doubts: list[Doubt] = []
        self.scan: ReviewedScan | None = None
        ui.reviewReaderLineEdit.text = str(self._settings.value(READER_KEY) or "")
        connect(ui.reviewReaderLineEdit, "editingFinished()", self._reader_changed)
        connect(ui.readerNameLineEdit, "editingFinished()", self._reader_changed_above)
        connect(ui.reviewCohortButton, "clicked(bool)", self._choose)
        connect(ui.reviewNextButton, "clicked(bool)", self._next)
        connect(ui.reviewAcceptButton, "clicked(bool)", self._accept)
        connect(ui.reviewCorrectButton, "clicked(bool)", self._correct)
        connect(ui.reviewFailButton, "clicked(bool)", self._fail)

    @property
    def busy(self) -> bool:
        """Whether a scan is being read or an answer written."""
        return self._job is not None

    def refresh(self) -> None:
        """The scene or the queue has changed."""
        if self.scan is not None and self.scan.segmentation.GetScene() is None:
            self.scan = None
        ui, free = self._ui, not self.busy
        ui.reviewCohortButton.enabled = free
        ui.reviewNextButton.enabled = free and bool(self.doubts)
        for button in (ui.reviewAcceptButton, ui.reviewCorrectButton, ui.reviewFailButton):
            button.enabled = free and self.scan is not None

    def scene_closing(self) -> None:
        """The scene is being closed: the scan leaves it, answers that are being written are kept."""
        self.scan = self._job = None
        self.refresh()

    # ------------------------------------------------------------------ the reader

    def _reader_changed(self) -> None:
        self._settings.setValue(READER_KEY, self._ui.reviewReaderLineEdit.text.strip())
        self._ui.readerNameLineEdit.text = self._ui.reviewReaderLineEdit.text

    def _reader_changed_above(self) -> None:
        self._ui.reviewReaderLineEdit.text = self._ui.readerNameLineEdit.text

    # ------------------------------------------------------------------ the queue

    def _choose(self, _checked: bool = False) -> None:
        folder = self._dialogs.open_folder(_("Folder of a cohort"))
        if folder is not None and self._may_leave():
            self._do(lambda: _queue_of(folder), self._listed, _("Reading the cohort…"))

    def _listed(self, found: tuple[Cohort, str, list[Doubt]]) -> None:
        self._cohort, self._model, self.doubts = found
        self._fill()
        self._tell()

    def _fill(self) -> None:
        table = self._ui.reviewTable
        table.setColumnCount(len(HEADINGS))
        table.setHorizontalHeaderLabels(list(HEADINGS))
        table.horizontalHeader().setStretchLastSection(True)
        for column in range(len(HEADINGS) - 1):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        table.setRowCount(len(self.doubts))
        for row, doubt in enumerate(self.doubts):
            answer = ANSWERED[doubt.answers[-1].answer] if doubt.answers else ""
            why = "; ".join(doubt.reasons)
            for column, text in enumerate((doubt.scan, answer, why)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(why)
                table.setItem(row, column, item)
        if self.scan is not None:
            self._select(self.scan.scan)

    def _tell(self, first: str = "") -> None:
        left = sum(not doubt.answers for doubt in self.doubts)
        text = _("{left} of {total} scans to look at.").format(left=left, total=len(self.doubts))
        self._ui.reviewLabel.text = f"{first} {text}".strip()

    def _select(self, scan: str) -> None:
        row = next((n for n, doubt in enumerate(self.doubts) if doubt.scan == scan), -1)
        if row >= 0:
            self._ui.reviewTable.selectRow(row)

    def _next(self, _checked: bool = False) -> None:
        """Open the selected scan if another one is open; else the first that nobody answered."""
        row = self._ui.reviewTable.currentRow()
        chosen = self.doubts[row] if 0 <= row < len(self.doubts) else None
        if chosen is None or chosen.answers or (self.scan is not None and chosen.scan == self.scan.scan):
            left = [doubt for doubt in self.doubts if not doubt.answers and doubt is not chosen]
            chosen = left[0] if left else None
        if chosen is None:
            self._tell(_("Every scan was answered."))
        elif self._may_leave():
            scan, cohort, model = chosen.scan, self._cohort, self._model

            def read() -> Any:
                from PancreasSegLib.cohort.review import open_scan

                assert cohort is not None
                return open_scan(cohort, model, scan)

            self._select(scan)
            text = _("Reading scan {scan}…").format(scan=scan)
            self._do(read, lambda opened: self._show(scan, opened), text)

    def _may_leave(self) -> bool:
        """Whether the open scan may be left: its mask is as it was, or the reader says so."""
        if self.scan is None or not self.scan.changed:
            return True
        question = _("The correction of scan {scan} was not saved. Leave it?")
        return self._dialogs.confirm(question.format(scan=self.scan.scan))

    def _show(self, scan: str, opened: Any) -> None:
        if self.scan is not None:
            self.scan.remove()
        scene = slicer.mrmlScene
        self.scan = ReviewedScan.show(scene, self._logic.corrections, scan, opened)
        self._opened(self.scan.ct, self.scan.segmentation)
        slice_views.show_ct(scene, self.scan.ct)
        centre = slice_views.centre_ras(self.scan.segmentation, self.scan.segment_id)
        if centre is not None:
            slice_views.jump_to(scene, centre)
        doubt = next(doubt for doubt in self.doubts if doubt.scan == scan)
        self._ui.reviewLabel.text = "; ".join(doubt.reasons)

    # ------------------------------------------------------------------ answers

    def _accept(self, _checked: bool = False) -> None:
        if self.scan is not None and self.scan.changed:
            self._ui.reviewLabel.text = _("The mask was changed. Save the correction, or undo it and accept.")
        else:
            self._answer("accepted")

    def _correct(self, _checked: bool = False) -> None:
        if self.scan is not None and not self.scan.mask().any():
            self._ui.reviewLabel.text = _("The mask is empty. Outline the pancreas, or mark the scan as failed.")
        else:
            self._answer("corrected")

    def _fail(self, _checked: bool = False) -> None:
        self._answer("failed")

    def _answer(self, word: str) -> None:
        reader = self._ui.reviewReaderLineEdit.text.strip()
        if not reader:
            self._ui.reviewLabel.text = _("Say who reads: fill in Reader.")
            return
        scan, cohort, model = self.scan, self._cohort, self._model
        assert scan is not None and cohort is not None
        corrected = (scan.volume(), scan.mask()) if word == "corrected" else None
        remark = self._ui.reviewRemarkLineEdit.text.strip()

        def write() -> tuple[Cohort, str, list[Doubt]]:
            from PancreasSegLib.cohort.review import Answer, give_answer

            give_answer(cohort, Answer(scan.scan, model, word, reader, remark), corrected)
            return _queue_of(cohort.path, model)

        self._do(write, lambda found: self._answered(scan, word, found), _("Saving…"), keep=True)

    def _answered(self, scan: ReviewedScan, word: str, found: tuple[Cohort, str, list[Doubt]]) -> None:
        self._ui.reviewRemarkLineEdit.text = ""
        scan.remove()
        self.scan = None
        self._listed(found)
        self._tell(_("Scan {scan}: {answer}.").format(scan=scan.scan, answer=ANSWERED[word]))

    # ------------------------------------------------------------------ in the background

    def _do(
        self, work: Callable[[], Any], on_done: Callable[[Any], None], text: str, *, keep: bool = False
    ) -> None:
        self._ui.reviewLabel.text = text

        def end(job: BackgroundJob) -> None:
            if job is not self._job:
                return
            self._job = None
            if job.error is not None:
                self._ui.reviewLabel.text = sentence_of(job.error)
            else:
                try:
                    on_done(job.result)
                except Exception as error:  # PythonQt only prints what leaves a slot
                    self._ui.reviewLabel.text = sentence_of(problem_of(error))
            self.refresh()

        self._job = self._logic.jobs.do(work, end, keep=keep)
        self.refresh()


def _queue_of(folder: Path, model: str = "") -> tuple[Cohort, str, list[Doubt]]:
    """Return a cohort, the model that is reviewed (the last one that was run) and its queue."""
    try:
        from PancreasSegLib.cohort.folder import Cohort
        from PancreasSegLib.cohort.review import doubts_of

        cohort = Cohort.open(folder)
        if not cohort.models():
            raise CohortError(_("The cohort has no results yet."), _("Run it: pancreasseg cohort run."))
        model = model or cohort.models()[-1]
        return cohort, model, doubts_of(cohort, model)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            _("Cohorts need the Python package {name}.").format(name=error.name),
            _("Install it from the Python console: slicer.util.pip_install('pyarrow')."),
        ) from error
