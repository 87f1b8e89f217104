"""The worker's owner, the process without which it must not live on."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from PancreasSegLib.storage.temporary_folder import is_abandoned, remove_abandoned

_INTERVAL_S = 0.5
_PATIENCE_S = 2.0


def watch_owner(pid: int, on_gone: Callable[[], None]) -> None:
    """Call back, from a thread, once the owner has ended.

    The end of stdin tells that first; it does not where a fork of the owner still holds the pipe, or a launcher
    stands between.
    """
    parent = os.getppid() if sys.platform != "win32" else 0

    def watch() -> None:
        if sys.platform == "win32":
            _wait_on_windows(pid)
        else:
            while os.getppid() == parent and _is_alive(pid):
                time.sleep(_INTERVAL_S)
        on_gone()

    threading.Thread(target=watch, daemon=True, name="pancreasseg-owner").start()


def leave(folder: Path | None, *, with_group: bool) -> None:
    """End this process at once, whatever it is doing.

    Parameters
    ----------
    folder : Path or None
        The private folder; it is removed where it bears the mark of an
        owner that has died without doing so.
    with_group : bool
        Whether the whole process group ends, which a worker that its client started has for itself.
    """
    if folder is not None:
        until = time.monotonic() + _PATIENCE_S
        while folder.exists() and time.monotonic() < until:
            if is_abandoned(folder):
                os.chdir(tempfile.gettempdir())  # Windows removes no folder in which a process stands
                remove_abandoned(folder)
                break
            time.sleep(0.05)
    if with_group and sys.platform != "win32":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait_on_windows(pid: int) -> None:
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    synchronize, forever = 0x00100000, 0xFFFFFFFF
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(synchronize, False, pid)
    if handle:
        kernel.WaitForSingleObject(ctypes.c_void_p(handle), forever)
