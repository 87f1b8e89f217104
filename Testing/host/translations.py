"""``slicer.i18n``: the language of the application."""

from __future__ import annotations

import sys
import types
from pathlib import Path


class Translations:
    """Texts in another language, by the context in which they are looked up.

    Attributes
    ----------
    words
        Translated texts by context and text; the context of a module's own texts is the name of their file, in a
        package after that of its folder. What is not there stays as it is written.
    """

    def __init__(self) -> None:
        self.words: dict[tuple[str, str], str] = {}

    def translate(self, context: str, text: str) -> str:
        """Return a text in the application's language."""
        return self.words.get((context, text), text)

    def module(self) -> types.ModuleType:
        """Return the Python module."""

        def tr(text: str) -> str:
            caller = Path(sys._getframe(1).f_code.co_filename)
            package = f"{caller.parent.name}." if (caller.parent / "__init__.py").is_file() else ""
            return self.translate(package + caller.stem, text)

        module = types.ModuleType("slicer.i18n", "The language that the test host was given.")
        module.tr = tr
        module.translate = self.translate
        return module
