"""Connect a signal, and notice when it does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def connect(sender: Any, signal: str, slot: Callable[..., Any]) -> None:
    """Connect a Qt signal by its signature.

    PythonQt returns False for a signature that the class does not have and says nothing else.

    Raises
    ------
    RuntimeError
        If there is no such signal.
    """
    if not sender.connect(signal, slot):
        raise RuntimeError(f"{sender!r} has no signal {signal}.")
