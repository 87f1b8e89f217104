"""On what and by what a run was made: versions, the state of the source, the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "monai", "numpy", "scipy", "scikit-image", "SimpleITK", "pydantic", "safetensors", "einops")
_SOURCE = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Return the versions of Python, of this library and of what its results depend on."""
    from PancreasSegLib._version import __version__

    found = {"python": platform.python_version(), "PancreasSegLib": __version__}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def git_state(folder: Path = _SOURCE) -> dict[str, Any] | None:
    """Return the commit of a checkout and what was changed in it since; None where `folder` is in no checkout.

    Parameters
    ----------
    folder : Path
        A folder of source files; default this library. Where git does not keep it (an environment inside some
        other project's checkout), that is no checkout either.

    Returns
    -------
    dict or None
        ``commit``, ``branch``, ``dirty`` (whether files that git keeps differ from the commit) and ``changed``
        (their names, at most 50).
    """
    if shutil.which("git") is None or not _git(folder, "ls-files", "--", "."):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/") or ""
    changed = [line[3:] for line in status.splitlines()]
    branch = (_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip()
    return {"commit": commit.strip(), "branch": branch, "dirty": bool(changed), "changed": changed[:50]}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, None where it fails or takes too long."""
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def machine(device: str) -> dict[str, Any]:
    """Return the computer and the device that a run computes on.

    Parameters
    ----------
    device : str
        torch's name of it.
    """
    import torch

    from PancreasSegLib.inference.device import cpu_name
    from PancreasSegLib.inference.engine import engine_of

    found: dict[str, Any] = {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
    }
    if device != "cpu":
        found["device_name"] = engine_of("torch").label(device)
    with contextlib.suppress(ValueError, OSError, AttributeError):  # not on Windows
        found["memory_gb"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    if world := os.environ.get("WORLD_SIZE"):
        found["processes"] = int(world)
    return found


def command_line() -> list[str]:
    """Return the words by which this process was started."""
    return list(getattr(sys, "orig_argv", sys.argv))


def process() -> dict[str, Any]:
    """Return what tells this process from a later one of the same number."""
    return {"pid": os.getpid(), "begun": process_begun(os.getpid())}


def process_begun(pid: int) -> str | None:
    """Return when a process began, in the system's own unit; None where that cannot be told (Linux tells)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]
