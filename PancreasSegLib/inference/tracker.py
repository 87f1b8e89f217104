"""Progress of a run from known units of work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent

_LEAST_INTERVAL_S = 0.05


class Tracker:
    """Turns work done into progress events, keeps the time of each stage, and obeys cancellation.

    Work is counted in expected seconds. Expectations may be revised on the way (the size of the crop is known
    only after the localiser): what is left of the fraction is then spread over what is left of the work, so that
    it never falls and never stands still. The time left follows the rate measured so far.

    Parameters
    ----------
    expected : dict of str to float
        Expected seconds by stage.
    progress : callable, optional
        Receives a `ProgressEvent` at most twenty times a second.
    cancel : CancelToken, optional
        Looked at on every step.
    """

    def __init__(
        self,
        expected: dict[str, float],
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self.timings: dict[str, float] = {}
        self._expected = dict(expected)
        self._done: dict[str, float] = {}
        self._progress, self._cancel = progress, cancel
        self._stage, self._message = "", ""
        self._fraction = 0.0
        self._known_total, self._base_fraction, self._base_done = sum(expected.values()), 0.0, 0.0
        self._start = time.perf_counter()
        self._last = -1.0
        self._pass_start, self._pass_work = 0.0, 0.0

    @contextmanager
    def stage(self, name: str, message: str, expected: float | None = None, later: float = 0.0) -> Iterator[None]:
        """Run one stage inside the block; a stage that comes again adds its time and its expected work.

        Parameters
        ----------
        name : str
            The stage, as events and timings name it.
        message : str
            One short line for a person.
        expected : float, optional
            Seconds expected of this pass, where they are now better known.
        later : float
            Seconds expected of further passes of this stage.
        """
        self.check()
        before = self._done.get(name, 0.0)
        work = expected if expected is not None else max(self._expected.get(name, 0.0) - before, 0.0)
        self._expected[name] = before + work + later
        self._stage, self._message, self._pass_start, self._pass_work = name, message, before, work
        started = time.perf_counter()
        self._emit(force=True)
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - started
        self.done(1.0)

    def done(self, share: float) -> None:
        """Report the share (0 to 1) of the current pass that is done.

        Raises
        ------
        CancelledError
            If the run was cancelled.
        """
        self.check()
        reached = self._pass_start + self._pass_work * min(max(share, 0.0), 1.0)
        self._done[self._stage] = max(self._done.get(self._stage, 0.0), reached)
        self._emit()

    def check(self) -> None:
        """Raise `CancelledError` if the run was cancelled."""
        if self._cancel is not None:
            self._cancel.check()

    def finish(self) -> None:
        """Send the last event, at fraction 1."""
        self._expected = dict(self._done)
        self.timings["total"] = time.perf_counter() - self._start
        self._fraction = 1.0
        self._message = "done"
        self._emit(force=True)

    def _emit(self, force: bool = False) -> None:
        now = time.perf_counter()
        if self._progress is None or (not force and now - self._last < _LEAST_INTERVAL_S):
            return
        self._last = now
        done, total = sum(self._done.values()), sum(self._expected.values())
        if total != self._known_total:
            self._known_total, self._base_fraction, self._base_done = total, self._fraction, done
        if total > self._base_done:
            share = (done - self._base_done) / (total - self._base_done)
            fraction = self._base_fraction + (1.0 - self._base_fraction) * share
            self._fraction = min(fraction, 1.0)
        left = None
        if done > 0:
            left = (now - self._start) * max(total - done, 0.0) / done
        self._progress(ProgressEvent(self._stage, self._fraction, left, self._message))
