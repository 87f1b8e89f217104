"""Where a user's own files and what can be made again lie, as each operating system has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "PancreasSeg"


def data_folder() -> Path:
    """Return the folder for what the user adds, e.g. model packages; it need not exist yet."""
    if sys.platform == "win32":
        return _local_app_data() / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _NAME
    return _xdg("XDG_DATA_HOME", ".local/share") / _NAME


def cache_folder() -> Path:
    """Return the folder for what can be fetched or computed again; it need not exist yet."""
    if sys.platform == "win32":
        return _local_app_data() / _NAME / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / _NAME
    return _xdg("XDG_CACHE_HOME", ".cache") / _NAME


def _local_app_data() -> Path:
    return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")


def _xdg(variable: str, usual: str) -> Path:
    """Look at a variable of the XDG Base Directory Specification, which says that relative paths do not count."""
    chosen = os.environ.get(variable, "")
    return Path(chosen) if Path(chosen).is_absolute() else Path.home() / usual
