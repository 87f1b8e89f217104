"""The client's own thread: starts the worker, sends it one request after the other, and ends it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from PancreasSegLib.errors import CancelledError, PancreasSegError, WorkerError
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.storage.temporary_folder import TemporaryFolder
from PancreasSegLib.worker import protocol
from PancreasSegLib.worker.arrays import REPLY_PREFIX, remove_arrays
from PancreasSegLib.worker.child import Child
from PancreasSegLib.worker.private_folder import private_folder
from PancreasSegLib.worker.problem import problem_of
from PancreasSegLib.worker.request import Request
from PancreasSegLib.worker.scan_store import ScanStore, StoredScan
from PancreasSegLib.worker.segment_files import read_segmentation
from PancreasSegLib.worker.sending import Sending

_log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long a cancelled worker has to stop by itself."""

Message = dict[str, Any]


class Dispatcher:
    """Owns the process and the private folder; all its work happens in one daemon thread.

    Parameters
    ----------
    python, environment, parent
        As for `WorkerClient`.
    on_progress, on_done : callable
        Receive a request with an event, or with its result and error, from the thread.

    Attributes
    ----------
    state : str
        ``stopped``, ``starting``, ``ready``, ``busy`` or ``stopping``.
    log_path : Path or None
        The worker's log, once there is a folder.
    """

    def __init__(
        self,
        python: str | Path | None,
        environment: Mapping[str, str] | None,
        parent: Path | None,
        on_progress: Callable[[Request, ProgressEvent], None],
        on_done: Callable[[Request, Any, PancreasSegError | None], None],
    ) -> None:
        self.state = "stopped"
        self.log_path: Path | None = None
        self._python, self._environment, self._parent = python, environment, parent
        self._on_progress, self._on_done = on_progress, on_done
        self._inbox: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        self._waiting: deque[tuple[Any, Any]] = deque()  # taken from the inbox while a request was running
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._folder: TemporaryFolder | None = None
        self._scans: ScanStore | None = None
        self._child: Child | None = None
        self._number = 0

    # What the caller's thread calls; none of it waits.

    def submit(self, request: Request) -> None:
        """Queue a request; the first one starts the thread."""
        self._start_thread()
        self._inbox.put(("request", request))

    def release(self, key: str) -> None:
        """Queue that a scan is gone."""
        if self._thread is not None:
            self._inbox.put(("release", key))

    def end_correction(self, session: str) -> None:
        """Queue that a correction has ended."""
        if self._thread is not None:
            self._inbox.put(("end correction", session))

    def wake(self) -> None:
        """Let the thread look at what has been cancelled."""
        self._inbox.put(("wake", None))

    def close(self) -> None:
        """Let the thread end the worker, remove the folder and end."""
        self._closing.set()
        self.wake()

    @property
    def is_closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing.is_set()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        child = self._child
        return child.pid if child is not None else None

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="pancreasseg-worker-sender")
            self._thread.start()

    # The thread.

    def _run(self) -> None:
        try:
            while not self.is_closing:
                what, item = self._waiting.popleft() if self._waiting else self._inbox.get()
                if what == "request":
                    self._request(item)
                elif what == "release":
                    self._release(item)
                elif what == "end correction":
                    self._end_correction(item)
                elif what == "message" and item[1] is None and item[0] is self._child:
                    self._let_go()  # it ended while nothing was asked of it
        finally:
            self._finish()

    def _request(self, request: Request) -> None:
        if request.stop.is_set():
            return
        self.state = "busy" if self._child is not None else "starting"
        try:
            result = self._perform(request)
        except Exception as error:
            self._on_done(request, None, problem_of(error))
        else:
            self._on_done(request, result, None)
        if self._scans is not None:
            self._drop(self._scans.surplus())
        self._rest()

    def _perform(self, request: Request) -> Any:
        """Send a scan if need be, then the request; return its result."""
        scans, child = self._started(request)
        params, done = dict(request.params), 0.0
        scan, task = request.scan, request.task  # the caller's thread clears them when it gives the request up
        if scan is not None:
            sending = Sending(request, self._on_progress, self._check)
            stored = scans.put(scan, sending.on_share)
            self._welcomed(request, child)
            if stored.hash not in child.volumes:
                self._send_scan(request, child, stored)
            params["volume"] = stored.hash
            done = sending.done
        self._welcomed(request, child)
        if task is not None:
            assert scan is not None
            return child.corrections.ask(
                task,
                params["volume"],
                scan.geometry,
                lambda asked: self._call(request, child, request.method, {**params, **asked}, done),
            )
        answer = self._call(request, child, request.method, params, done)
        assert self._folder is not None
        return read_segmentation(self._folder.path, answer) if request.method == "segment" else answer

    def _started(self, request: Request) -> tuple[ScanStore, Child]:
        """Start the process if there is none; it boots while the scan is written."""
        if self._folder is None or self._scans is None:
            try:
                self._folder = private_folder(self._parent)
            except OSError as error:
                raise WorkerError(
                    f"No folder for the worker can be made: {error.strerror or error}.",
                    "Let TMPDIR name a folder that can be written, and start again.",
                ) from error
            self._scans = ScanStore(self._folder.path)
            self.log_path = self._folder.path / "worker.log"
        if self._child is not None and not self._child.is_running:
            self._let_go()
        if self._child is None:
            self.state = "starting"
            assert self.log_path is not None
            self._child = Child(
                self._python, self._environment, self._folder.path, self.log_path, self._on_message
            )
            hello = {"protocol": protocol.PROTOCOL_VERSION, "folder": str(self._folder.path)}
            self._child.hello = self._send(self._child, "hello", hello)
        return self._scans, self._child

    def _welcomed(self, request: Request, child: Child) -> None:
        """Wait until the process has answered hello."""
        if child.ready:
            return

        def keep(answer: Any) -> None:
            if not isinstance(answer, dict) or answer.get("protocol") != protocol.PROTOCOL_VERSION:
                raise WorkerError("The worker speaks another version of the protocol.", "Restart the application.")
            child.ready, child.pid = True, answer.get("pid")

        try:
            self._answer(request, child, child.hello, keep=keep)
        finally:
            if not child.ready:  # it will not answer hello a second time
                self._let_go()
        self.state = "busy"

    def _send_scan(self, request: Request, child: Child, scan: StoredScan) -> None:
        self._check(request)
        number = self._send(child, "set_volume", {"hash": scan.hash, "array": scan.reference})
        self._answer(request, child, number, keep=lambda _: child.volumes.add(scan.hash))

    def _send(self, child: Child, method: str, params: dict[str, Any]) -> int:
        self._number += 1
        child.send(protocol.request_line(self._number, method, params))
        return self._number

    def _call(self, request: Request, child: Child, method: str, params: dict[str, Any], done: float = 0.0) -> Any:
        """Send a line for a request and wait for its answer."""
        self._check(request)
        return self._answer(request, child, self._send(child, method, params), done=done)

    def _answer(
        self,
        request: Request,
        child: Child,
        number: int,
        *,
        done: float = 0.0,
        keep: Callable[[Any], None] = lambda answer: None,
    ) -> Any:
        """Wait for the answer to a line.

        Parameters
        ----------
        request : Request
            For which it was sent; once that is cancelled, the worker is asked to stop, and ended when it does not.
        child : Child
            To which it was sent.
        number : int
            Its id.
        done : float
            Share of the request's work that was done before.
        keep : callable
            Takes the answer, also of a cancelled request.
        """
        until: float | None = None
        while True:
            if until is None and (request.stop.is_set() or self.is_closing):
                self.state = "stopping"
                child.send(protocol.notification_line("cancel", {"request": number}))
                until = time.monotonic() + (0.0 if self.is_closing else PATIENCE_S)
            message = self._next_message(child, until)
            if message is _TOO_LATE:
                self._let_go()
                raise CancelledError
            if message is None:
                self._child = None
                obituary = child.obituary()
                self._clear_replies()
                raise CancelledError if until is not None else obituary
            if message.get("method") == "progress" and until is None:
                self._progress(request, number, message.get("params"), done)
            if message.get("id") != number or "method" in message:
                continue
            if "error" in message:
                raise CancelledError if until is not None else protocol.error_from(message["error"])
            answer = message.get("result")
            keep(answer)
            if until is not None:
                assert self._folder is not None
                remove_arrays(self._folder.path, answer)
                raise CancelledError
            return answer

    def _next_message(self, child: Child, until: float | None) -> Any:
        """Return the next message of the worker, None at its end; what else came up meanwhile waits."""
        while True:
            try:
                left = None if until is None else max(0.0, until - time.monotonic())
                what, item = self._inbox.get(timeout=left)
            except Empty:
                return _TOO_LATE
            if what == "message":
                if item[0] is child:
                    return item[1]
            elif what == "wake":
                return {}
            else:
                self._waiting.append((what, item))

    def _progress(self, request: Request, number: int, params: Any, done: float) -> None:
        try:
            if params["request"] != number:
                return
            fraction = done + (1.0 - done) * float(params["fraction"])
            event = ProgressEvent(str(params["stage"]), fraction, params["seconds_left"], str(params["message"]))
        except (TypeError, KeyError, ValueError):
            _log.warning("a malformed progress notification: %r", params)
            return
        self._on_progress(request, event)

    def _check(self, request: Request) -> None:
        if request.stop.is_set() or self.is_closing:
            raise CancelledError

    # Endings.

    def _release(self, key: str) -> None:
        if self._scans is not None:
            name = self._scans.unused_without(key)
            self._drop([name] if name is not None else [])

    def _end_correction(self, session: str) -> None:
        child = self._child
        if child is not None and child.is_running and child.corrections.forget(session):
            try:
                self._call(Request("release"), child, "release", {"session": session})
            except PancreasSegError as error:
                _log.warning("a correction was not released: %s", error)
            self._rest()

    def _drop(self, names: list[str]) -> None:
        """Let the worker forget scans, and delete their files."""
        assert self._scans is not None
        for name in names:
            child = self._child
            if child is not None and child.is_running and name in child.volumes:
                try:
                    self._call(Request("release"), child, "release", {"volume": name})
                except PancreasSegError as error:
                    _log.warning("a scan was not released: %s", error)
                child.volumes.discard(name)
            self._scans.delete(name)

    def _let_go(self, patience_s: float = 0.0) -> None:
        """End the process with its whole tree, and delete what it may have left half-written."""
        child, self._child = self._child, None
        if child is not None:
            child.end(patience_s)
        self._clear_replies()
        self._rest()

    def _rest(self) -> None:
        """Set the state in which nothing is being done."""
        self.state = "stopping" if self.is_closing else "stopped" if self._child is None else "ready"

    def _clear_replies(self) -> None:
        if self._folder is not None:
            for path in self._folder.path.glob(f"{REPLY_PREFIX}*"):
                with suppress(OSError):  # Windows: still mapped for a moment; it goes with the folder
                    path.unlink(missing_ok=True)

    def _finish(self) -> None:
        self.state = "stopping"
        if self._child is not None:
            self._send(self._child, "shutdown", {})
        self._let_go(PATIENCE_S)
        if self._folder is not None:
            self._folder.remove()
        self.log_path = None
        self.state = "stopped"

    def _on_message(self, child: Child, message: Message | None) -> None:
        self._inbox.put(("message", (child, message)))


_TOO_LATE: Any = object()
