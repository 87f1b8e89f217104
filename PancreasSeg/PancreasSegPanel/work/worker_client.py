"""The worker's client, started with the interpreter that has Slicer's packages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import slicer


def worker_python() -> str | None:
    """Return ``PythonSlicer``, which sets up the application's libraries for a process of its own.

    None outside of Slicer (in tests): this interpreter is taken then.
    """
    return shutil.which("PythonSlicer")


def make_client() -> Any:
    """Return a client; its process starts with the first request.

    Arrays travel through the folder for temporary files that the user has chosen in the application's settings.
    """
    from PancreasSegLib.worker import WorkerClient

    return WorkerClient(worker_python(), folder=Path(slicer.app.temporaryPath))
