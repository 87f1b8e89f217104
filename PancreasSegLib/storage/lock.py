"""A lock on an open file, which the operating system drops when its process ends, however it ends."""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    _BEYOND = 1 << 30  # a locked byte cannot be read by others, so it lies behind the content

    def take_lock(file: IO[bytes]) -> None:
        """Take the lock at once, or raise OSError."""
        file.seek(_BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

    def give_back_lock(file: IO[bytes]) -> None:
        """Give the lock back while the file stays open."""
        file.seek(_BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def take_lock(file: IO[bytes]) -> None:
        """Take the lock at once, or raise OSError."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def give_back_lock(file: IO[bytes]) -> None:
        """Give the lock back while the file stays open."""
        fcntl.flock(file, fcntl.LOCK_UN)
