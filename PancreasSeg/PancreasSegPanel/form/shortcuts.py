"""Keys of the whole main window while the module is shown, so that the mouse can stay in a slice view."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import qt
import slicer

from PancreasSegPanel.signals import connect

TYPING = ("QLineEdit", "QTextEdit", "QPlainTextEdit", "QAbstractSpinBox")  # the Python console is a QTextEdit


class Shortcuts:
    """Some keys and what they do; they exist from `install` to `remove`.

    Other extensions leave shortcuts on the main window (nnInteractive takes S, L, R and Ctrl+Z). Of two with the
    same key Qt fires each in turn, as ambiguous: those of others rest while the key is ours.

    Parameters
    ----------
    root : QWidget
        Has the keys where there is no main window.
    actions : dict of str to callable
        What each key does.
    wanted : dict of str to callable, optional
        Keys that are taken only while this returns true; else the application has them.
    """

    def __init__(
        self,
        root: Any,
        actions: dict[str, Callable[[], None]],
        wanted: dict[str, Callable[[], bool]] | None = None,
    ) -> None:
        self._root, self._actions, self._wanted = root, actions, wanted or {}
        self._shortcuts: dict[str, Any] = {}
        self._resting: list[Any] = []
        self._parent: Any = None

    @property
    def installed(self) -> bool:
        """Whether the keys are taken."""
        return bool(self._shortcuts)

    def install(self) -> None:
        """Take the keys."""
        if self._shortcuts:
            return
        self._parent = slicer.util.mainWindow() or self._root
        for keys, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(keys), self._parent)
            for signal in ("activated()", "activatedAmbiguously()"):  # the second beside the key of a menu
                connect(shortcut, signal, _unless_typing(action))
            self._shortcuts[keys] = shortcut
        self.update()

    def update(self) -> None:
        """Ask anew which keys are wanted."""
        for keys, shortcut in self._shortcuts.items():
            shortcut.enabled = keys not in self._wanted or bool(self._wanted[keys]())
        self._wake_others()
        taken = {keys for keys, shortcut in self._shortcuts.items() if shortcut.enabled}
        for other in self._parent.children() if taken else []:
            foreign = other.inherits("QShortcut") and other not in self._shortcuts.values()
            if foreign and other.enabled and other.key.toString() in taken:
                other.enabled = False
                self._resting.append(other)

    def _wake_others(self) -> None:
        for other in self._resting:
            with suppress(ValueError, RuntimeError):  # its owner has deleted it meanwhile
                other.enabled = True
        self._resting = []

    def remove(self) -> None:
        """Give the keys back."""
        for shortcut in self._shortcuts.values():
            shortcut.enabled = False
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = {}
        self._wake_others()


def _unless_typing(action: Callable[[], None]) -> Callable[[], None]:
    """Wrap an action: in a text field a key is a letter."""

    def act() -> None:
        focus = qt.QApplication.focusWidget()
        if focus is None or not any(focus.inherits(kind) for kind in TYPING) or not focus.enabled:
            action()

    return act
