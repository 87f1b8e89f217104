"""The panel's texts in the language of the application."""

from __future__ import annotations

from collections.abc import Callable


def translator(module: str) -> Callable[[str], str]:
    """Return what translates the texts of a file, in the context that ``slicer.i18n.tr`` has there.

    Slicer's own function looks for the file in the call stack at every text; this one is told once.

    Parameters
    ----------
    module : str
        ``__name__`` of the file.
    """
    context = ".".join(module.split(".")[-2:])

    def translated(text: str) -> str:
        from slicer.i18n import translate

        return str(translate(context, text))

    return translated
