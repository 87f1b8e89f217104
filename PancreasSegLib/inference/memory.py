"""How much memory there is, and how much this process has used at the most."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_MB = 1 << 20
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_memory_mb() -> float:
    """Return the main memory that can still be taken without swapping, in MB.

    A container's limit (cgroup v2) counts where it is lower than what the machine has free.
    """
    if sys.platform == "win32":
        return _windows_available_mb()
    if _MEMINFO.exists():
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text(encoding="ascii").splitlines())
        free = float(lines["MemAvailable"].split()[0]) / 1024
        return min(free, _cgroup_free_mb())
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MB
    return 0.5 * total  # macOS tells no portable figure of what is free; it compresses before it swaps


def current_memory_mb() -> float:
    """Return the resident memory of this process, in MB; its peak where the present figure is not known."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MB
    return peak_memory_mb()


def peak_memory_mb() -> float:
    """Return the most resident memory that this process has had, in MB; 0 where that is not known."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MB if sys.platform == "darwin" else peak / 1024


def _cgroup_free_mb() -> float:
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        parts = dict(line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return float("inf")
    cached = int(parts.get("inactive_file", 0))  # the kernel gives this back when asked
    return (int(limit) - used + cached) / _MB if limit.isdigit() else float("inf")


def _windows_available_mb() -> float:
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *[
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page", "pagefree", "virtual", "left", "ext")
            ],
        ]

    status = Status()
    status.length = ctypes.sizeof(Status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return float(status.free) / _MB
