"""The client: what an application calls, from one thread, without ever waiting."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import CancelledError, PancreasSegError, WorkerError
from PancreasSegLib.progress import ProgressCallback, ProgressEvent
from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Box
from PancreasSegLib.worker.correction_exchange import CorrectionTask
from PancreasSegLib.worker.correction_state import CorrectionState
from PancreasSegLib.worker.dispatcher import Dispatcher
from PancreasSegLib.worker.request import Request, Scan

_log = logging.getLogger(__name__)

_EXIT_S = 4.0

OnDone = Callable[[Request], None]


class WorkerClient:
    """Asks a worker process for segmentations; see `PancreasSegLib.worker` for the whole use.

    All methods are called from one thread, return at once (but `wait`), and callbacks run in that thread,
    inside `poll`. Requests run one after the other in the order given. Nothing is started before the first
    one; a worker that died, or had to be killed, is started anew by the next one, and gets its scans again.

    Parameters
    ----------
    python : str or Path, optional
        Interpreter of the worker, in 3D Slicer ``PythonSlicer``; this process's own by default.
    environment : mapping of str to str, optional
        Variables to start from; this process's own by default. Python's own variables are left out in any case.
    folder : Path, optional
        Where the private folder is made; the system's folder for temporary files by default.
    """

    def __init__(
        self,
        python: str | Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._outbox = _Outbox()
        self._dispatcher = Dispatcher(python, environment, folder, self._outbox.progress, self._outbox.done)
        self._open: list[Request] = []
        _dispatchers.add(self._dispatcher)
        weakref.finalize(self, self._dispatcher.close).atexit = False  # when it is forgotten; at exit: below

    @property
    def state(self) -> str:
        """``stopped``, ``starting``, ``ready``, ``busy`` or ``stopping``."""
        return self._dispatcher.state

    @property
    def log_path(self) -> Path | None:
        """The worker's log; None before the first start."""
        return self._dispatcher.log_path

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker; None while there is none that has answered."""
        return self._dispatcher.pid

    def load_model(
        self,
        model: str = "default",
        device: str = "auto",
        *,
        on_done: OnDone | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Request:
        """Load a model beforehand; the result names model, version, device, precision, threads and labels."""
        params = {"model": model, "device": device}
        return self._submit(Request("load_model", params, on_done=on_done, on_progress=on_progress))

    def propose_roi(
        self, scan: Scan, *, on_done: OnDone | None = None, on_progress: ProgressCallback | None = None
    ) -> Request:
        """Propose the region of the pancreas; the result is `RoiProposal.to_json`'s."""
        return self._submit(Request("propose_roi", None, scan, on_done=on_done, on_progress=on_progress))

    def forecast(
        self,
        scan: Scan,
        model: str = "default",
        device: str = "auto",
        roi: str | Box = "auto",
        *,
        on_done: OnDone | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Request:
        """Forecast a run; the result holds the fields of `Forecast` and its ``sentence``."""
        params = {"model": model, "device": device, "roi": _roi(roi)}
        return self._submit(Request("forecast", params, scan, on_done=on_done, on_progress=on_progress))

    def segment(
        self,
        scan: Scan,
        model: str = "default",
        device: str = "auto",
        roi: str | Box = "auto",
        *,
        allow_empty: bool = False,
        probability: bool = True,
        on_done: OnDone | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Request:
        """Segment a scan; the result is a `SegmentReply`.

        Parameters
        ----------
        scan : Scan
        model, device : str
            As for `Segmenter.load`.
        roi : Box or {"auto", "none"}
            As for `Segmenter.segment`; a box lies on the scan's own grid.
        allow_empty : bool
            Whether an empty mask is given instead of a `NoPancreasError`.
        probability : bool
            Whether the probability crops are wanted.
        on_done : callable, optional
            Receives the request when it has ended, in whichever way.
        on_progress : callable, optional
            Receives each `ProgressEvent`; stages are ``send``, ``load`` and those of
            `Segmenter.segment`.
        """
        params = {
            "model": model,
            "device": device,
            "roi": _roi(roi),
            "allow_empty": allow_empty,
            "probability": probability,
        }
        return self._submit(Request("segment", params, scan, on_done=on_done, on_progress=on_progress))

    def refine(
        self,
        scan: Scan,
        session: str,
        state: CorrectionState,
        marks: Sequence[Mark] = (),
        *,
        on_done: OnDone | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Request:
        """Correct a mask by marks; the result is a `CorrectionChange`.

        The caller owns the whole state and gives it every time; only what the worker lacks is sent, so a request
        that failed is simply made again.

        Parameters
        ----------
        scan : Scan
        session : str
            The caller's name of this correction, until `end_correction`.
        state : CorrectionState
            What the correction is before these marks; its arrays must not be changed any more.
        marks : sequence of Mark
            What was marked together; none brings the worker to that state, ahead of a first stroke.
        on_done, on_progress : callable, optional
            As for `segment`; the only stage is ``send``.
        """
        task = CorrectionTask(session, state, tuple(marks))
        return self._submit(Request("refine", None, scan, task=task, on_done=on_done, on_progress=on_progress))

    def learn(
        self,
        scan: Scan,
        session: str,
        state: CorrectionState,
        model: str = "default",
        device: str = "auto",
        *,
        label: str | None = None,
        on_done: OnDone | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Request:
        """Let a copy of a model learn the patient from the marks of a correction, and outline the organ anew.

        The result is a `CorrectionChange` with the model's new `probability`; states that are given later
        carry it, the same object. Nothing but this correction changes.

        Parameters
        ----------
        scan, session, state
            As for `refine`; the state holds marks.
        model, device : str
            As for `segment`.
        label : str, optional
            The organ, by its name in the model; the model's main organ by default.
        on_done, on_progress : callable, optional
            As for `segment`; the stages are ``send``, ``load``, ``learn`` and ``segment``.
        """
        params = {"model": model, "device": device, "label": label}
        task = CorrectionTask(session, state)
        return self._submit(Request("learn", params, scan, task=task, on_done=on_done, on_progress=on_progress))

    def import_model(
        self,
        source: Path | None = None,
        *,
        public: str = "",
        organs: Sequence[str] = (),
        training: str = "",
        trust: bool = False,
        force: bool = False,
        on_done: OnDone | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Request:
        """Import a model of another program into the user's models.

        The result is ``{"name", "kind", "labels", "notes"}``; or, where it is not clear what is meant,
        ``{"what", "names", "sentence"}``: the organ or the training is to be chosen, and asked for again.

        Parameters
        ----------
        source : Path, optional
            What `PancreasSegLib.models.imports.import_model` takes.
        public : str
            Instead of a source: a model's name in the catalogue, whose licence the user has agreed to.
        organs, training, trust, force
            As for `PancreasSegLib.models.imports.import_model`.
        on_done, on_progress : callable, optional
            As for `segment`; the stages are ``fetch`` and ``import``.
        """
        params: dict[str, Any] = {"source": str(source or ""), "public": public, "organs": list(organs)}
        params |= {"training": training, "trust": trust, "force": force}
        return self._submit(Request("import_model", params, on_done=on_done, on_progress=on_progress))

    def end_correction(self, session: str) -> None:
        """Say that a correction has ended: the worker forgets it."""
        self._dispatcher.end_correction(session)

    def devices(self, *, on_done: OnDone | None = None) -> Request:
        """List the devices; the result is a list of ``{"name", "label"}``, ``auto`` first."""
        return self._submit(Request("devices", on_done=on_done))

    def cancel(self, request: Request) -> None:
        """Cancel a request, queued or running.

        At the next `poll` it is done, with a `CancelledError`. The worker is asked to stop in the
        background, and killed with its whole tree when it has not within a second.
        """
        if not request.done and not request.stop.is_set():
            request.stop.set()
            self._outbox.done(request, None, CancelledError())
            self._dispatcher.wake()

    def release(self, scan_key: str) -> None:
        """Say that a scan is gone; its file is deleted once the requests before this have ended."""
        if scan_key:
            self._dispatcher.release(scan_key)

    def poll(self) -> None:
        """Bring requests up to date and run their callbacks; the caller's timer does it every 50 ms.

        An exception in a callback is logged and stops nothing.
        """
        for event in self._outbox.taken():
            event.apply(self._open)

    def wait(self, request: Request, timeout: float | None = None) -> Any:
        """Poll until a request has ended; for scripts without an event loop.

        Parameters
        ----------
        request : Request
        timeout : float, optional
            Seconds; the request goes on when they are over.

        Returns
        -------
        object
            The request's result.

        Raises
        ------
        PancreasSegError
            The request's error.
        TimeoutError
            If it has not ended in time.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self.poll()
            if request.done:
                break
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"The request {request.method} has not ended within {timeout} s.")
            self._outbox.wait(0.1 if until is None else min(0.1, max(0.0, until - time.monotonic())))
        if request.error is not None:
            raise request.error
        return request.result

    def close(self) -> None:
        """End the worker and remove its folder, in the background; open requests are cancelled."""
        for request in list(self._open):
            self.cancel(request)
        self._dispatcher.close()

    def _submit(self, request: Request) -> Request:
        self._open.append(request)
        if self._dispatcher.is_closing:
            error = WorkerError("The worker was closed.", "Make a new one.")
            self._outbox.done(request, None, error)
        else:
            self._dispatcher.submit(request)
        return request


class _Event:
    """Something that the caller's thread has yet to learn."""

    def __init__(self, request: Request, progress: ProgressEvent | None = None) -> None:
        self.request, self.progress = request, progress
        self.result: Any = None
        self.error: PancreasSegError | None = None

    def apply(self, open_requests: list[Request]) -> None:
        request = self.request
        cancelled = isinstance(self.error, CancelledError)
        if request.done or (request.stop.is_set() and not cancelled):
            return  # what came before the worker heard of the cancel is of no interest any more
        if self.progress is not None:
            request.progress = self.progress
            _call(request.on_progress, self.progress)
            return
        request.done, request.cancelled = True, cancelled
        request.result, request.error = self.result, self.error
        request.scan = request.task = None  # the caller's voxels are not kept alive
        if request in open_requests:
            open_requests.remove(request)
        _call(request.on_done, request)


def _call(callback: Callable[[Any], None] | None, argument: Any) -> None:
    if callback is None:
        return
    try:
        callback(argument)
    except Exception:
        _log.exception("a callback failed")


class _Outbox:
    """Events on their way from the dispatcher's thread to the caller's."""

    def __init__(self) -> None:
        self._events: deque[_Event] = deque()
        self._arrived = threading.Event()
        self._lock = threading.Lock()

    def progress(self, request: Request, progress: ProgressEvent) -> None:
        with self._lock:
            last = self._events[-1] if self._events else None
            known = last.progress if last is not None and last.request is request else None
            if last is not None and known is not None and known.stage == progress.stage:
                last.progress = progress  # nobody has looked since: the newest of a stage is enough
                return
        self._put(_Event(request, progress))

    def done(self, request: Request, result: Any, error: PancreasSegError | None) -> None:
        event = _Event(request)
        event.result, event.error = result, error
        self._put(event)

    def _put(self, event: _Event) -> None:
        with self._lock:
            self._events.append(event)
        self._arrived.set()

    def taken(self) -> list[_Event]:
        """Take what is there; a callback may poll again meanwhile."""
        self._arrived.clear()
        with self._lock:
            taken = list(self._events)
            self._events.clear()
        return taken

    def wait(self, timeout_s: float) -> None:
        self._arrived.wait(timeout_s)


def _roi(roi: str | Box) -> Any:
    return roi.to_json() if isinstance(roi, Box) else roi


_dispatchers: weakref.WeakSet[Dispatcher] = weakref.WeakSet()
_owner = os.getpid()


@atexit.register
def _end_all() -> None:
    """End every worker before the interpreter does."""
    if os.getpid() != _owner:  # a fork has no worker of its own
        return
    running = list(_dispatchers)
    for dispatcher in running:
        dispatcher.close()
    for dispatcher in running:
        dispatcher.join(_EXIT_S)
