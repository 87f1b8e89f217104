"""The items on their way: recorded, sent one after the other, sent again when the worker died."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import MarkError, WorkerError
from PancreasSegPanel.correction.item import Item, Marking
from PancreasSegPanel.work.problem import problem_of

if TYPE_CHECKING:
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegPanel.correction.channel import GiveUp, OnAnswer
    from PancreasSegPanel.scene.mark_map import Drawn


class CorrectionQueue:
    """Sends items in order, one at a time.

    Parameters
    ----------
    send : callable
        Sends an item; the answer goes to a callback. Returns how it is given up.
    take : callable
        Receives an item that was answered, and the answer.
    changed : callable
        Called when something that is shown may have changed.

    Attributes
    ----------
    error : PancreasSegError or None
        Why an item could not be applied.
    blocked : bool
        Whether that item waits for `retry`, and all others behind it.
    sent : Item or None
        What is being worked on.
    """

    def __init__(
        self,
        send: Callable[[Item, OnAnswer], GiveUp],
        take: Callable[[Item, Any], None],
        changed: Callable[[], None],
    ) -> None:
        self._send, self._take, self._changed = send, take, changed
        self._ready: deque[Item] = deque()
        self._held: list[Marking] = []
        self._dropped: list[tuple[Item, Marking | None]] = []
        self._give_up: GiveUp = _do_nothing
        self.sent: Item | None = None
        self.error: PancreasSegError | None = None
        self.blocked = False

    @property
    def items(self) -> list[Item]:
        """All that is not applied yet, in order."""
        return [*([self.sent] if self.sent is not None else []), *self._ready, *self._held]

    @property
    def waiting_marks(self) -> Drawn:
        """What was marked and is not applied yet."""
        return [part for item in self.items for part in item.drawn]

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

    def add(self, item: Item) -> None:
        """Record an item, behind all that is held."""
        self._begin()
        self.apply()
        self._ready.append(item)
        self._pump()

    def hold(self, marking: Marking) -> None:
        """Record marks that wait for `apply`."""
        self._begin()
        self._held.append(marking)

    def _begin(self) -> None:
        self._dropped.clear()
        if not self.blocked:
            self.error = None

    def apply(self) -> None:
        """Send all that is held, as one item."""
        if self._held:
            if not self.blocked:
                self.error = None
            marks = tuple(mark for item in self._held for mark in item.marks)
            callbacks = [callback for item in self._held for callback in item.on_done]
            self._ready.append(Marking(marks, on_done=callbacks))
            self._held.clear()
        self._pump()

    def retry(self) -> None:
        """Go on after an error."""
        self.error, self.blocked = None, False
        self._pump()

    def _pump(self) -> None:
        """Send the next item if nothing is being worked on."""
        if self.sent is not None or self.blocked or not self._ready:
            return
        item = self._ready.popleft()
        self.sent = item
        try:
            self._give_up = self._send(item, lambda answer, error: self._finish(item, answer, error))
        except Exception as error:
            self._finish(item, None, problem_of(error))

    def _finish(self, item: Item, answer: Any, error: PancreasSegError | None) -> None:
        if self.sent is not item:
            return  # it was taken back meanwhile
        self.sent, self._give_up = None, _do_nothing  # the answer may be large: nothing holds it any longer
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
        self._pump()
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
            held = self._held.pop()
            self._dropped.append((held, held))
        elif self._ready:
            self._dropped.append((self._ready.pop(), None))
        elif self.sent is not None:
            self._dropped.append((self.sent, None))
            self._drop_sent()
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
        if held is not None:
            self._held.append(held)
        else:
            self._ready.append(item)
            self._pump()
        return True

    def drop(self, item: Item) -> None:
        """Drop an item that is not applied yet, for good; those behind it go on."""
        if item is self.sent:
            self._drop_sent()
        elif item in self._ready:
            if self.blocked and item is self._ready[0]:
                self.error, self.blocked = None, False
            self._ready.remove(item)
        self._pump()

    def forget_taken_back(self) -> None:
        """Something else was done: what was taken back cannot be brought back."""
        self._dropped.clear()

    def worker_ended(self) -> None:
        """The worker was ended on purpose: what it had goes back to the front."""
        if self.sent is not None:
            item, self.sent = self.sent, None
            self._ready.appendleft(item)

    def clear(self) -> None:
        """Drop everything."""
        self._ready.clear()
        self._held.clear()
        self._dropped.clear()
        self.error, self.blocked = None, False
        self._drop_sent()

    def _drop_sent(self) -> None:
        if self.sent is not None:
            self.sent = None
            self._give_up()


def _do_nothing() -> None:
    """Give nothing up: nothing was sent yet."""
