"""Many CTs, one after the other, with one warm model; a bad one does not stop the rest, a second run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from PancreasSegLib.errors import CancelledError, NoPancreasError, PancreasSegError
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of, sentence_of

if TYPE_CHECKING:
    from PancreasSegPanel.scene.measurement import Measurement

_ = translator(__name__)


class State(Enum):
    """Where a CT of the batch stands; the value is what the table shows."""

    WAITING = _("waiting")
    RUNNING = _("running")
    DONE = _("done")
    SKIPPED = _("done before")
    EMPTY = _("no pancreas")
    FAILED = _("failed")
    STOPPED = _("stopped")


@dataclass
class Line:
    """One CT of the table.

    Attributes
    ----------
    name : str
        The CT.
    state : State
        Where it stands.
    fraction : float
        Of its run, 0 to 1.
    measurement : Measurement or None
        What was measured.
    remark : str
        Why it failed, or the warnings.
    """

    name: str
    state: State = State.WAITING
    fraction: float = 0.0
    measurement: Measurement | None = None
    remark: str = ""


OnTaskDone = Callable[["Measurement | None", "PancreasSegError | None"], None]


class Task(Protocol):
    """One CT to be segmented."""

    name: str

    def finished_before(self) -> bool:
        """Whether its result is there already."""

    def measured_before(self) -> Measurement | None:
        """Return what was measured then, None where that is not known."""

    def start(self, on_progress: Callable[[float], None], on_done: OnTaskDone) -> None:
        """Begin; `on_done` is called once, later or at once."""

    def cancel(self) -> None:
        """Stop at once; `on_done` is called with a CancelledError."""


class Batch:
    """Runs tasks one after the other.

    Parameters
    ----------
    tasks : sequence of Task
        In the order of the table.
    on_change : callable
        Called whenever a line has changed.
    on_done : callable
        Called once, at the end.
    """

    def __init__(
        self, tasks: Sequence[Task], on_change: Callable[[], None], on_done: Callable[[Batch], None]
    ) -> None:
        self.lines = [Line(task.name) for task in tasks]
        self.done = False
        self._tasks = list(tasks)
        self._on_change, self._on_done = on_change, on_done
        self._at = -1
        self._stopping = False

    @property
    def current(self) -> Line | None:
        """The line that is running."""
        return self.lines[self._at] if 0 <= self._at < len(self.lines) and not self.done else None

    def start(self) -> None:
        """Begin with the first task that is not done."""
        self._next()

    def cancel(self) -> None:
        """Stop: the running task is given up, finished ones stay."""
        if self.done:
            return
        self._stopping = True
        if self.current is not None and self.current.state is State.RUNNING:
            self._tasks[self._at].cancel()
        if not self.done:
            self._end()

    def summary(self) -> str:
        """Say in one sentence what came out."""
        counts = {state: sum(line.state is state for line in self.lines) for state in State}
        named = [f"{count} {state.value}" for state, count in counts.items() if count]
        return _("Batch of {count}: {named}.").format(count=len(self.lines), named=", ".join(named))

    def _next(self) -> None:
        while not self._stopping:
            self._at += 1
            if self._at >= len(self._tasks):
                self._end()
                return
            line, task = self.lines[self._at], self._tasks[self._at]
            if task.finished_before():
                line.state, line.measurement = State.SKIPPED, task.measured_before()
                continue
            line.state = State.RUNNING
            self._on_change()
            self._begin(task, line)
            return
        self._end()

    def _begin(self, task: Task, line: Line) -> None:
        started = time.monotonic()
        at = self._at

        def progressed(fraction: float) -> None:
            line.fraction = fraction
            self._on_change()

        def finished(measured: Measurement | None, error: PancreasSegError | None) -> None:
            if line.state is not State.RUNNING or at != self._at:
                return
            line.measurement = measured
            line.state, line.remark = _state_of(measured, error)
            if not line.remark and measured is not None and not measured.seconds:
                line.remark = f"{time.monotonic() - started:.1f} s"
            self._on_change()
            self._next()

        try:
            task.start(progressed, finished)
        except Exception as error:
            finished(None, problem_of(error))

    def _end(self) -> None:
        if self.done:
            return
        for line in self.lines:
            if line.state in (State.WAITING, State.RUNNING):
                line.state = State.STOPPED
        self.done = True
        self._on_change()
        self._on_done(self)


def _state_of(measured: Measurement | None, error: PancreasSegError | None) -> tuple[State, str]:
    if isinstance(error, CancelledError):
        return State.STOPPED, ""
    if isinstance(error, NoPancreasError):
        return State.EMPTY, sentence_of(error)
    if error is not None:
        return State.FAILED, sentence_of(error)
    return State.DONE, " ".join(measured.notes) if measured is not None else ""
