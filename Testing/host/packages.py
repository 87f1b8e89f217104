"""``slicer.packaging``: what a module asks pip to install is recorded, never installed."""

from __future__ import annotations

import types
from typing import Any


class Installations:
    """What was asked for, in order.

    Attributes
    ----------
    requests
        Requirements of each call, as text.
    failure
        Raised by the next calls when set, e.g. ``subprocess.CalledProcessError``.
    """

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.failure: Exception | None = None

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.failure = None

    def _record(self, requirements: Any) -> None:
        listed = requirements.split() if isinstance(requirements, str) else requirements
        self.requests.append([str(each) for each in (listed if isinstance(listed, (list, tuple)) else [listed])])
        if self.failure is not None:
            raise self.failure

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
            self._record(requirements)
            return [] if skip_packages else None

        def pip_install(requirements: Any, **keywords: Any) -> None:
            self._record(requirements)

        module = types.ModuleType("slicer.packaging", "Recorded by the test host, never installed.")
        module.pip_ensure = pip_ensure
        module.pip_install = pip_install
        return module
