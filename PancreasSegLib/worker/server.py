"""The worker's side of the pipe: reads in one thread, works in another, so that cancel is heard."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from PancreasSegLib.errors import CancelledError, PancreasSegError
from PancreasSegLib.progress import ProgressEvent
from PancreasSegLib.worker import protocol
from PancreasSegLib.worker.owner import leave, watch_owner
from PancreasSegLib.worker.problem import problem_of
from PancreasSegLib.worker.protocol import ProtocolError
from PancreasSegLib.worker.session import Running, Session

_log = logging.getLogger(__name__)


_ID = re.compile(r"[A-Za-z0-9-]{1,64}")  # files of the answer are named by it


class Server:
    """Answers the requests of one client, one after the other.

    Parameters
    ----------
    source, sink : binary file
        Where the lines come from and go to.
    owned : bool
        Whether a client started this process and waits for it.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO, *, owned: bool) -> None:
        self._source, self._sink, self._owned = source, sink, owned
        self._session = Session()
        self._waiting: SimpleQueue[tuple[dict[str, Any], Running] | None] = SimpleQueue()
        self._open: dict[Any, Running] = {}  # asked and not answered yet, by id
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Answer until the client says shutdown or is gone; returns only after a shutdown."""
        self._write(b"\n")  # ends a line that something printed before stdout was moved away
        threading.Thread(target=self._read, daemon=True, name="pancreasseg-reader").start()
        while (item := self._waiting.get()) is not None:
            message, running = item
            self._answer(message, running)
            self._open.pop(running.number, None)

    def abandon(self) -> None:
        """End at once: nobody waits for an answer any more."""
        _log.info("the client is gone")
        leave(self._session.folder, with_group=self._owned)

    def _read(self) -> None:
        try:
            for line in protocol.lines(self._source):
                if line is None or line.strip():
                    self._take(line)
        except OSError as error:
            _log.error("stdin: %s", error)
        self.abandon()

    def _take(self, line: bytes | None) -> None:
        number = None
        try:
            message = protocol.parse(line)
            number = message.get("id")
            method, params = message.get("method"), message.get("params", {})
            if not isinstance(method, str) or not isinstance(number, (int, str, type(None))):
                raise ProtocolError(protocol.INVALID_REQUEST, "A request has a method and an id.")
            if isinstance(number, str) and not _ID.fullmatch(number):
                number = None
                raise ProtocolError(protocol.INVALID_REQUEST, "An id is a number, or letters, digits and dashes.")
            if not isinstance(params, dict):
                raise ProtocolError(protocol.INVALID_PARAMS, "Parameters are given by name.")
            if number is None:
                self._notified(method, params)
                return
            if number in self._open:
                raise ProtocolError(protocol.INVALID_REQUEST, f"The id {number!r} is in use.")
            if method != "shutdown" and method not in self._session.methods:
                raise ProtocolError(
                    protocol.METHOD_NOT_FOUND,
                    f"This worker knows no method {method!r}; it knows {', '.join(self._session.methods)}.",
                )
            if method != "hello" and self._session.folder is None and "hello" not in self._asked():
                raise ProtocolError(protocol.INVALID_REQUEST, "The first request must be hello.")
        except ProtocolError as error:
            self._refuse(number, error)
            return
        running = Running(number, method, lambda event: self._report(number, event))
        self._open[number] = running
        self._waiting.put((message, running))

    def _asked(self) -> set[str]:
        return {running.method for running in list(self._open.values())}

    def _notified(self, method: str, params: dict[str, Any]) -> None:
        if method != "cancel":
            _log.warning("the notification %r is unknown", method)
            return
        number = params.get("request")
        running = self._open.get(number) if isinstance(number, (int, str)) else None
        if running is not None:
            _log.info("cancel %s", running.number)
            running.token.cancel()

    def _answer(self, message: dict[str, Any], running: Running) -> None:
        method, started = message["method"], time.monotonic()
        if method == "shutdown":
            self._write(protocol.result_line(running.number, None))
            self._waiting.put(None)
            return
        _log.info("%s %s", method, running.number)
        try:
            running.token.check()
            result = self._session.methods[method](message.get("params", {}), running)
        except ProtocolError as error:
            self._refuse(running.number, error)
        except Exception as error:
            problem = problem_of(error)
            _log.info("%s: %s", problem.code, problem)
            code = protocol.CANCELLED if isinstance(problem, CancelledError) else protocol.FAILED
            self._write(protocol.error_line(running.number, code, problem.message, self._data(problem)))
        else:
            _log.info("%s took %.2f s", method, time.monotonic() - started)
            self._write(protocol.result_line(running.number, result))

    def _refuse(self, number: Any, error: ProtocolError) -> None:
        _log.warning("refused: %s", error.message)
        data = {"code": "worker", "hint": "", "log": self._log_path()}
        self._write(protocol.error_line(number, error.rpc_code, error.message, data))

    def _data(self, problem: PancreasSegError) -> dict[str, Any]:
        return protocol.error_data(problem, self._log_path())

    def _log_path(self) -> str:
        return str(self._session.folder / LOG_NAME) if self._session.folder else ""

    def _report(self, number: Any, event: ProgressEvent) -> None:
        self._write(protocol.notification_line("progress", {"request": number, **asdict(event)}))

    def _write(self, line: bytes) -> None:
        try:
            with self._sending:
                self._sink.write(line)
                self._sink.flush()
        except OSError:
            self.abandon()


LOG_NAME = "worker.log"
"""The log in the private folder: what the worker, and libraries in it, print."""


def main(owner: int | None = None) -> None:
    """Serve on stdin and stdout; everything else that is printed goes to stderr.

    Parameters
    ----------
    owner : int, optional
        Process that started this one; it does not outlive it.
    """
    source, sink = _own_pipes()
    faulthandler.enable()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    server = Server(source, sink, owned=owner is not None)
    if owner is not None:
        watch_owner(owner, server.abandon)
    server.serve()
    _log.info("shutdown")
    logging.shutdown()
    os._exit(0)  # threads of libraries must not keep it


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for the protocol, and put nothing and stderr in their place."""
    sys.stdout.flush()
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")
