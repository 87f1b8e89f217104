"""A temporary folder of our own, which says so; what a dead owner left is removed, and nothing else ever is."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from PancreasSegLib.storage.contents import foreign_files, remove_held
from PancreasSegLib.storage.lock import take_lock

_log = logging.getLogger(__name__)

MARKER = ".pancreasseg-owner.json"
HIDDEN = ".pancreasseg-"
_PREFIX = "pancreasseg-"
_KIND = "temporary folder of PancreasSeg; removed when its process is gone and it holds nothing else"
_MARKER_BYTES = 1 << 16
_TRIES = 20  # on Windows a file stays for a moment after the process that mapped it has ended
_swept: set[str] = set()


class TemporaryFolder:
    """A new folder with mode 0700 and a marker in it, which its owner holds locked for as long as it lives.

    The marker says what the folder is, how it is called and which names its files have. The first one that a
    process makes in a folder removes what dead owners have left there. The lock, other than a process number, also
    tells owners in other containers apart.

    Parameters
    ----------
    parent : Path, optional
        Where to make it; the system's folder for temporary files by default, else one on the disk of the result.
    holds : sequence of str
        The names that files in it will have, see `is_held`.
    hidden : bool
        Whether its name begins with a dot, as beside results.
    replaces : str
        Name of the folder beside it that it is about to replace; while that is missing, ``old`` in here is it.

    Attributes
    ----------
    path : Path

    Raises
    ------
    OSError
        If it cannot be made.
    """

    def __init__(
        self, parent: Path | None = None, *, holds: Sequence[str], replaces: str = "", hidden: bool = False
    ) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else Path(parent)
        parent.mkdir(parents=True, exist_ok=True)
        if (place := os.path.realpath(parent)) not in _swept:
            _swept.add(place)
            sweep(parent)
        self.path = Path(tempfile.mkdtemp(prefix=HIDDEN if hidden else _PREFIX, dir=parent)).absolute()
        self._said: dict[str, Any] = {
            "pancreasseg": _KIND,
            "name": self.path.name,
            "holds": [MARKER, *holds],
            "replaces": replaces,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "locked": True,
        }
        try:
            self._lock: BinaryIO = (self.path / MARKER).open("w+b")
            try:
                take_lock(self._lock)
            except OSError:  # a file system without locks: the process number has to do
                self._said["locked"] = False
            self._lock.write(json.dumps(self._said).encode())
            self._lock.flush()
        except OSError:
            remove_held(self.path, [MARKER])
            raise

    def remove(self) -> None:
        """Remove it with what has our names in it; anything else stays, and the folder around it."""
        _put_back(self.path, self._said)
        self._lock.close()
        for _ in range(_TRIES):
            if _remove(self.path, self._said["holds"]) or _has_foreign(self.path, self._said["holds"]):
                return
            time.sleep(0.05)
        _log.warning("%s could not be removed", self.path)


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that is gone when the block ends, or its process does.

    Parameters
    ----------
    parent : Path, optional
        As for `TemporaryFolder`; in a folder that is named it is hidden.

    Raises
    ------
    OSError
        If it cannot be made.

    Examples
    --------
    >>> with temporary_folder() as folder:
    ...     _ = (folder / "slice.dcm").write_bytes(b"")
    >>> folder.exists()
    False
    """
    own = TemporaryFolder(parent, holds=["content/**"], hidden=parent is not None)
    try:
        content = own.path / "content"
        content.mkdir()
        yield content
    finally:
        own.remove()


def sweep(parent: Path) -> None:
    """Remove the temporary folders whose owners are gone; a replacement that one of them was at is taken back."""
    with contextlib.suppress(OSError):
        names = [e.name for e in os.scandir(parent) if e.name.startswith((_PREFIX, HIDDEN))]
        for name in names:
            remove_abandoned(parent / name)


def remove_abandoned(path: Path) -> bool:
    """Remove a temporary folder if it is provably ours, its owner is gone and it holds nothing foreign.

    Returns
    -------
    bool
        Whether it is gone.
    """
    said = _marker_of(path)
    if said is None:
        return False
    try:
        with (path / MARKER).open("r+b") as lock:
            if said["locked"]:
                take_lock(lock)
            elif said["host"] != socket.gethostname() or _is_alive(said["pid"]):
                return False
            if _marker_of(path) != said or _has_foreign(path, said["holds"]):
                return False
            _put_back(path, said)
            _log.info("removing %s, whose owner is gone", path)
            _remove_but_marker(path, said["holds"])
        return _remove(path, said["holds"])
    except OSError:
        return False


def is_abandoned(path: Path) -> bool:
    """Whether a folder is a temporary one of ours whose owner is gone."""
    said = _marker_of(path)
    if said is None:
        return False
    try:
        with (path / MARKER).open("r+b") as lock:
            if said["locked"]:
                take_lock(lock)
                return True
        return said["host"] == socket.gethostname() and not _is_alive(said["pid"])
    except OSError:
        return False


def _remove(path: Path, holds: Sequence[str]) -> bool:
    """Remove what is ours; the marker last, so that a kill meanwhile leaves nothing that nobody knows."""
    _remove_but_marker(path, holds)
    return remove_held(path, [MARKER])


def _remove_but_marker(path: Path, holds: Sequence[str]) -> None:
    remove_held(path, [name for name in holds if name != MARKER])


def _put_back(path: Path, said: dict[str, Any]) -> None:
    """Give the folder that was about to be replaced its name again, where the new one has not come."""
    old = path / "old"
    if said["replaces"] and old.is_dir() and not os.path.lexists(path.parent / said["replaces"]):
        old.rename(path.parent / said["replaces"])


def _marker_of(path: Path) -> dict[str, Any] | None:
    """Return what the marker of a folder says; None where the folder is not provably ours."""
    try:
        if path.is_symlink() or not path.is_dir():
            return None
        marker = path / MARKER
        if marker.is_symlink() or not marker.is_file():
            return None
        if sys.platform != "win32" and (path.stat().st_uid != os.getuid() or marker.stat().st_uid != os.getuid()):
            return None
        with marker.open("rb") as file:
            said = json.loads(file.read(_MARKER_BYTES))
        plain = isinstance(said, dict) and said["pancreasseg"] == _KIND and said["name"] == path.name
        typed = plain and isinstance(said["pid"], int) and isinstance(said["locked"], bool)
        named = typed and isinstance(said["replaces"], str) and Path(said["replaces"]).name == said["replaces"]
        whole = named and all(isinstance(name, str) for name in (said["host"], *said["holds"]))
        return said if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _has_foreign(path: Path, holds: Sequence[str]) -> bool:
    try:
        foreign = foreign_files(path, holds)
    except OSError:
        return path.exists()
    if foreign:
        _log.warning("%s stays, since it holds what is not ours, e.g. %s", path, foreign[0].name)
    return bool(foreign)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # which has locks, and where signal 0 is no question
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
