"""How fast the steps of a run are, and what of it goes into patches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator


class Pace:
    """The wall's seconds since the last look at it, without what is no step.

    Parameters
    ----------
    clock : callable
        Seconds; for tests.

    Examples
    --------
    >>> now = [0.0]
    >>> pace = Pace(lambda: now[0])
    >>> with pace.patches():
    ...     now[0] += 1.0
    >>> now[0] += 3.0
    >>> pace.stepped(); pace.stepped()
    >>> with pace.aside():
    ...     now[0] += 100.0
    >>> pace.taken()
    {'seconds_per_step': 2.0, 'data_share': 0.25}
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._begun, self._aside, self._patches, self._steps = self._clock(), 0.0, 0.0, 0

    def stepped(self) -> None:
        """Count a step."""
        self._steps += 1

    @contextlib.contextmanager
    def patches(self) -> Iterator[None]:
        """Count the block as getting patches."""
        begun = self._clock()
        yield
        self._patches += self._clock() - begun

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the block out: validation, pictures, checkpoints."""
        begun = self._clock()
        yield
        self._aside += self._clock() - begun

    def taken(self) -> dict[str, float]:
        """Return seconds a step and the share of patches in them since the last time, and begin anew."""
        seconds = max(1e-9, self._clock() - self._begun - self._aside)
        found = {"seconds_per_step": seconds / max(1, self._steps), "data_share": self._patches / seconds}
        self._begin()
        return found
