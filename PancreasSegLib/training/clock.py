"""The clock of a run: what a time limit counts."""

from __future__ import annotations

import time
from typing import Literal


class RunClock:
    """Seconds of a run, over all its parts.

    Parameters
    ----------
    kind : {"wall", "process"}
        Time on the wall, or processor time of this process (of all its threads together), which stands still while
        others use the machine.
    elapsed : float
        Seconds that earlier parts took.
    """

    def __init__(self, kind: Literal["wall", "process"] = "wall", elapsed: float = 0.0) -> None:
        self._now = time.monotonic if kind == "wall" else time.process_time
        self._start = self._now() - elapsed

    def elapsed(self) -> float:
        """Return the seconds so far."""
        return self._now() - self._start
