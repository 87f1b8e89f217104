"""Progress and cancellation: the two small things that every long stage takes and obeys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from PancreasSegLib.errors import CancelledError


@dataclass(frozen=True)
class ProgressEvent:
    """Work done so far.

    Attributes
    ----------
    stage : str
        What is being done, e.g. ``"localise"``.
    fraction : float
        Work done over work to do, of the whole run, 0 to 1, never falling.
    seconds_left : float or None
        Estimated remaining time, None while unknown.
    message : str
        One short line for a person.
    """

    stage: str
    fraction: float
    seconds_left: float | None = None
    message: str = ""


ProgressCallback = Callable[[ProgressEvent], None]


class CancelToken:
    """Set from any thread; long stages call `check` at least a few times a second.

    Examples
    --------
    >>> token = CancelToken()
    >>> token.check()
    >>> token.cancel()
    >>> token.cancelled
    True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the running work to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `CancelledError` when cancelled."""
        if self._event.is_set():
            raise CancelledError
