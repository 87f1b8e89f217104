"""Several windows at a time, one thread each, their results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from PancreasSegLib.errors import CancelledError

T = TypeVar("T")
Job = Callable[[Callable[[float], None]], T]
"""Takes a function that it calls with the share of its work that is done, and that may raise; gives a result."""

_TICK_S = 0.05
_AHEAD = 2  # results that may wait for an earlier one, a stream: they take memory


class Streams:
    """Threads that share out the windows of a scan.

    Layers of a network that share the cores wait for each other, most of all where other programs are busy;
    windows wait for nothing.

    Parameters
    ----------
    count : int
        Windows that run at once.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="pancreasseg-stream")

    def start(self, jobs: Sequence[Job[T]]) -> Run[T]:
        """Start jobs, after those that were started before."""
        return Run(self._threads, jobs, _AHEAD * self.count)


class Run(Generic[T]):
    """Jobs under way; `Streams` makes it."""

    def __init__(self, threads: ThreadPoolExecutor, jobs: Sequence[Job[T]], ahead: int) -> None:
        self._threads, self._jobs, self._ahead = threads, jobs, ahead
        self._shares = [0.0] * len(jobs)
        self._futures: list[Future[T]] = []
        self._stopped = False
        self._submit(0)

    def results(self, on_work: Callable[[float], None]) -> Iterator[T]:
        """Yield the results in the order of the jobs.

        Parameters
        ----------
        on_work : callable
            Called in this thread, twenty times a second, with the share of all jobs that is done. Where it raises,
            or a job does, all jobs end before the error is passed on.
        """
        try:
            for number in range(len(self._jobs)):
                self._submit(number)
                future = self._futures[number]
                while wait([future], _TICK_S).not_done:
                    on_work(self.share)
                result = future.result()
                self._futures[number] = Future()  # so that the result is held no longer
                on_work(self.share)
                yield result
        finally:
            self.stop()

    @property
    def share(self) -> float:
        """Share of the work that is done."""
        return sum(self._shares) / len(self._shares) if self._shares else 1.0

    def stop(self) -> None:
        """End all jobs and wait for it; nothing where they have ended."""
        self._stopped = True
        started = [future for future in self._futures if not future.cancel()]
        wait(started)

    def _submit(self, number: int) -> None:
        for n in range(len(self._futures), min(number + self._ahead, len(self._jobs))):
            self._futures.append(self._threads.submit(self._do, n))

    def _do(self, number: int) -> T:
        def on_work(share: float) -> None:
            if self._stopped:
                raise CancelledError
            self._shares[number] = max(self._shares[number], share)

        on_work(0.0)
        result = self._jobs[number](on_work)
        self._shares[number] = 1.0
        return result
