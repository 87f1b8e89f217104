"""``slicer.packaging``: what a module asks pip to install is recorded, and installed only in Slicer's Python."""

from __future__ import annotations

import types
from subprocess import CalledProcessError
from typing import Any

import slicer

from .slicer_python import SlicerPython


class Installations:
    """What was asked for, in order.

    Parameters
    ----------
    python
        Where it can be imported from then on, when that is switched on.

    Attributes
    ----------
    requests
        Arguments of each call, as text.
    fails
        Whether pip fails; the application shows a window with pip's log then.
    """

    def __init__(self, python: SlicerPython) -> None:
        self._python = python
        self.requests: list[list[str]] = []
        self.fails = False

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.fails = False

    def _install(self, requirements: Any) -> None:
        listed = requirements.split() if isinstance(requirements, str) else requirements
        asked = [str(each) for each in (listed if isinstance(listed, (list, tuple)) else [listed])]
        self.requests.append(asked)
        if self.fails:
            slicer.util.errorDisplay("Package installation failed.", detailedText="ERROR: no such package")
            raise CalledProcessError(1, "pip install")
        if self._python.on:
            self._python.install(asked)

    def module(self) -> types.ModuleType:
        """Return the Python module."""

        def pip_ensure(
            requirements: Any,
            constraints: Any = None,
            skip_packages: list[str] | None = None,
            prompt_install: bool = True,
            prompt_restart: bool = True,
            requester: str | None = None,
            skip_in_testing: bool = True,
            show_progress: bool = True,
        ) -> list[str] | None:
            if prompt_install and not slicer.util.confirmOkCancelDisplay("Packages need to be installed."):
                raise RuntimeError("User declined package installation")
            self._install(requirements)
            return [] if skip_packages else None

        def pip_install(requirements: Any, **keywords: Any) -> None:
            self._install(requirements)

        module = types.ModuleType("slicer.packaging", "Recorded by the test host, never installed.")
        module.pip_ensure = pip_ensure
        module.pip_install = pip_install
        return module
