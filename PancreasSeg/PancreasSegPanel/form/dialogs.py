"""The few questions that the panel asks in windows of their own; tests give another one."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer


class Dialogs:
    """File choosers, confirmations and the one window for errors."""

    title = "PancreasSeg"

    def open_file(self, title: str, kinds: str) -> Path | None:
        """Ask for an existing file, None if none was chosen."""
        return _path(qt.QFileDialog.getOpenFileName(None, title, "", kinds))

    def open_folder(self, title: str) -> Path | None:
        """Ask for an existing folder."""
        return _path(qt.QFileDialog.getExistingDirectory(None, title, ""))

    def save_file(self, title: str, name: str, kinds: str) -> Path | None:
        """Ask where to save; the chooser itself asks before it replaces a file."""
        return _path(qt.QFileDialog.getSaveFileName(None, title, name, kinds))

    def confirm(self, question: str) -> bool:
        """Ask before something is deleted or installed."""
        return bool(slicer.util.confirmOkCancelDisplay(question, windowTitle=self.title))

    def error(self, sentence: str) -> None:
        """Show what the user must not miss."""
        slicer.util.errorDisplay(sentence, windowTitle=self.title)


def _path(chosen: str) -> Path | None:
    return Path(chosen) if chosen else None
