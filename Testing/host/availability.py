"""Says whether the test host can run on this machine."""

from __future__ import annotations

import ctypes.util
import importlib.util
import sys

LIBRARIES = ("EGL", "GL", "xkbcommon", "dbus-1", "fontconfig")


def unavailable() -> str:
    """Return why the test host cannot run here, or an empty text."""
    for module, package in (("slicer_core", "slicer-core"), ("PySide6", "PySide6-Essentials")):
        if importlib.util.find_spec(module) is None:
            return f"{package} is not installed (pip install the extra 'test')"
    if sys.platform.startswith("linux"):
        missing = [name for name in LIBRARIES if ctypes.util.find_library(name) is None]
        if missing:
            return f"system libraries are missing: {', '.join(missing)} (.ci/setup test installs them on Debian)"
    return ""
