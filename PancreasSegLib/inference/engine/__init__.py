"""Engines that run networks: OpenVINO on CPUs, without PyTorch; PyTorch on GPUs, for learning, and on request.

What flows through: a stage of a package goes into `Engine.load`, once a member, and comes out as a
`Member`, which turns images into probabilities. `engine_of` gives the engine of a device. Importing
this module imports neither of the two.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from PancreasSegLib.inference.engine.protocol import Engine, Member

__all__ = ["ENGINES", "Engine", "Member", "engine_of", "is_installed"]

ENGINES = {"openvino": "OpenVINO", "torch": "PyTorch"}
"""Engines by the name of their Python package, and how a person calls them."""


def is_installed(name: str) -> bool:
    """Whether the Python package of an engine is there; it is not imported."""
    return find_spec(name) is not None


def engine_of(name: str) -> Engine:
    """Return an engine by a key of `ENGINES`; its Python package is imported on its first use."""
    engine: Engine = import_module(f"PancreasSegLib.inference.engine.{name}_engine").ENGINE
    return engine
