"""How many CPU threads a run should use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads() -> int:
    """Return the physical cores that this process may use.

    A second thread on the same core slows convolutions down. The process's CPU affinity, a container's CPU quota
    (cgroup v2) and ``OMP_NUM_THREADS`` are obeyed.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return max(1, min(_physical_cores(), _quota()))


def _physical_cores() -> int:
    if sys.platform.startswith("linux"):
        allowed = os.sched_getaffinity(0)
        siblings = {_text(_CPUS / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in allowed}
        return len(siblings)
    if sys.platform == "darwin":
        for key in ("hw.perflevel0.physicalcpu", "hw.physicalcpu"):
            found = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, check=False)
            if found.returncode == 0 and found.stdout.strip().isdigit():
                return int(found.stdout)
    return max(1, (os.cpu_count() or 1) // 2)  # Windows counts threads, two a core on most computers


def _quota() -> int:
    """Return the whole CPUs that a container's quota allows, many if there is none."""
    quota, _, period = _text(_CGROUP_QUOTA).partition(" ")
    if quota.isdigit() and period.isdigit():
        return max(1, int(quota) // int(period))
    return 1 << 16


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
