"""The folder through which arrays travel: private to the user, and gone with its owner."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

_log = logging.getLogger(__name__)

_PREFIX = "pancreasseg-"
_LOCK = "owner.lock"
_YOUNG_S = 60.0  # a folder without a lock may be one that is being made
_TRIES = 20  # on Windows a file stays for a moment after the process that mapped it has ended


class PrivateFolder:
    """A new folder with mode 0700, whose owner holds a lock in it for as long as it lives.

    Making one removes those that dead owners left behind. The lock, other than a process number, also tells
    owners in other containers apart.

    Parameters
    ----------
    parent : Path, optional
        Where to make it; the system's folder for temporary files by default.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else Path(parent)
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).absolute()
        self._lock: BinaryIO = (self.path / _LOCK).open("wb")
        try:
            _lock(self._lock)
        except OSError:  # a file system without locks: the folder is removed by its owner or not at all
            _log.debug("%s cannot be locked", self.path)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        self._lock.close()
        for _ in range(_TRIES):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                return
            time.sleep(0.05)
        _log.warning("%s could not be removed", self.path)


def sweep(parent: Path) -> None:
    """Remove the private folders of dead owners."""
    try:
        found = [Path(e.path) for e in os.scandir(parent) if _is_ours(e)]
    except OSError:
        return
    for path in found:
        if owner_is_gone(path):
            _log.info("removing %s, whose owner is gone", path)
            shutil.rmtree(path, ignore_errors=True)


def owner_is_gone(path: Path) -> bool:
    """Whether nobody holds the lock of a private folder any more."""
    try:
        with (path / _LOCK).open("r+b") as lock:
            _lock(lock)
    except FileNotFoundError:
        try:
            return time.time() - path.stat().st_mtime > _YOUNG_S
        except OSError:
            return True
    except OSError:
        return False
    return True


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
            return False
        return sys.platform == "win32" or entry.stat(follow_symlinks=False).st_uid == os.getuid()
    except OSError:
        return False


def _lock(file: BinaryIO) -> None:
    """Take the lock, or raise OSError if another holds it; it is given back when the file is closed."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
