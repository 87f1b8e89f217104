"""A stand-in for 3D Slicer's application, for tests: real MRML, imitated Qt binding and module classes.

Used as::

    from host import start_host

    host = start_host()
    host.module("PancreasSeg/PancreasSeg.py")
    host.click("segmentButton")
    host.process_events(until=lambda: ..., timeout=60)

What is real: the MRML scene, its nodes, storage, logics, undo and displayable managers (``slicer-core``), and
``slicer.util``. What is imitated: the Qt binding (PySide6 made to behave like PythonQt), the widgets of qMRML and
CTK, the classes for scripted modules, the typed parameter node, the application object. Whatever is not imitated
raises. A module that passes here has still not been run in 3D Slicer.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .availability import unavailable

if TYPE_CHECKING:
    from .host import Host, start_host

__all__ = ["Host", "start_host", "unavailable"]


def __getattr__(name: str) -> Any:
    """Import the host when it is asked for: importing it changes PySide6 and the module ``slicer``."""
    if name in ("Host", "start_host"):
        importlib.import_module(".pythonqt", __name__)  # first: it chooses how PySide6's enumerators behave
        return getattr(importlib.import_module(".host", __name__), name)
    raise AttributeError(name)
