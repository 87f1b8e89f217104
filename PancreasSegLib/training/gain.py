"""Whether a run still gains: for early stopping, for a rate that falls on plateaus, and for the best state."""

from __future__ import annotations

import math
from typing import Any


class Gain:
    """Counts the looks at the held-out cases since the last gain.

    Parameters
    ----------
    min_delta : float
        A score that exceeds the best by no more than this is no gain.

    Attributes
    ----------
    best : float
        The best score, minus infinity before the first.
    waited : int
        Looks since the last gain, or since `wait_anew`.

    Examples
    --------
    >>> gain = Gain(0.01)
    >>> [gain.seen(score) for score in (0.5, 0.505, 0.6)], gain.waited
    ([True, False, True], 0)
    """

    def __init__(self, min_delta: float = 0.0) -> None:
        self.min_delta, self.best, self.waited = min_delta, -math.inf, 0

    def seen(self, score: float) -> bool:
        """Take a score, larger is better, and return whether it was a gain; NaN never is."""
        if score > self.best + self.min_delta:
            self.best, self.waited = score, 0
            return True
        self.waited += 1
        return False

    def wait_anew(self) -> None:
        """Count from nothing again; the best score stays."""
        self.waited = 0

    def state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {"best": self.best, "waited": self.waited}

    def take(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
