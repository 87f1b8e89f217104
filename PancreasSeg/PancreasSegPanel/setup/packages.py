"""Which Python packages the worker needs and which of them are not there; nothing is imported to find out."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Needed:
    """A package.

    Attributes
    ----------
    module : str
        What is imported.
    distribution : str
        What pip installs.
    least : tuple of int
        Lowest version that will do.
    """

    module: str
    distribution: str
    least: tuple[int, ...]

    @property
    def requirement(self) -> str:
        """The text for pip."""
        return f"{self.distribution}>={'.'.join(str(n) for n in self.least)}"


TORCH = Needed("torch", "torch", (2, 4))
OTHERS = (
    Needed("numpy", "numpy", (1, 24)),
    Needed("scipy", "scipy", (1, 10)),
    Needed("skimage", "scikit-image", (0, 21)),
    Needed("SimpleITK", "SimpleITK", (2, 3)),
    Needed("monai", "monai", (1, 4)),
    Needed("safetensors", "safetensors", (0, 4, 3)),
    Needed("pydicom", "pydicom", (2, 4)),
)
SHIPPED = ("torch", "numpy", "SimpleITK")
"""Never replaced by an installation: Slicer's own builds, and torch, which PyTorchUtils chooses."""


def missing_packages() -> list[Needed]:
    """Return what is not installed or too old, torch first."""
    importlib.invalidate_caches()
    return [needed for needed in (TORCH, *OTHERS) if not _is_there(needed)]


def _is_there(needed: Needed) -> bool:
    try:
        if importlib.util.find_spec(needed.module) is None:
            return False
    except (ImportError, ValueError):
        return False
    try:
        version = importlib.metadata.version(needed.distribution)
    except importlib.metadata.PackageNotFoundError:
        return True  # built into the application: its own version will do
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[: len(needed.least)])
    return numbers >= needed.least
