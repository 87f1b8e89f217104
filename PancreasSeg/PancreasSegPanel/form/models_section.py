"""The models' part of the form: import, verify, remove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.form.choices_section import ChoicesSection
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.form.model_list import add_model, remove_model
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import sentence_of

if TYPE_CHECKING:
    from PancreasSegPanel.work.background import BackgroundJob
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

_ = translator(__name__)


class ModelsSection:
    """Buttons of the model packages.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    jobs : WorkerJobs
        Copies and checks files in the background.
    dialogs : Dialogs
        Asks.
    choices : ChoicesSection
        Has the list.
    say : callable
        Shows a sentence in the status line.
    """

    def __init__(
        self, ui: Any, jobs: WorkerJobs, dialogs: Dialogs, choices: ChoicesSection, say: Callable[[str], None]
    ) -> None:
        self._ui, self._jobs, self._dialogs = ui, jobs, dialogs
        self._choices, self._say = choices, say
        connect(ui.importModelButton, "clicked(bool)", self._import_zip)
        connect(ui.importModelFolderButton, "clicked(bool)", self._import_folder)
        connect(ui.removeModelButton, "clicked(bool)", self._remove)

    def refresh(self) -> None:
        """Say what the chosen model is."""
        model = self._choices.model
        self._ui.modelLabel.text = model.details if model is not None else ""
        self._ui.removeModelButton.enabled = model is not None and model.removable

    def _import_zip(self, _checked: bool = False) -> None:
        self._import(self._dialogs.open_file(_("Import a model package"), _("Model packages (*.zip)")))

    def _import_folder(self, _checked: bool = False) -> None:
        self._import(self._dialogs.open_folder(_("Import a model package")))

    def _import(self, source: Path | None) -> None:
        if source is None:
            return
        self._say(_("Checking and copying {name}…").format(name=source.name))
        self._jobs.do(lambda: add_model(source), self._imported)

    def _imported(self, job: BackgroundJob) -> None:
        if job.error is not None:
            self._dialogs.error(sentence_of(job.error))
            self._say(_("The model was not imported."))
            return
        self._choices.fill_models()
        self._choices.choose_model(job.result)
        self._choices.refresh()
        self.refresh()
        self._say(_("The model {result} was imported; all its checksums are right.").format(result=job.result))

    def _remove(self, _checked: bool = False) -> None:
        model = self._choices.model
        if model is None:
            return
        if not self._dialogs.confirm(_("Delete the model {name} from this computer?").format(name=model.name)):
            return
        try:
            remove_model(model.name)
        except PancreasSegError as error:
            self._dialogs.error(sentence_of(error))
            return
        self._choices.choose_model("default")
        self._choices.fill_models()
        self._choices.refresh()
        self.refresh()
        self._say(_("The model {name} was deleted.").format(name=model.name))
