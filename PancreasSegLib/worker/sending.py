"""Progress of hashing and writing a scan, which can be stopped every few slices."""

from __future__ import annotations

import time
from collections.abc import Callable

from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.worker.request import Request

_SENDING = 0.05  # share of a request's work when its voxels have to be sent
_EVENT_S = 0.1  # between events of sending


class Sending:
    """Reports the share of a scan that was handed over.

    Parameters
    ----------
    request : Request
        For which it is sent.
    on_progress : callable
        Receives the request and an event.
    check : callable
        Raises if the request was cancelled.

    Attributes
    ----------
    done : float
        Share of the whole request's work.
    """

    def __init__(
        self,
        request: Request,
        on_progress: Callable[[Request, ProgressEvent], None],
        check: Callable[[Request], None],
    ) -> None:
        self.done = 0.0
        self._request, self._on_progress, self._check = request, on_progress, check
        self._last = 0.0

    def on_share(self, share: float) -> None:
        """Take the share of the scan that is done."""
        self._check(self._request)
        self.done = _SENDING * share
        if share >= 1.0 or time.monotonic() - self._last > _EVENT_S:
            self._last = time.monotonic()
            self._on_progress(self._request, ProgressEvent("send", self.done, None, "handing over the scan"))
