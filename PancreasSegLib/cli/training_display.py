"""A training as the terminal shows it: a live table, or lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from PancreasSegLib.cli.terminal import console, lines_above, note, verbosity
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.training.monitor.training_table import TrainingTable
from PancreasSegLib.training.monitor.words import run_title
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores

if TYPE_CHECKING:
    from rich.live import Live

LINE_EVERY_S = 60.0
"""In a log: seconds between two lines about steps. Validations have a line each."""


class TrainingDisplay:
    """Shows how the networks of a run go on, on stderr; nothing with ``--quiet``.

    It is an observer of the training, and a progress callback for what comes before the first step.

    Parameters
    ----------
    live : bool
        Whether the table is wanted where there is a terminal.
    """

    def __init__(self, *, live: bool = True) -> None:
        self.table = TrainingTable()
        self._wanted = live
        self._live: Live | None = None
        self._shown = contextlib.ExitStack()
        self._last_line = time.monotonic()

    def __enter__(self) -> TrainingDisplay:
        if verbosity.quiet or not self._wanted or not sys.stderr.isatty():
            return self
        from rich.live import Live

        self._live = Live(self.table, console=console(stderr=True), auto_refresh=False)
        self._shown.enter_context(self._live)
        self._shown.enter_context(lines_above(self._live.console))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.table.preparing = ""
        self._refresh()
        self._shown.close()
        self._live = None

    def __call__(self, event: ProgressEvent) -> None:
        """Show what is prepared; the steps come by `stepped`."""
        if event.stage.startswith("prepare") or self.table.is_idle:
            words = event.stage if event.message in event.stage else f"{event.stage}: {event.message}"
            self.table.preparing = f"{words} ({event.fraction:.0%})"
            self._refresh()
            self._line_now_and_then()

    def started(self, run: NetworkRun) -> None:
        """Begin with a network."""
        self.table.started(run)
        self._refresh()
        if self._live is None:
            begins = f"goes on at step {run.step}" if run.step else "begins"
            cases = f"{len(run.training)} cases, {len(run.validation)} held out"
            note(f"{run_title(run)} {begins}: {run.stage.network}, {cases}, on {run.device} in {run.precision}")

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Show the figures."""
        self.table.stepped(step, fields)
        self._refresh()
        self._line_now_and_then()

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Show the scores."""
        self.table.validated(step, scores)
        self._refresh()
        if self._live is None:
            note(self.table.validation_line())

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Nothing."""

    def finished(self, summary: RunSummary) -> None:
        """Show how it ended."""
        self.table.finished(summary)
        self._refresh()
        if self._live is None:
            note(self.table.done[-1])

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _line_now_and_then(self) -> None:
        if self._live is None and time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            note(self.table.progress_line())
