"""Do something with every case, in this process or in several, with progress and cancellation."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from PancreasSegLib.data.adapters.source_case import SourceCase
from PancreasSegLib.errors import OutOfMemoryError, PancreasSegError
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent

Done = TypeVar("Done")
_LOOK_S = 0.2


@dataclass(frozen=True)
class Failure:
    """A case that could not be worked on; the others go on.

    Attributes
    ----------
    code, sentence : str
    """

    code: str
    sentence: str


def work_on(
    cases: Sequence[SourceCase],
    work: Callable[[SourceCase], Done],
    *,
    stage: str,
    workers: int = 1,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[SourceCase, Done | Failure]]:
    """Yield each case with what became of it, as they are finished.

    Parameters
    ----------
    cases : sequence of SourceCase
    work : callable
        Of one case; for several workers it must be picklable, as must be its result.
    stage : str
        Names the work in the progress.
    workers : int
        Processes. One works in this process.
    progress : callable, optional
    cancel : CancelToken, optional
        Looked at between cases, and five times a second with several workers, which are then ended at once.

    Raises
    ------
    CancelledError
        When cancelled.
    OutOfMemoryError
        If a process died.
    OutputError
        If something cannot be written: no other case could be, either.
    """
    cancel = cancel or CancelToken()
    started = time.monotonic()
    finished = _in_processes if workers > 1 and len(cases) > 1 else _here
    _tell(progress, stage, 0, cases, started, "")
    for number, (index, result) in enumerate(finished(cases, work, workers, cancel), 1):
        cancel.check()
        yield cases[index], result
        _tell(progress, stage, number, cases, started, cases[index].name)


def _here(
    cases: Sequence[SourceCase], work: Callable[[SourceCase], Done], workers: int, cancel: CancelToken
) -> Iterator[tuple[int, Done | Failure]]:
    for index, case in enumerate(cases):
        cancel.check()
        yield _attempt((index, case, work))


def _in_processes(
    cases: Sequence[SourceCase], work: Callable[[SourceCase], Done], workers: int, cancel: CancelToken
) -> Iterator[tuple[int, Done | Failure]]:
    others = set(multiprocessing.active_children())
    # A fresh interpreter each: forking a process that has threads (torch, BLAS) may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(cases)), context, initializer=_quiet_child)
    try:
        pending = {pool.submit(_attempt, (index, case, work)) for index, case in enumerate(cases)}
        while pending:
            cancel.check()
            done, pending = wait(pending, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise OutOfMemoryError(
            "A worker process died; most likely the memory was used up.", "Take fewer --workers, and run it again."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
            child.join(timeout=2.0)


def _quiet_child() -> None:
    """Leave Ctrl-C to the parent, which ends its children; end with it, should it be killed."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True, name="pancreasseg-parent").start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attempt(task: tuple[int, SourceCase, Callable[[SourceCase], Any]]) -> tuple[int, Any]:
    index, case, work = task
    try:
        return index, work(case)
    except PancreasSegError as error:
        if error.code in ("output", "cancelled"):
            raise
        return index, Failure(error.code, str(error))


def _tell(
    progress: ProgressCallback | None,
    stage: str,
    done: int,
    cases: Sequence[SourceCase],
    started: float,
    last: str,
) -> None:
    if progress is None:
        return
    left = (time.monotonic() - started) / done * (len(cases) - done) if done else None
    message = f"{stage} {done} of {len(cases)}{f' ({last})' if last else ''}"
    progress(ProgressEvent(stage, done / max(1, len(cases)), left, message))
