"""The part of the form that is there only while Python packages are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PancreasSegLib.errors import CancelledError, PancreasSegError
from PancreasSegLib.packages import Package
from PancreasSegPanel.form.dialogs import Dialogs
from PancreasSegPanel.setup import installation
from PancreasSegPanel.setup.installation import missing_packages
from PancreasSegPanel.signals import connect
from PancreasSegPanel.work.problem import problem_of, sentence_of


class InstallSection:
    """Says what is missing and installs it.

    Parameters
    ----------
    ui : object
        The form's widgets by name.
    dialogs : Dialogs
        Asks, and shows why it did not work.
    on_change : callable
        Called after an installation.
    say : callable
        Shows a sentence in the status line.
    look : callable
        Returns what is missing.
    """

    def __init__(
        self,
        ui: Any,
        dialogs: Dialogs,
        on_change: Callable[[], None],
        say: Callable[[str], None],
        look: Callable[[], list[Package]] = missing_packages,
    ) -> None:
        self._ui, self._dialogs, self._on_change, self._say, self._look = ui, dialogs, on_change, say, look
        self.missing: list[Package] = []
        connect(ui.installButton, "clicked(bool)", self._download)
        connect(ui.installFolderButton, "clicked(bool)", self._from_folder)
        self.refresh()

    def refresh(self) -> None:
        """Look again what is missing; the part is hidden when nothing is."""
        self.missing = self._look()
        self._ui.installLabel.text = installation.sentence_about(self.missing)
        self._ui.installFrame.visible = bool(self.missing)

    def _download(self, _checked: bool = False) -> None:
        self._try(lambda: installation.install(self.missing))

    def _from_folder(self, _checked: bool = False) -> None:
        folder = self._dialogs.open_folder("Folder of wheel files")
        if folder is not None:
            self._try(lambda: installation.install_from_folder(self.missing, folder))

    def _try(self, work: Callable[[], None]) -> None:
        self._say("Installing…")
        try:
            work()
        except CancelledError as error:
            self._say(error.message)
        except Exception as error:
            problem: PancreasSegError = problem_of(error)
            self._say(problem.message)
            self._dialogs.error(sentence_of(problem))
        else:
            self._say("All packages are installed.")
        self.refresh()
        self._on_change()
