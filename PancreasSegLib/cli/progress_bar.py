"""The bar that shows how far a run is."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from PancreasSegLib.cli.terminal import console, lines_above, note, verbosity
from PancreasSegLib.progress import ProgressEvent

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S = 10.0
"""Without a terminal (a log file), at most one line in this time."""


class ProgressBar:
    """Stage, bar and time left on stderr; sparse lines where that is no terminal; nothing with ``--quiet``.

    It is a progress callback: call it with a `ProgressEvent`.

    Examples
    --------
    >>> with ProgressBar() as bar:
    ...     bar(ProgressEvent("localise", 0.5, 2.0))
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._shown = contextlib.ExitStack()
        self._task: TaskID | None = None
        self._last_line = time.monotonic()
        self._prefix = ""

    def __enter__(self) -> ProgressBar:
        if verbosity.quiet or not sys.stderr.isatty():
            return self
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=32),
            TextColumn("{task.fields[left]}", markup=False),
            console=console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, left="")
        self._bar.start()
        self._shown.callback(self._bar.stop)
        self._shown.enter_context(lines_above(self._bar.console))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()
        self._bar = None

    def begin(self, what: str) -> None:
        """Put `what` (a scan's name) before every stage from now on."""
        self._prefix = f"{what}: " if what else ""

    def stage(self, name: str) -> None:
        """Show a stage whose length is not known."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._prefix + name, total=None, left="")

    def __call__(self, event: ProgressEvent) -> None:
        """Show how far the run is."""
        text = self._prefix + (event.message or event.stage)
        left = "" if event.seconds_left is None else time_left(event.seconds_left)
        if self._bar is not None and self._task is not None:
            percent = f"{event.fraction:4.0%}  {left}"
            self._bar.update(self._task, description=text, total=1.0, completed=event.fraction, left=percent)
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            note(f"{text} {event.fraction:.0%}{', ' + left if left else ''}")


def time_left(seconds: float) -> str:
    """Return a remaining time as a person would say it.

    Examples
    --------
    >>> time_left(0.4), time_left(42), time_left(200), time_left(9000)
    ('1 s left', '42 s left', '3 min left', '2.5 h left')
    """
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"
