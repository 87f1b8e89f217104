"""The strokes on their way: recorded, sent one after the other, sent again when the worker died."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.errors import MarkError, PancreasSegError, WorkerError
from PancreasSegLib.worker import CorrectionChange, CorrectionState
from PancreasSegPanel.scene.marks_node import said_by
from PancreasSegPanel.work.problem import problem_of

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Box, Geometry
    from PancreasSegPanel.correction.learning import PatientLearning
    from PancreasSegPanel.correction.step import CorrectionStep


@dataclass(eq=False)
class Smoothing:
    """What is to be smoothed.

    Attributes
    ----------
    within : Mark or None
        Where; everywhere without it.
    radius_mm : float
        How coarsely.
    """

    within: Mark | None
    radius_mm: float

    def work(self, state: CorrectionState, geometry: Geometry) -> Callable[[], CorrectionChange]:
        """Return what another thread computes: the change to a state, whose arrays nobody changes."""

        def change() -> CorrectionChange:
            from PancreasSegLib.refine.smoothing import smoothed

            if state.box is None:
                return CorrectionChange.nothing()
            box = state.box.grown(3.0 * self.radius_mm, geometry)
            mask, marks = state.within(box)
            where = None
            if self.within is not None:
                where = CorrectionState(self.within.box, self.within.voxels, self.within.voxels).within(box)[0]
            spacing = geometry.spacing_mm[::-1]
            result = smoothed(mask, spacing, self.radius_mm, marks=marks, within=where)
            return CorrectionChange(box, result.astype(np.uint8), marks)

        return change


@dataclass(eq=False)
class Item:
    """What becomes one step.

    Attributes
    ----------
    marks : tuple of Mark
        What was marked.
    smoothing : Smoothing or None
        Or what is to be smoothed.
    learning : PatientLearning or None
        Or what learns from all marks.
    on_done : list of callable
        Receive the step.
    tries : int
        How often the worker died on it.
    since : float
        When it was recorded.
    note : str
        What is to be told with the step.
    """

    marks: tuple[Mark, ...] = ()
    smoothing: Smoothing | None = None
    learning: PatientLearning | None = None
    on_done: list[Callable[[CorrectionStep], None]] = field(default_factory=list)
    tries: int = 0
    since: float = field(default_factory=time.monotonic)
    note: str = ""

    @property
    def drawn(self) -> list[tuple[Box, np.ndarray, int]]:
        """Where, which voxels, and the mark's value."""
        return [said for mark in self.marks for said in said_by(mark)]


