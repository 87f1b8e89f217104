"""The part of the form that offers Python packages: one for segmenting, and PyTorch where it helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer

from PancreasSegLib.errors import CancelledError, PancreasSegError
from PancreasSegLib.packages import ENGINE, WORKER, Package, missing
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.setup import installation
from PancreasSegPanel.signals import connect
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of

_ = translator(__name__)

WITHOUT_TORCH = "PancreasSeg/withoutPyTorch"
"""The setting that remembers "Not now"."""


class InstallSection:
    """Says what is missing and installs it; shown only while there is something to say.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    dialogs : Dialogs
        Asks.
    on_change : callable
        Called after an installation.
    say : callable
        Shows a sentence in the status line.
    """

    def __init__(
        self, ui: Any, dialogs: Dialogs, on_change: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._ui, self._dialogs, self._on_change, self._say = ui, dialogs, on_change, say
        self.missing: list[Package] = []
        self._offered: list[Package] = []
        self._broken = self._note = ""
        connect(ui.installButton, "clicked(bool)", self._download)
        connect(ui.installFolderButton, "clicked(bool)", self._from_folder)
        connect(ui.installLaterButton, "clicked(bool)", self._later)
        self.refresh()

    @property
    def obstacle(self) -> str:
        """Why nothing can be segmented before an installation; empty if nothing stands in the way."""
        names = ", ".join(package.distribution for package in self.missing)
        return _("Install {names} first (above).").format(names=names) if names else self._broken

    def refresh(self) -> None:
        """Look again what is missing."""
        self._broken = self._note = ""
        self._show()

    def show_broken(self, error: PancreasSegError) -> None:
        """Say why the worker cannot use what is installed, and offer to install it again."""
        self._broken = sentence_of(error)
        self._show()

    def prepare_learning(self) -> bool:
        """Return whether a model can learn here; if PyTorch is missing, offer to install it first."""
        lacking = installation.missing_for_learning()
        if not lacking:
            return True
        self._offer_torch(lacking)
        return not installation.missing_for_learning()

    def _show(self) -> None:
        self.missing = missing(WORKER)
        self._offered = self.missing or ([ENGINE] if self._broken else self._torch_for_gpu())
        ui = self._ui
        ui.installFrame.visible = bool(self._offered)
        ui.installLabel.text = self._sentence()
        ui.installLaterButton.visible = not self.obstacle

    def _sentence(self) -> str:
        what = installation.list_with_size(self._offered)
        if self.missing:
            text = _("Before the first use, install {what} into Slicer's Python.").format(what=what)
        elif self._broken:
            text = self._broken
        else:
            text = _("This computer has an NVIDIA GPU. To run on it, install {what}.").format(what=what)
        return f"{text} {self._note}".strip()

    def _torch_for_gpu(self) -> list[Package]:
        declined = slicer.util.settingsValue(WITHOUT_TORCH, False, converter=slicer.util.toBool)
        return [] if declined or not installation.has_gpu() else installation.missing_for_learning()

    def _later(self, _checked: bool = False) -> None:
        slicer.app.settings().setValue(WITHOUT_TORCH, True)
        self._show()

    def _download(self, _checked: bool = False) -> None:
        if not self.obstacle:
            self._offer_torch(self._offered)
        elif self._confirm(self._offered):
            self._install(self._offered)

    def _from_folder(self, _checked: bool = False) -> None:
        folder = self._dialogs.open_folder(_("Folder of wheel files"))
        if folder is not None:
            self._install(self._offered, folder)

    def _offer_torch(self, lacking: Sequence[Package]) -> None:
        """Install PyTorch, or before it the extension that chooses its build."""
        if installation.has_extension():
            if self._confirm(lacking):
                self._install(lacking)
            return
        question = _(
            "For GPUs and for learning from marks, PyTorch is needed. The extension PyTorch of 3D Slicer installs "
            "the build that suits this computer. Install this extension now? Slicer must be started anew after it."
        )
        if not self._dialogs.confirm(question):
            self._say(_("Nothing was installed."))
            return
        self._say(_("Installing…"))
        try:
            installation.install_extension()
        except PancreasSegError as error:
            self._say(sentence_of(error))
            return
        self._say(_("Start Slicer anew, then install PyTorch here."))
        if self._dialogs.confirm(_("The extension is installed. Start Slicer anew? What is not saved is lost.")):
            slicer.util.restart()

    def _confirm(self, packages: Sequence[Package]) -> bool:
        question = _("Download {what} and install it into Slicer's own Python?")
        confirmed = self._dialogs.confirm(question.format(what=installation.list_with_size(packages)))
        if not confirmed:
            self._say(_("Nothing was installed."))
        return confirmed

    def _install(self, packages: Sequence[Package], folder: Path | None = None) -> None:
        self._say(_("Installing…"))
        self._broken = self._note = ""
        try:
            installation.install(packages, folder)
        except CancelledError as error:
            self._say(error.message)
        except Exception as error:  # a failing pip has shown its log in Slicer's own window: no second one
            problem = problem_of(error)
            self._say(problem.message)
            if packages[0] in WORKER and not missing(WORKER):
                self._broken = sentence_of(problem)
            else:
                self._note = sentence_of(problem)
        else:
            self._say(_("Installed."))
        self._show()
        self._on_change()
