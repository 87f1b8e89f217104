"""File work that must not hold the window: one thread for plain Python, answers fetched by the timer.

Nothing of the scene may be touched from that thread: give it arrays and paths.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.work.problem import problem_of

log = logging.getLogger(__name__)


class BackgroundJob:
    """One piece of work.

    Attributes
    ----------
    done : bool
        Set by `Background.poll`, in the owner's thread.
    result : object
        What the work returned.
    error : PancreasSegError or None
        Why it failed.
    keep : bool
        Whether it is done even if the scene is closed meanwhile.
    """

    def __init__(
        self, work: Callable[[], Any], on_done: Callable[[BackgroundJob], None] | None, keep: bool = False
    ) -> None:
        self.work, self.on_done, self.keep = work, on_done, keep
        self.done = self.dropped = False
        self.result: Any = None
        self.error: PancreasSegError | None = None


class Background:
    """A thread that is there while there is work, one piece after the other."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[BackgroundJob] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[BackgroundJob] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running = False
        self.open: list[BackgroundJob] = []

    def submit(
        self,
        work: Callable[[], Any],
        on_done: Callable[[BackgroundJob], None] | None = None,
        *,
        keep: bool = False,
    ) -> BackgroundJob:
        """Queue a piece of work; returns at once. What is to be kept is not given up by `drop`."""
        job = BackgroundJob(work, on_done, keep)
        self.open.append(job)
        with self._lock:
            self._waiting.put(job)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="PancreasSeg files", daemon=True).start()
        return job

    def give_up(self, job: BackgroundJob) -> None:
        """Give up one piece of work, and tell nobody about it."""
        job.dropped = True
        if job in self.open:
            self.open.remove(job)

    def drop(self) -> None:
        """Give up what waits, and tell nobody about what runs; but for what is to be kept."""
        for job in self.open:
            job.dropped = not job.keep
        self.open = [job for job in self.open if job.keep]

    def poll(self) -> None:
        """Hand out what is finished, in the caller's thread."""
        while True:
            try:
                job = self._finished.get_nowait()
            except queue.Empty:
                return
            if job.dropped:
                continue
            job.done = True
            self.open.remove(job)
            if job.on_done is not None:
                try:
                    job.on_done(job)
                except Exception:
                    log.exception("The answer to finished file work was not taken.")

    def _run(self) -> None:
        while True:
            with self._lock:
                try:
                    job = self._waiting.get_nowait()
                except queue.Empty:
                    self._running = False
                    return
            if not job.dropped:
                try:
                    job.result = job.work()
                except Exception as error:
                    job.error = problem_of(error)
            self._finished.put(job)
