"""The worker's client, started with the interpreter that has Slicer's packages."""

from __future__ import annotations

import shutil
import sys
from typing import Any


def make_client() -> Any:
    """Return a client; its process starts with the first request.

    In Slicer ``PythonSlicer`` is taken, which sets up the application's libraries for a process of its own;
    elsewhere (tests) this interpreter.
    """
    from PancreasSegLib.worker import WorkerClient

    return WorkerClient(shutil.which("PythonSlicer") or sys.executable)
