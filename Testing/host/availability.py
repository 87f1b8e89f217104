"""Says whether the test host can run on this machine; as a script (``.ci/setup`` runs it) by its exit status."""

from __future__ import annotations

import ctypes
import importlib.util
import sys

# What Qt and OpenGL load from the system; their wheels bring the rest.
LIBRARIES = (
    "libEGL.so.1",
    "libGL.so.1",
    "libX11.so.6",
    "libxkbcommon.so.0",
    "libdbus-1.so.3",
    "libfontconfig.so.1",
    "libglib-2.0.so.0",
)


def unavailable() -> str:
    """Return why the test host cannot run here, or an empty text."""
    for module, package in (("slicer_core", "slicer-core"), ("PySide6", "PySide6-Essentials")):
        if importlib.util.find_spec(module) is None:
            return f"{package} is not installed (it comes with the extra 'test', where there is a wheel for it)"
    if sys.platform.startswith("linux"):
        missing = [name for name in LIBRARIES if not _loads(name)]
        if missing:
            return f"system libraries are missing: {', '.join(missing)} (on Debian, .ci/setup test installs them)"
    return ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(unavailable() or 0)