class CorrectionQueue:
    """Sends items in order, one at a time.

    Parameters
    ----------
    send : callable
        Takes an item and a callback; returns what `cancel` takes. The callback receives the answer and the error.
    cancel : callable
        Is told that nobody waits for what was sent any more.
    take : callable
        Receives an item that was answered, and the answer.
    changed : callable
        Called when something that is shown may have changed.

    Attributes
    ----------
    error : PancreasSegError or None
        Why an item could not be applied.
    blocked : bool
        Whether that item waits for :meth:`retry`, and all others behind it.
    sent : Item or None
        What is being worked on.
    """

    def __init__(
        self,
        send: Callable[[Item, Callable[[Any, PancreasSegError | None], None]], Any],
        cancel: Callable[[Any], None],
        take: Callable[[Item, Any], None],
        changed: Callable[[], None],
    ) -> None:
        self._send, self._cancel, self._take, self._changed = send, cancel, take, changed
        self._ready: deque[Item] = deque()
        self._held: list[Item] = []
        self._dropped: list[tuple[Item, bool]] = []
        self._request: Any = None
        self.sent: Item | None = None
        self.error: PancreasSegError | None = None
        self.blocked = False

    @property
    def items(self) -> list[Item]:
        """All that is not applied yet, in order."""
        return [*([self.sent] if self.sent is not None else []), *self._ready, *self._held]

    @property
    def waiting_marks(self) -> list[tuple[Box, np.ndarray, int]]:
        """What was marked and is not applied yet: where, which voxels, and the mark's value."""
        return [mark for item in self.items for mark in item.drawn]

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self.sent is not None or bool(self._ready and not self.blocked)

    @property
    def can_take_back(self) -> bool:
        """Whether there is an item that is not applied yet."""
        return bool(self.items)

    @property
    def can_bring_back(self) -> bool:
        """Whether an item that was taken back can be recorded again."""
        return bool(self._dropped)

    def add(self, item: Item, *, hold: bool) -> None:
        """Record an item; `hold` keeps it until :meth:`apply`."""
        self._dropped.clear()
        if not self.blocked:
            self.error = None
        if hold:
            self._held.append(item)
        else:
            self.apply()
            self._ready.append(item)
            self.pump()

    def apply(self) -> None:
        """Send all that is held, as one item."""
        if self._held:
            if not self.blocked:
                self.error = None
            marks = tuple(mark for item in self._held for mark in item.marks)
            callbacks = [callback for item in self._held for callback in item.on_done]
            self._ready.append(Item(marks, on_done=callbacks))
            self._held.clear()
        self.pump()

    def retry(self) -> None:
        """Go on after an error."""
        self.error, self.blocked = None, False
        self.pump()

    def pump(self) -> None:
        """Send the next item if nothing is being worked on."""
        if self.sent is not None or self.blocked or not self._ready:
            return
        item = self._ready.popleft()
        self.sent = item
        try:
            self._request = self._send(item, lambda answer, error: self._answered(item, answer, error))
        except PancreasSegError as error:
            self._answered(item, None, error)

    def _answered(self, item: Item, answer: Any, error: PancreasSegError | None) -> None:
        if self.sent is not item:
            return  # it was taken back meanwhile
        self.sent = self._request = None
        if error is None:
            try:
                self._take(item, answer)
            except Exception as unexpected:
                self._keep(item, problem_of(unexpected))
        elif isinstance(error, WorkerError) and item.tries == 0:
            item.tries += 1
            self._ready.appendleft(item)
        else:
            self._keep(item, error)
        self.pump()
        self._changed()

    def _keep(self, item: Item, error: PancreasSegError) -> None:
        """An item could not be applied: it waits for a retry, unless it never can be."""
        self.error = error
        if isinstance(error, MarkError):
            return
        item.tries, self.blocked = 0, True
        self._ready.appendleft(item)

    def take_back(self) -> bool:
        """Take back the newest item that is not applied yet; False without any."""
        if self._held:
            self._dropped.append((self._held.pop(), True))
        elif self._ready:
            self._dropped.append((self._ready.pop(), False))
        elif self.sent is not None:
            self._dropped.append((self.sent, False))
            self._give_up()
        else:
            return False
        if not self._ready:
            self.error, self.blocked = None, False
        return True

    def bring_back(self) -> bool:
        """Record again what was taken back last; False without any."""
        if not self._dropped:
            return False
        item, held = self._dropped.pop()
        if held:
            self._held.append(item)
        else:
            self._ready.append(item)
            self.pump()
        return True

    def drop(self, item: Item) -> None:
        """Drop an item that is not applied yet, for good; those behind it go on."""
        if item is self.sent:
            self._give_up()
        elif item in self._ready:
            if self.blocked and item is self._ready[0]:
                self.error, self.blocked = None, False
            self._ready.remove(item)
        self.pump()

    def forget_taken_back(self) -> None:
        """Something else was done: what was taken back cannot be brought back."""
        self._dropped.clear()

    def worker_ended(self) -> None:
        """The worker was ended on purpose: what it had goes back to the front."""
        if self.sent is not None:
            item, self.sent, self._request = self.sent, None, None
            self._ready.appendleft(item)

    def clear(self) -> None:
        """Drop everything."""
        self._ready.clear()
        self._held.clear()
        self._dropped.clear()
        self.error, self.blocked = None, False
        self._give_up()

    def _give_up(self) -> None:
        request, self.sent, self._request = self._request, None, None
        if request is not None:
            self._cancel(request)


def check_marks(marks: Sequence[Mark], geometry: Geometry) -> None:
    """Raise where there is no mark, or one that does not lie on the CT."""
    if not marks:
        raise MarkError("Nothing is marked.", "Draw inside the CT.")
    if any(mark.box.clipped(geometry) != mark.box for mark in marks):
        raise MarkError("A mark does not lie on this CT.", "Choose the CT it was made on.")
