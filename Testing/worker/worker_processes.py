"""Worker processes for the tests: what makes and watches them, and what makes them misbehave."""

from __future__ import annotations

import os
import stat
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from PancreasSegLib.volume import Geometry, Volume
from PancreasSegLib.worker import Scan, WorkerClient

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0  # of a test for something that must come; a busy machine is no failure


def wait_until(true: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Wait for something, and say whether it came."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.02)
    return bool(true())


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has asked for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return not Path("/proc/self").exists()


def private_folders(parent: Path) -> list[Path]:
    return sorted(parent.glob("pancreasseg-*"))


class Workers:
    """Makes clients, and checks at the end that nothing of them is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clients: list[WorkerClient] = []
        self._pids: set[int] = set()

    def __call__(self, python: Path | None = None, **options) -> WorkerClient:
        client = WorkerClient(python, folder=options.pop("folder", self.folder), **options)
        self._clients.append(client)
        return client

    def note(self, client: WorkerClient) -> int:
        """Remember the client's process; it must be gone at the end."""
        pid = client.worker_pid
        assert pid is not None
        self._pids.add(pid)
        return pid

    def finish(self) -> None:
        pids = self._pids | {c.worker_pid for c in self._clients if c.worker_pid}
        for client in self._clients:
            client.close()
        assert wait_until(lambda: all(c.state == "stopped" for c in self._clients), 20)
        assert wait_until(lambda: not private_folders(self.folder), 20), private_folders(self.folder)
        assert wait_until(lambda: not any(map(is_alive, pids)), 20)


def scan_of(volume: Volume, key: str = "") -> Scan:
    return Scan(volume.voxels, volume.geometry, key)


def method_of_the_worker():
    """How a worker's corrections carry marks further; torch is imported only where a model has a refiner."""
    from PancreasSegLib.models import find_package
    from PancreasSegLib.refine.propagation import WeightFree

    if find_package("default").refiner is None:
        return WeightFree()
    from PancreasSegLib.inference.refiner import propagation_of

    return propagation_of("default")


def oblique(left_handed: bool) -> Geometry:
    """A tilted grid whose axes run in an unusual order."""
    a, b = np.deg2rad(12), np.deg2rad(-7)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    axes = turn[:, [2, 0, 1]]  # i to Superior, j to Left, k to Posterior: right-handed
    if left_handed:
        axes[:, 0] *= -1
    return Geometry((40, 90, 70), (5.0, 4.0, 4.0), (30.0, -20.0, 500.0), tuple(axes.ravel()))


def write_launcher(folder: Path, fault: str = "", sibling: Path | None = None) -> Path:
    """Write an interpreter that runs some code before the worker; see the fixture `launcher` in conftest.py."""
    if sys.platform == "win32":
        pytest.skip("the launcher is a shell script")
    number = len(list(folder.glob("launcher-*")))
    prelude = folder / f"prelude-{number}.py"
    prelude.write_text(_PRELUDE.format(project=str(PROJECT), fault=textwrap.dedent(fault)))
    beside = f"sleep 600 &\necho $! > '{sibling}'\n" if sibling else ""
    script = folder / f"launcher-{number}"
    script.write_text(f"#!/bin/sh\n{beside}'{sys.executable}' '{prelude}' \"$@\"\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


_PRELUDE = """\
import runpy, sys
sys.argv = [arg for arg in sys.argv[1:] if arg != "-s"]
sys.path[0] = {project!r}
{fault}
sys.path.insert(0, "")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


_SLOW = """
import time
from PancreasSegLib.inference import tracker
emit = tracker.Tracker._emit
def slowly(self, force=False):
    emit(self, force)
    if force:
        time.sleep({seconds})
tracker.Tracker._emit = slowly
"""

SLOW = _SLOW.format(seconds=0.5)
"""Each stage of a run begins with half a second of nothing."""

DEAF = (
    _SLOW.format(seconds=4)
    + """
from PancreasSegLib.progress import CancelToken
CancelToken.check = lambda self: None
"""
)
"""A worker that does not obey cancel, and takes long."""
