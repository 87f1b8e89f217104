"""Any error as one sentence with a hint; the details go to the log, never to the user."""

from __future__ import annotations

import logging

from PancreasSegLib.errors import PancreasSegError

log = logging.getLogger(__name__)


def problem_of(error: BaseException) -> PancreasSegError:
    """Return an error for the user: itself if it is meant for them, else one sentence about it."""
    if isinstance(error, PancreasSegError):
        return error
    log.error("Unexpected error", exc_info=error)
    if isinstance(error, MemoryError):
        return PancreasSegError("There is not enough memory.", "Close other programs or volumes and try again.")
    if isinstance(error, OSError):
        name = f" {error.filename!r}" if error.filename else ""
        return PancreasSegError(f"The file{name} cannot be used: {error.strerror or error}.")
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return PancreasSegError(
        f"Something unexpected went wrong: {type(error).__name__}{f' ({text})' if text else ''}.",
        "The application's log has the details; please report it.",
    )


def sentence_of(error: PancreasSegError) -> str:
    """Return what happened and what to do, without the command line's advice where it has no meaning."""
    hint = error.hint.replace("--device cpu", "the device CPU").replace("--device auto", "the device Automatic")
    return f"{error.message} {hint}".strip()
