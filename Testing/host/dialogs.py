"""Modal dialogs are recorded and answered at once: nobody sits in front of the test host."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from PySide6 import QtWidgets


@dataclass(frozen=True)
class MessageBox:
    """A message box that the module showed, and the button that was pressed."""

    text: str
    title: str
    informative_text: str
    detailed_text: str
    icon: int
    buttons: int
    answer: int


@dataclass
class Dialogs:
    """What was shown, and what to answer.

    Attributes
    ----------
    message_boxes
        In the order shown.
    file_dialogs
        Kind (open, open-several, save, folder) and title of each file dialog, in the order shown.
    answers
        Buttons to press in the next message boxes, e.g. ``QMessageBox.Cancel``; without one the default button of
        the box is pressed, or the accepting one (OK, Yes, ...).
    paths
        What the next file dialogs return; "" (or [] for several files) is Cancel. A dialog without an answer
        raises.
    """

    message_boxes: list[MessageBox] = field(default_factory=list)
    file_dialogs: list[tuple[str, str]] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    paths: deque[Any] = field(default_factory=deque)

    def clear(self) -> None:
        """Forget everything."""
        for each in (self.message_boxes, self.file_dialogs, self.answers, self.paths):
            each.clear()

    def install(self) -> None:
        """Replace the modal functions of Qt's dialogs (once per process)."""
        box = QtWidgets.QMessageBox
        box.exec = box.exec_ = lambda this: self._press(this)
        box.open = box.show = lambda this: self._press(this)
        for kind, icon in (
            ("information", box.Information),
            ("question", box.Question),
            ("warning", box.Warning),
            ("critical", box.Critical),
        ):
            setattr(box, kind, staticmethod(self._static_box(icon)))
        dialog = QtWidgets.QFileDialog
        # PythonQt returns the path alone, PySide6 a pair of path and filter.
        dialog.getOpenFileName = staticmethod(lambda *a: str(self._path("open", *a)))
        dialog.getOpenFileNames = staticmethod(lambda *a: tuple(map(str, self._path("open-several", *a))))
        dialog.getSaveFileName = staticmethod(lambda *a: str(self._path("save", *a)))
        dialog.getExistingDirectory = staticmethod(lambda *a: str(self._path("folder", *a)))
        for cls in (QtWidgets.QDialog, QtWidgets.QMenu, dialog, QtWidgets.QInputDialog):
            cls.exec = cls.exec_ = _refuse_to_block
        for name in ("getText", "getItem", "getInt", "getDouble"):
            setattr(QtWidgets.QInputDialog, name, staticmethod(_refuse_to_block))

    def _static_box(self, icon: int) -> Any:
        def show(parent: Any, title: str, text: str, buttons: Any = None, default: Any = None) -> int:
            box = QtWidgets.QMessageBox()
            box.setIcon(icon)
            box.setWindowTitle(title)
            box.setText(text)
            box.setStandardButtons(QtWidgets.QMessageBox.Ok if buttons is None else buttons)
            if default is not None:
                box.setDefaultButton(default)
            return self._press(box)

        return show

    def _press(self, box: Any) -> int:
        answer = int(self.answers.popleft()) if self.answers else _default_answer(box)
        self.message_boxes.append(
            MessageBox(
                text=box.text,
                title=box.windowTitle.strip(),
                informative_text=box.informativeText,
                detailed_text=box.detailedText,
                icon=int(box.icon),
                buttons=int(box.standardButtons),
                answer=answer,
            )
        )
        return answer

    def _path(self, kind: str, parent: Any = None, title: str = "", directory: str = "", *rest: Any) -> Any:
        if not isinstance(directory, str):
            raise TypeError("PythonQt takes the folder of a file dialog as str")
        self.file_dialogs.append((kind, title))
        if not self.paths:
            raise AssertionError(f"The file dialog '{title}' was opened, and the test gave no answer for it")
        return self.paths.popleft()


def _default_answer(box: Any) -> int:
    default = box.defaultButton()
    if default is not None:
        return int(box.standardButton(default))
    kinds = QtWidgets.QMessageBox
    offered = [b for b in (kinds.Ok, kinds.Yes, kinds.Retry, kinds.Close) if box.standardButtons & b]
    return int(offered[0]) if offered else int(kinds.NoButton)


def _refuse_to_block(dialog: Any = None, *args: Any) -> None:
    raise AssertionError(f"{type(dialog).__name__} was opened as a modal dialog: nobody would close it")
