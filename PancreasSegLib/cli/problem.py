"""From whatever was raised to a sentence for the user."""

from __future__ import annotations

import typer

from PancreasSegLib.errors import CancelledError, OutOfMemoryError, PancreasSegError
from PancreasSegLib.packages import sentence_for


def problem_of(error: BaseException) -> PancreasSegError:
    """Return an error with a sentence for the user, whatever was raised.

    Examples
    --------
    >>> problem_of(ZeroDivisionError("division by zero")).message
    'Something inside PancreasSeg failed (ZeroDivisionError: division by zero).'
    """
    if isinstance(error, PancreasSegError):
        return error
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return CancelledError()
    if isinstance(error, MemoryError):
        return OutOfMemoryError(
            "There is not enough memory for this.", "Close other programs, or give a smaller region with --roi."
        )
    if isinstance(error, ImportError) and (missing := sentence_for(error)) is not None:
        return missing
    if hasattr(error, "format_message"):  # a mistake in the options, as typer or click raises it
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "pancreasseg"
        return PancreasSegError(_sentence(error.format_message()), f"See `{command} --help`.")
    if isinstance(error, OSError) and error.filename and error.strerror:
        return PancreasSegError(f"{str(error.filename)!r} cannot be used: {error.strerror}.", "Check the path.")
    return PancreasSegError(
        f"Something inside PancreasSeg failed ({type(error).__name__}: {_sentence(str(error))[:-1]}).",
        "Run it again with --debug for the traceback, and please report it.",
    )


def _sentence(text: str) -> str:
    """Return the text on one line, with a full stop."""
    line = " ".join(text.split()).rstrip(".")
    return f"{line}."


def usage_problem(sentence: str, command: str) -> PancreasSegError:
    """Return the error for options that do not go together."""
    return PancreasSegError(sentence, f"See `{command} --help`.")
