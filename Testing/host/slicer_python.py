"""Slicer's Python: only what 3D Slicer ships can be imported, here and in the worker, until more is installed.

Only the standard library is used: the worker's interpreter runs the lower half of this file as it starts.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SHIPPED = """
numpy scipy SimpleITK pydicom requests packaging PIL setuptools pip wheel dicomweb_client cryptography pyparsing
dateutil typing_extensions six certifi charset_normalizer idna urllib3 cffi _cffi_backend
"""
"""What is imported from the packages of 3D Slicer 5.10 (5.12 has highdicom too)."""
STAND_INS = """
slicer slicer_core vtk vtkmodules PySide6 shiboken6
pytest _pytest py pluggy iniconfig hypothesis execnet xdist pytest_timeout sortedcontainers attr exceptiongroup
tomli pygments psutil __main__
"""
"""What stands in for the application here, and what runs the tests."""
_ALLOWED = frozenset(f"{SHIPPED} {STAND_INS}".split())
OURS = ("PancreasSegLib", "PancreasSegPanel", "PancreasSeg")

_LAUNCHER = """#!/bin/sh
PYTHONPATH="{folder}" exec "{python}" "$@"
"""
_AT_START = """import sys
sys.path.append({testing!r})
from host.slicer_python import hide_what_is_missing
hide_what_is_missing({installed!r})
sys.path.remove({testing!r})
"""


class SlicerPython:
    """Switches this process, and the interpreter ``PythonSlicer`` that a worker is started with.

    Parameters
    ----------
    folder : Path
        Where the interpreter and the list of what is installed are written.

    Attributes
    ----------
    folder : Path
        Of this interpreter; modules in it are found by it first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "SlicerPython"
        self._list = self.folder / "installed.json"
        self._saved: tuple[list[Any], dict[str, Any], dict[str, str]] | None = None
        self._hidden: set[str] = set()

    @property
    def on(self) -> bool:
        """Whether only Slicer's packages can be imported."""
        return self._saved is not None

    def begin(self) -> None:
        """Hide what Slicer lacks, forget the settings ``PANCREASSEG_*``, and import our own files anew."""
        self._write_interpreter()
        dropped = {name: module for name, module in sys.modules.items() if _to_be_dropped(name, module)}
        self._saved = (list(sys.meta_path), dropped, dict(os.environ))
        for name in dropped:
            del sys.modules[name]
        for name in [name for name in os.environ if name.startswith("PANCREASSEG_")]:
            del os.environ[name]
        os.environ["PATH"] = os.pathsep.join([str(self.folder), os.environ.get("PATH", "")])
        hide_what_is_missing(str(self._list))

    def install(self, requirements: Iterable[str]) -> None:
        """Let distributions be imported from now on, with all that they need, as after pip."""
        installed = set(json.loads(self._list.read_text("utf-8")))
        waiting = [_name(text) for text in requirements if not text.startswith(("-", "/"))]
        while waiting:
            name = waiting.pop()
            if name not in installed:
                installed.add(name)
                needed = importlib.metadata.requires(name) or []
                waiting += [_name(text) for text in needed if "extra ==" not in text]
        self._list.write_text(json.dumps(sorted(installed)), "utf-8")

    def end(self) -> None:
        """Import again what there is."""
        if self._saved is None:
            return
        finders, dropped, environment = self._saved
        self._saved = None
        sys.meta_path[:] = finders
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
        sys.modules.update(dropped)
        os.environ.clear()
        os.environ.update(environment)

    def _write_interpreter(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._list.write_text("[]", "utf-8")
        launcher = self.folder / "PythonSlicer"
        launcher.write_text(_LAUNCHER.format(folder=self.folder, python=sys.executable), "utf-8")
        launcher.chmod(0o755)
        testing = str(Path(__file__).resolve().parents[1])
        at_start = _AT_START.format(testing=testing, installed=str(self._list))
        (self.folder / "sitecustomize.py").write_text(at_start, "utf-8")


def hide_what_is_missing(installed: str) -> None:
    """Hide from this process's imports what neither Slicer ships nor a file lists as installed."""
    sys.meta_path[:] = [_Filter(finder, Path(installed)) for finder in sys.meta_path]


class _Filter:
    """A finder of modules that finds no hidden ones."""

    def __init__(self, finder: Any, installed: Path) -> None:
        self._finder, self._installed = finder, installed

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        spec = self._finder.find_spec(name, path, target)
        hidden = spec is not None and path is None and _is_package(spec) and not self._is_installed(name)
        return None if hidden else spec

    def _is_installed(self, module: str) -> bool:
        if module in _ALLOWED:
            return True
        distributions = _distributions().get(module, [])
        return bool({_name(each) for each in distributions} & set(json.loads(self._installed.read_text("utf-8"))))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _is_package(spec: Any) -> bool:
    """Whether a module comes from an installed package, not from the standard library or a checkout."""
    places = [spec.origin or "", *(spec.submodule_search_locations or [])]
    return any(re.search(r"[\\/](site|dist)-packages[\\/]", place) for place in places)


def _to_be_dropped(name: str, module: Any) -> bool:
    top = name.split(".")[0]
    if top in OURS:
        return True
    spec = getattr(sys.modules.get(top), "__spec__", None)
    return top not in _ALLOWED and spec is not None and _is_package(spec)


def _name(requirement: str) -> str:
    """Return the name in a requirement, as indexes compare names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0]).lower()
