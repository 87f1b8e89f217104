"""The worker's process as the client sees it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from PancreasSegLib.errors import WorkerError
from PancreasSegLib.worker.correction_exchange import CorrectionExchange
from PancreasSegLib.worker.environment import worker_command, worker_environment
from PancreasSegLib.worker.protocol import ProtocolError, lines, parse

_log = logging.getLogger(__name__)

_LOG_LIMIT = 1 << 20  # bytes; a longer log is begun anew
_TAIL_BYTES = 8192
_TAIL_LINES = 4
_TAIL_LINE = 200  # characters
_REAP_S = 5.0


class Child:
    """A running worker; each instance is one process.

    Parameters
    ----------
    python : str or Path, optional
        Interpreter.
    environment : mapping, optional
        Variables to start from.
    folder : Path
        The private folder, where it works.
    log : Path
        Where it prints to.
    on_message : callable
        Receives this object and a message, from the reader thread; None at the end of the stream.

    Attributes
    ----------
    hello : int
        Id of the request that it was greeted with.
    ready : bool
        Whether it has answered that.
    pid : int or None
        Of the worker itself, once it has answered hello; a launcher may stand between.
    volumes : set of str
        Hashes of the scans that it holds.
    corrections : CorrectionExchange
        What it holds of corrections.

    Raises
    ------
    WorkerError
        If it cannot be started.
    """

    def __init__(
        self,
        python: str | Path | None,
        environment: Mapping[str, str] | None,
        folder: Path,
        log: Path,
        on_message: Callable[[Child, dict[str, Any] | None], None],
    ) -> None:
        self.hello = 0
        self.ready = False
        self.pid: int | None = None
        self.volumes: set[str] = set()
        self.corrections = CorrectionExchange(folder)
        self.returncode: int | None = None
        self._log_path, self._on_message = log, on_message
        command = worker_command(python)
        try:
            if log.exists() and log.stat().st_size > _LOG_LIMIT:
                log.unlink()
            with log.open("ab") as output:
                self._log_start = output.tell()
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    cwd=folder,
                    env=worker_environment(environment),
                    **_own_group(),
                )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise WorkerError(
                f"The worker could not be started with {command[0]}: {reason}.",
                "Check that this Python is there and may be run.",
            ) from error
        threading.Thread(target=self._read, daemon=True, name="pancreasseg-worker-reader").start()

    @property
    def is_running(self) -> bool:
        """Whether the process that was started has not ended."""
        return self._process.poll() is None

    def send(self, line: bytes) -> bool:
        """Send a line; False if the worker does not listen any more, which the end of its stream tells too."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def end(self, patience_s: float) -> int:
        """Let it end by itself for a while after closing its stdin, then end its whole tree; return its status."""
        if self.returncode is not None:
            return self.returncode
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            _log.info("the worker did not end by itself")
        self._kill_tree()
        try:
            self.returncode = self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:  # it hangs in the kernel, in a driver or a dead network drive
            _log.warning("the process %s cannot be ended", self._process.pid)
            self.returncode = -int(signal.SIGTERM)
        return self.returncode

    def _kill_tree(self) -> None:
        if sys.platform == "win32":
            subprocess.run(
                ["taskkill", "/F", "/T", "/PID", str(self._process.pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # not a pipe: no thread can be started while the interpreter ends
                stderr=subprocess.DEVNULL,
                check=False,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says the second of zombies
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        try:
            with cast(BinaryIO, self._process.stdout) as stream:
                for line in lines(stream):
                    if line is None or line.strip():
                        self._take(line)
        except (OSError, ValueError) as error:
            _log.debug("reading from the worker: %s", error)
        self._on_message(self, None)

    def _take(self, line: bytes | None) -> None:
        try:
            message = parse(line)
        except ProtocolError as error:  # a launcher, or an interpreter that is being set up, prints
            _log.debug("stray output: %s %r", error, (line or b"")[:_TAIL_LINE])
        else:
            self._on_message(self, message)

    def last_words(self) -> str:
        """Return the last lines of the log since the start, on one line."""
        try:
            with self._log_path.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, log.tell() - _TAIL_BYTES))
                text = log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
        found = [line.strip() for line in text.splitlines() if line.strip()]
        for number, line in enumerate(found):
            if line.startswith("Fatal Python error"):  # what follows are the frames of all threads
                found = found[: number + 1]
        return " | ".join(line[:_TAIL_LINE] for line in found[-_TAIL_LINES:])

    def obituary(self) -> WorkerError:
        """Return the error that tells that it ended and why, as far as that can be known."""
        status = self.end(1.0)
        how = _how_it_ended(status)
        words = self.last_words()
        told = f" Last lines of its log: {words}" if words else " It left nothing in its log."
        verb = "stopped unexpectedly" if self.ready else "could not start"
        if status in (-9, 128 + 9) or "MemoryError" in words or "bad_alloc" in words:
            hint = "The system may lack memory: close other programs or give a region, and try again."
        elif "ModuleNotFoundError" in words or "ImportError" in words:
            hint = "Install what is missing into the Python that runs the worker, and try again."
        else:
            hint = f"Try again: it is started anew. If it happens again, please report it with {self._log_path}."
        return WorkerError(f"The worker {verb} ({how}).{told}", hint)


def _own_group() -> dict[str, Any]:
    """Return how a process gets a group of its own, which can be ended as a whole and hears no Ctrl-C."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status}, {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
