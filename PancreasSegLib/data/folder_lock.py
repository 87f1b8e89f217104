"""One writer at a time in a folder, whatever crashes."""

from __future__ import annotations

import contextlib
import errno
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PancreasSegLib.errors import DatasetError, OutputError

LOCK_FILE = ".pancreasseg.lock"

_log = logging.getLogger(__name__)
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextlib.contextmanager
def folder_lock(folder: Path, patience_s: float = 120.0) -> Iterator[bool]:
    """Hold the folder's lock inside the block, against other threads, processes and machines.

    The operating system drops the lock of a process that ends, so that a crash locks nobody out.

    Parameters
    ----------
    folder : Path
        An existing folder.
    patience_s : float
        How long to wait for another writer.

    Yields
    ------
    bool
        False where the disk knows no locks (some network disks): the block runs all the same.

    Raises
    ------
    DatasetError
        If another writer does not finish in time.
    OutputError
        If the folder cannot be written.
    """
    try:
        stream = (folder / LOCK_FILE).open("a+b")
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be written: {error.strerror or error}.",
            "Choose a folder that you may write to.",
        ) from error
    with stream:
        deadline = time.monotonic() + patience_s
        locked = True
        while True:
            try:
                _lock(stream)
                break
            except OSError as error:
                if error.errno not in _BUSY:
                    _log.warning("%s knows no locks (%s); go on without", folder, error)
                    locked = False
                    break
            if time.monotonic() > deadline:
                raise DatasetError(
                    f"Somebody else has been writing to {folder} for {patience_s:.0f} s.", "Try again in a while."
                )
            time.sleep(0.05)
        try:
            yield locked
        finally:
            if locked:
                _unlock(stream)


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(stream: IO[bytes]) -> None:
        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_UN)
