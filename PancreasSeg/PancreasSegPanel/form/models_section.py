"""The models' part of the form: what the chosen one is, import from anywhere, fetch, remove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import MissingPackageError, PackageExistsError, PancreasSegError, UntrustedModelError
from PancreasSegLib.models.registry import DEFAULT, remove_package
from PancreasSegPanel.form.choices_section import ChoicesSection
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.form.model_list import ModelOffer, agreement, offers
from PancreasSegPanel.messages import stage_text
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import sentence_of

if TYPE_CHECKING:
    from PancreasSegLib.worker import Request
    from PancreasSegPanel.work.background import BackgroundJob
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

_ = translator(__name__)

ALL = "all"
"""What the worker takes for all organs of a model."""


class ModelsSection:
    """Imports models: from a file or folder, from where other programs keep theirs, from the catalogue.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    jobs : WorkerJobs
        Imports in a process of its own, and looks for models in the background.
    dialogs : Dialogs
        Asks.
    choices : ChoicesSection
        Has the list.
    may_import : callable
        Returns whether PyTorch is here, after it has offered to install it.
    say : callable
        Shows a sentence in the status line.
    """

    def __init__(
        self,
        ui: Any,
        jobs: WorkerJobs,
        dialogs: Dialogs,
        choices: ChoicesSection,
        may_import: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self._ui, self._jobs, self._dialogs = ui, jobs, dialogs
        self._choices, self._may_import, self._say = choices, may_import, say
        self._offers: list[ModelOffer] = []
        self._request: Request | None = None
        self._asked: dict[str, Any] = {}
        self._open_choice = ""
        for button, act in (
            (ui.importModelButton, self._import_file),
            (ui.importModelFolderButton, self._import_folder),
            (ui.takeModelButton, self._take_offer),
            (ui.importChoiceButton, self._chosen),
            (ui.removeModelButton, self._remove),
        ):
            connect(button, "clicked(bool)", lambda _checked=False, act=act: act())
        connect(ui.modelsCollapsibleButton, "contentsCollapsed(bool)", self._collapsed)
        connect(ui.offeredModelComboBox, "currentIndexChanged(int)", self._show_offer)
        self._show()

    def refresh(self) -> None:
        """Say what the chosen model is."""
        model = self._choices.model
        self._ui.modelLabel.text = model.details if model is not None else ""
        self._ui.removeModelButton.enabled = model is not None and model.removable

    def cancel(self) -> None:
        """Give up an import that is under way."""
        request, self._request = self._request, None
        if request is not None:
            self._jobs.cancel(request)
        self._show()

    # ------------------------------------------------------------------ what there is

    def _collapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self._jobs.do(offers, self._offered)

    def _offered(self, job: BackgroundJob) -> None:
        if job.error is not None:
            self._say(sentence_of(job.error))
            return
        self._offers = job.result
        self._ui.offeredModelComboBox.clear()
        self._ui.offeredModelComboBox.addItems([offer.text for offer in self._offers])
        self._show()

    def _show_offer(self, _number: int) -> None:
        self._show()

    @property
    def _offer(self) -> ModelOffer | None:
        number = self._ui.offeredModelComboBox.currentIndex
        return self._offers[number] if 0 <= number < len(self._offers) else None

    def _show(self) -> None:
        """Show the chosen offer, and what can be clicked."""
        ui, offer, idle = self._ui, self._offer, self._request is None
        ui.offeredModelLabel.text = offer.details if offer is not None else ""
        ui.importModelButton.enabled = ui.importModelFolderButton.enabled = idle
        ui.takeModelButton.enabled = offer is not None or not idle
        if not idle:
            ui.takeModelButton.text = _("Cancel")
        else:
            ui.takeModelButton.text = _("Get…") if offer is not None and offer.public else _("Import")
        for widget in (ui.importChoiceLabel, ui.importChoiceComboBox, ui.importChoiceButton):
            widget.visible = bool(self._open_choice) and idle

    # ------------------------------------------------------------------ importing

    def _import_file(self) -> None:
        kinds = _("Models (*.zip *.pth *.pt)")
        self._import_from(self._dialogs.open_file(_("Import a model: package, MONAI bundle or nnU-Net"), kinds))

    def _import_folder(self) -> None:
        self._import_from(self._dialogs.open_folder(_("Import a model: package, MONAI bundle or nnU-Net")))

    def _import_from(self, source: Path | None) -> None:
        if source is not None:
            self._import(source=source)

    def _take_offer(self) -> None:
        offer = self._offer
        if self._request is not None:
            self.cancel()
            self._say(_("The import was cancelled."))
        elif offer is not None and offer.public is None:
            self._import(source=offer.path)
        elif offer is not None and offer.public is not None and self._dialogs.confirm(agreement(offer.public)):
            self._import(public=offer.public.name)

    def _import(self, **asked: Any) -> None:
        """Ask the worker; an answer may be a question, and the import is asked for again with what was decided."""
        self._asked, self._open_choice = asked, ""
        name = asked.get("public") or Path(asked["source"]).name
        self._say(_("Importing {name}…").format(name=name))
        self._request = self._jobs.import_model(
            self._imported, lambda event: self._say(stage_text(event)), **asked
        )
        self._show()

    def _imported(self, request: Request) -> None:
        if request is not self._request:
            return
        self._request = None
        if request.error is not None:
            self._refused(request.error)
        elif "names" in request.result:
            self._ask_choice(request.result)
        else:
            self._added(request.result)
        self._show()

    def _refused(self, error: PancreasSegError) -> None:
        """Ask for what the import lacks, and try again; else say why it was not imported."""
        if isinstance(error, MissingPackageError) and self._may_import():
            self._import(**self._asked)
        elif isinstance(error, UntrustedModelError) and not self._asked.get("trust") and self._trusts(error):
            self._import(**self._asked, trust=True)
        elif isinstance(error, PackageExistsError) and self._dialogs.confirm(
            f"{error.message} {_('Replace it?')}"
        ):
            self._import(**self._asked, force=True)
        elif isinstance(error, MissingPackageError):
            text = _("To import models of other programs, install PyTorch (above): {reason}")
            self._say(text.format(reason=error.message))
        elif isinstance(error, (UntrustedModelError, PackageExistsError)):
            self._say(_("Nothing was imported."))
        else:
            self._dialogs.error(sentence_of(error))
            self._say(_("The model was not imported."))

    def _trusts(self, error: PancreasSegError) -> bool:
        question = _(
            "This model is partly a program, which would run on this computer with all your rights. "
            "Run it only if you trust its makers."
        )
        return self._dialogs.confirm(f"{error.message}\n\n{question}\n\n{_('Run it?')}")

    def _ask_choice(self, answer: dict[str, Any]) -> None:
        """Let the user choose an organ or a training, in the form."""
        ui, self._open_choice = self._ui, str(answer["what"])
        ui.importChoiceLabel.text = answer["sentence"]
        ui.importChoiceComboBox.clear()
        for name in answer["names"]:
            ui.importChoiceComboBox.addItem(name, name)
        if self._open_choice == "organ":
            ui.importChoiceComboBox.addItem(_("All of them"), ALL)
        self._say(_("Choose what to import (under Models)."))

    def _chosen(self) -> None:
        name = str(self._ui.importChoiceComboBox.itemData(self._ui.importChoiceComboBox.currentIndex))
        more = {"organs": [name]} if self._open_choice == "organ" else {"training": name}
        self._import(**{**self._asked, **more})

    def _added(self, answer: dict[str, Any]) -> None:
        self._choices.fill_models()
        self._choices.choose_model(answer["name"])
        self._choices.refresh()
        self.refresh()
        text = _("{name} was imported ({kind}); it writes {organs}.")
        said = text.format(name=answer["name"], kind=answer["kind"], organs=", ".join(answer["labels"]))
        self._say(" ".join([said, *answer["notes"]]))

    # ------------------------------------------------------------------ removing

    def _remove(self) -> None:
        model = self._choices.model
        if model is None:
            return
        if not self._dialogs.confirm(_("Delete the model {name} from this computer?").format(name=model.name)):
            return
        try:
            remove_package(model.name)
        except PancreasSegError as error:
            self._dialogs.error(sentence_of(error))
            return
        self._choices.choose_model(DEFAULT)
        self._choices.fill_models()
        self._choices.refresh()
        self.refresh()
        self._say(_("The model {name} was deleted.").format(name=model.name))
