"""The form's part that keeps a corrected case for training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

from PancreasSegLib.data import SavedCase, TrainingCase, check_folder, count_cases
from PancreasSegLib.errors import CaseExistsError, PancreasSegError
from PancreasSegPanel.correction.training_case import fine_tuning_command, save_in_background, training_case_of
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of

if TYPE_CHECKING:
    from PancreasSegPanel.logic import PanelLogic
    from PancreasSegPanel.work.background import BackgroundJob

_ = translator(__name__)

FOLDER_KEY = "PancreasSeg/TrainingFolder"
READER_KEY = "PancreasSeg/Reader"
ACCEPTED_ROW = 0
SAVED = {
    (False, True): _("{name} was saved."),
    (True, True): _("{name} was replaced."),
    (False, False): _("{name} was saved as rejected."),
    (True, False): _("{name} was replaced as rejected."),
}
"""What is said of a case, by whether it was there before and whether it was accepted."""
STATES = (_("Accepted: learn from it"), _("Rejected: keep it, but do not learn from it"))


class TrainingCaseSection:
    """Folder, reader, state, and the button that saves.

    Folder and reader are remembered on this computer, never in the scene, which may be passed on.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    logic : PanelLogic
        Writes in the background.
    dialogs : Dialogs
        Asks for the folder and before a case is replaced.
    ct : callable
        Returns the chosen CT.
    segment : callable
        Returns the segmentation and the id of the segment that is corrected, or None twice.
    say : callable
        Shows a sentence in the status line.
    """

    def __init__(
        self,
        ui: Any,
        logic: PanelLogic,
        dialogs: Dialogs,
        ct: Callable[[], Any | None],
        segment: Callable[[], tuple[Any | None, str | None]],
        say: Callable[[str], None],
    ) -> None:
        self._ui, self._logic, self._dialogs = ui, logic, dialogs
        self._ct, self._segment, self._say = ct, segment, say
        self._job: BackgroundJob | None = None
        self._model = ""
        self._settings = slicer.app.userSettings()
        ui.trainingFolderLineEdit.text = self._remembered(FOLDER_KEY)
        ui.readerNameLineEdit.text = self._remembered(READER_KEY)
        for text in STATES:
            ui.caseStateComboBox.addItem(text)
        connect(ui.trainingFolderButton, "clicked(bool)", self._choose_folder)
        connect(ui.trainingFolderLineEdit, "editingFinished()", self._folder_changed)
        connect(ui.readerNameLineEdit, "editingFinished()", self._remember)
        connect(ui.saveTrainingCaseButton, "clicked(bool)", self._save)
        connect(ui.copyFinetuneCommandButton, "clicked(bool)", self._copy)
        self._show_command("")
        connect(ui.trainingCaseCollapsibleButton, "contentsCollapsed(bool)", self._collapsed)

    @property
    def busy(self) -> bool:
        """Whether a case is being written."""
        return self._job is not None

    def refresh(self) -> None:
        """The scene or the choices have changed."""
        segmentation, segment_id = self._segment()
        usable = segmentation is not None and segment_id is not None and self._ct() is not None
        button = self._ui.saveTrainingCaseButton
        button.enabled = usable and not self.busy
        tip = _("Write CT, mask and marks into the folder, without the patient's identifiers.")
        button.toolTip = tip if usable else _("Segment first: there is no segment to save.")

    def _remembered(self, key: str) -> str:
        return str(self._settings.value(key) or "")

    def _remember(self) -> None:
        self._settings.setValue(FOLDER_KEY, self._ui.trainingFolderLineEdit.text.strip())
        self._settings.setValue(READER_KEY, self._ui.readerNameLineEdit.text.strip())

    # ------------------------------------------------------------------ the folder

    def _choose_folder(self, _checked: bool = False) -> bool:
        folder = self._dialogs.open_folder(_("Folder of training cases"))
        if folder is None:
            return False
        self._ui.trainingFolderLineEdit.text = str(folder)
        self._folder_changed()
        return True

    def _collapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self._folder_changed()

    def _folder_changed(self) -> None:
        """Remember the folder and say what is in it."""
        self._remember()
        text = self._ui.trainingFolderLineEdit.text.strip()
        if self.busy:
            return
        self._ui.trainingCaseLabel.text = ""
        self._show_command("")
        if not text:
            return
        folder = Path(text).expanduser()

        def look() -> tuple[int, int]:
            check_folder(folder)
            return count_cases(folder)

        self._logic.jobs.do(look, lambda job: self._looked(text, folder, job))

    def _looked(self, text: str, folder: Path, job: BackgroundJob) -> None:
        if text != self._ui.trainingFolderLineEdit.text.strip() or self.busy:
            return
        if job.error is not None:
            self._ui.trainingCaseLabel.text = sentence_of(job.error)
        else:
            accepted, rejected = job.result
            self._ui.trainingCaseLabel.text = _content_text(accepted, rejected)
            self._show_command(fine_tuning_command(folder, self._model) if accepted else "")

    # ------------------------------------------------------------------ saving

    def _save(self, _checked: bool = False) -> None:
        if self.busy:
            return
        if not self._ui.trainingFolderLineEdit.text.strip() and not self._choose_folder():
            return
        self._remember()
        segmentation, segment_id = self._segment()
        try:
            if segmentation is None:
                raise PancreasSegError(_("There is no segment to save."), _("Segment first."))
            case = training_case_of(
                self._logic.corrections,
                segmentation,
                segment_id,
                self._ct(),
                reader=self._ui.readerNameLineEdit.text.strip(),
                accepted=self._ui.caseStateComboBox.currentIndex == ACCEPTED_ROW,
            )
        except Exception as error:  # PythonQt only prints what leaves a slot
            self._ui.trainingCaseLabel.text = sentence_of(problem_of(error))
            return
        folder = Path(self._ui.trainingFolderLineEdit.text.strip()).expanduser()
        self._model = case.model
        self._write(case, folder, overwrite=False)

    def _write(self, case: TrainingCase, folder: Path, *, overwrite: bool) -> None:
        self._ui.trainingCaseLabel.text = _("Saving…")
        self._job = save_in_background(
            self._logic.jobs, case, folder, lambda job: self._written(job, case, folder), overwrite=overwrite
        )
        self.refresh()

    def _written(self, job: BackgroundJob, case: TrainingCase, folder: Path) -> None:
        if job is not self._job:
            return
        self._job = None
        if isinstance(job.error, CaseExistsError):
            self._ask(job.error, case, folder)
        elif job.error is not None:
            self._ui.trainingCaseLabel.text = sentence_of(job.error)
            self._dialogs.error(sentence_of(job.error))
        else:
            self._show(job.result)
        self.refresh()

    def _ask(self, error: CaseExistsError, case: TrainingCase, folder: Path) -> None:
        if self._dialogs.confirm(f"{error.message} {_('Replace it?')}"):
            self._write(case, folder, overwrite=True)
        else:
            self._ui.trainingCaseLabel.text = _("Nothing was saved; the earlier case stays as it was.")

    def _show_command(self, command: str) -> None:
        """Show what to type, or nothing while there is nothing to learn from."""
        ui = self._ui
        ui.finetuneCommandLineEdit.text = command
        ui.finetuneCommandLineEdit.cursorPosition = 0
        ui.finetuneCommandLineEdit.visible = ui.copyFinetuneCommandButton.visible = bool(command)

    def _copy(self, _checked: bool = False) -> None:
        slicer.app.clipboard().setText(self._ui.finetuneCommandLineEdit.text)
        self._say(_("The command was copied; run it in a terminal."))

    def _show(self, saved: SavedCase) -> None:
        text = SAVED[saved.replaced, saved.record.accepted]
        content = _content_text(saved.accepted, saved.rejected)
        self._ui.trainingCaseLabel.text = f"{text.format(name=saved.name)} {content}"
        self._show_command(fine_tuning_command(saved.folder, self._model) if saved.accepted else "")
        self._say(_("The training case lies in {folder}.").format(folder=saved.folder))


def _content_text(accepted: int, rejected: int) -> str:
    if not accepted and not rejected:
        return _("No case is in the folder yet.")
    text = _("Cases in the folder to learn from: {accepted}; rejected: {rejected}.")
    return text.format(accepted=accepted, rejected=rejected)
