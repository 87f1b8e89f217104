"""The command and the environment that a worker is started with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_KEPT_PYTHON = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
_IMPORT_S = 300.0  # seconds; PyTorch on a busy machine whose virus scanner reads every file for the first time
_PATH_LISTS = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "QT_PLUGIN_PATH")


def worker_command(python: str | Path | None) -> list[str]:
    """Return the command of a worker that serves this process.

    The library is loaded from where it lies, without its folder on ``sys.path``: that folder may hold packages for
    another Python.

    Parameters
    ----------
    python : str or Path, optional
        The interpreter. By default this process's own, and modules are found where they are found here.
    """
    library = Path(__file__).absolute().parents[1]
    more = [str(Path(path).absolute()) for path in sys.path if path] if python is None else []
    interpreter = str(python or sys.executable)
    # -s: packages that a user once installed for another Python of this version must not get in the way.
    return [interpreter, "-s", str(library / "worker" / "bootstrap.py"), str(library), str(os.getpid()), *more]


def worker_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a worker: those of this process without what only fits its own interpreter.

    All of Python's own variables are left out, and inside 3D Slicer the library folders of Slicer: its interpreter
    sets them itself, and another one would break on them.

    Parameters
    ----------
    base : mapping, optional
        The environment to start from; that of this process by default.

    Examples
    --------
    >>> worker_environment({"PYTHONHOME": "/nowhere", "HOME": "/home/me"})
    {'HOME': '/home/me', 'PYTHONUTF8': '1', 'PYTHONUNBUFFERED': '1'}
    """
    found = dict(os.environ if base is None else base)
    application = found.get("SLICER_HOME", "")
    for name in list(found):
        if name.upper().startswith("PYTHON") and name.upper() not in _KEPT_PYTHON:
            del found[name]
    if application:
        for name in _PATH_LISTS:
            kept = [p for p in found.get(name, "").split(os.pathsep) if p and not _is_inside(p, application)]
            if name in found:
                found[name] = os.pathsep.join(kept)
            if not kept:
                found.pop(name, None)
    return found | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def _is_inside(path: str, folder: str) -> bool:
    return Path(os.path.normcase(path)).is_relative_to(os.path.normcase(folder))


def import_problem(python: str | Path | None, modules: Sequence[str]) -> str:
    """Return why a worker's interpreter cannot import modules; empty if it can.

    Parameters
    ----------
    python : str or Path, optional
        The interpreter, as `worker_command` takes it.
    modules : sequence of str
        What is imported, in this order.

    Returns
    -------
    str
        The last line that Python wrote, e.g. ``ImportError: libtbb.so.12: cannot open shared object file``.
    """
    interpreter = str(python or sys.executable)
    try:
        done = subprocess.run(
            [interpreter, "-s", "-c", f"import {', '.join(modules)}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=worker_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            timeout=_IMPORT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.strip().splitlines()
    return (said[-1] if said else f"exit status {done.returncode}") if done.returncode else ""
