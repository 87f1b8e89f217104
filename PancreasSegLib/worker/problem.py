"""From whatever was raised in the worker to a sentence for the user."""

from __future__ import annotations

import logging

from PancreasSegLib.errors import OutOfMemoryError, OutputError, PancreasSegError
from PancreasSegLib.packages import sentence_for

_log = logging.getLogger(__name__)


def problem_of(error: Exception) -> PancreasSegError:
    """Return an error with a sentence; the traceback of an unexpected one goes into the log.

    Examples
    --------
    >>> problem_of(MemoryError()).code
    'out-of-memory'
    """
    if isinstance(error, PancreasSegError):
        return error
    _log.error("%s", type(error).__name__, exc_info=error)
    if isinstance(error, MemoryError):
        return OutOfMemoryError("There is not enough memory for this.", "Close other programs or give a region.")
    if isinstance(error, ImportError) and (missing := sentence_for(error)) is not None:
        return missing
    line = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, OSError) and error.filename and error.strerror:
        return OutputError(f"{str(error.filename)!r} cannot be used: {error.strerror}.", "Check the disk.")
    return PancreasSegError(
        f"Something inside PancreasSeg failed ({type(error).__name__}: {line}).",
        "The worker's log holds the traceback; please report it.",
    )
