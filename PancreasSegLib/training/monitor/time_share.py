"""A bound on the time that pictures take of a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator


class TimeShare:
    """Allows a piece of work when it would take no more than its share of the time.

    What the last piece cost is taken for what the next one will cost.

    Parameters
    ----------
    share : float
        Of the time that passes, 0 to 1.
    first_after : float
        Seconds before the first piece.
    clock : callable
        Seconds; for tests.

    Examples
    --------
    >>> now = [0.0]
    >>> bound = TimeShare(0.1, clock=lambda: now[0])
    >>> with bound.spent():
    ...     now[0] += 2.0
    >>> bound.allows()
    False
    >>> now[0] += 20.0
    >>> bound.allows()
    True
    """

    def __init__(
        self, share: float, first_after: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.share, self._clock = share, clock
        self._wait, self._ended = first_after, clock()

    def allows(self) -> bool:
        """Whether enough time has passed since the last piece."""
        return self._clock() - self._ended >= self._wait

    @contextlib.contextmanager
    def spent(self) -> Iterator[None]:
        """Measure the work inside the block."""
        begun = self._clock()
        try:
            yield
        finally:
            self._ended = self._clock()
            self._wait = (self._ended - begun) / self.share
