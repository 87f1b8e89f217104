"""Any error as one sentence with a hint; the details go to the log, never to the user."""

from __future__ import annotations

import logging

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.translation import translator

_ = translator(__name__)

log = logging.getLogger(__name__)


def problem_of(error: BaseException) -> PancreasSegError:
    """Return an error for the user: itself if it is meant for them, else one sentence about it."""
    if isinstance(error, PancreasSegError):
        return error
    log.error("Unexpected error", exc_info=error)
    if isinstance(error, MemoryError):
        return PancreasSegError(
            _("There is not enough memory."), _("Close other programs or volumes and try again.")
        )
    if isinstance(error, OSError):
        named = (
            _("The file {name} cannot be used: {reason}.")
            if error.filename
            else _("A file cannot be used: {reason}.")
        )
        return PancreasSegError(named.format(name=repr(error.filename), reason=error.strerror or error))
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    what = f"{type(error).__name__} ({text})" if text else type(error).__name__
    return PancreasSegError(
        _("Something unexpected went wrong: {what}.").format(what=what),
        _("The application's log has the details; please report it."),
    )


def sentence_of(error: PancreasSegError) -> str:
    """Return what happened and what to do, without the command line's advice where it has no meaning."""
    hint = error.hint
    for option, words in (("--device cpu", _("the device CPU")), ("--device auto", _("the device Automatic"))):
        hint = hint.replace(option, words)
    return f"{error.message} {hint}".strip()
