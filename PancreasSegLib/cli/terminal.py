"""What the commands say to the person at the terminal: results to stdout, all the rest to stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PancreasSegLib.errors import PancreasSegError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@dataclass
class Verbosity:
    """How much is said, set by ``--quiet`` and ``--debug`` wherever they stand on the command line."""

    quiet: bool = False
    debug: bool = False


verbosity = Verbosity()

_under_a_bar: list[Console] = []
"""The console of a progress bar that is being shown: what is said meanwhile goes above the bar."""


@contextlib.contextmanager
def lines_above(bar_console: Console) -> Iterator[None]:
    """Let what is said on stderr inside the block appear above a live bar."""
    _under_a_bar.append(bar_console)
    try:
        yield
    finally:
        _under_a_bar.pop()


def console(*, stderr: bool = False) -> Console:
    """Return a console on today's stdout or stderr (tests and pipes exchange them)."""
    from rich.console import Console

    if stderr and _under_a_bar:
        return _under_a_bar[-1]
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(sentence: str) -> None:
    """Print a result on stdout, unless quiet."""
    if not verbosity.quiet:
        print(printable(sentence), flush=True)


def show(table: Table) -> None:
    """Print a table on stdout, unless quiet."""
    if not verbosity.quiet:
        console().print(table, soft_wrap=False)


def note(sentence: str, *, style: str = "dim") -> None:
    """Print something by the way on stderr, unless quiet."""
    if not verbosity.quiet:
        _tell(printable(sentence), style)


def warn(sentence: str) -> None:
    """Print what the user should know about a result on stderr, unless quiet."""
    note(f"Note: {sentence}", style="yellow")


def complain(error: PancreasSegError) -> None:
    """Print an error's sentence and what to do about it on stderr, as one line; also when quiet."""
    style = "yellow" if error.exit_code == 130 else "bold red"
    _tell(printable(str(error), lines=""), style)


def _tell(sentence: str, style: str) -> None:
    """Print on stderr, with a style where a person looks; a log file need not wait for the import of rich."""
    if _under_a_bar or sys.stderr.isatty():
        console(stderr=True).print(sentence, style=style)
    else:
        print(sentence, file=sys.stderr, flush=True)


def printable(text: str, lines: str = "\n\t") -> str:
    r"""Return a text with its control characters, and what no encoding knows, made visible: names may hold both.

    Parameters
    ----------
    text : str
    lines : str
        The control characters that stay.

    Examples
    --------
    >>> printable("scan\x1b[2J.nii"), printable("M\udcfcller")
    ('scan\\x1b[2J.nii', 'M\\udcfcller')
    """
    return "".join(c if c.isprintable() or c in lines else c.encode("unicode_escape").decode() for c in text)
