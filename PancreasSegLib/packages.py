"""Which Python packages each part of PancreasSeg needs, which are here, and how to get the others.

Nothing is imported to find out, and nothing but Python itself is needed for it: 3D Slicer's panel asks too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass

from PancreasSegLib.errors import MissingPackageError


@dataclass(frozen=True)
class Package:
    """A Python package and the lowest version of it that will do.

    Attributes
    ----------
    distribution : str
        What pip installs.
    least : str
        Lowest version.
    module : str
        What is imported; empty where it is called as the distribution.
    """

    distribution: str
    least: str
    module: str = ""

    @property
    def requirement(self) -> str:
        """The text for pip."""
        return f"{self.distribution}>={self.least}"

    @property
    def root(self) -> str:
        """What is imported."""
        return self.module or self.distribution

    @property
    def version(self) -> str | None:
        """The version that is here, empty if it has none to be asked for; None if the package is not here."""
        try:
            if importlib.util.find_spec(self.root) is None:
                return None
        except (ImportError, ValueError):
            return None
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:  # built into the application
            return ""

    @property
    def will_do(self) -> bool:
        """Whether it is here and new enough."""
        version = self.version
        return version == "" or (version is not None and _numbers(version) >= _numbers(self.least))


@dataclass(frozen=True)
class Extra:
    """Packages that only a part of PancreasSeg needs.

    Attributes
    ----------
    name : str
        As pip takes it in brackets.
    purpose : str
        What they are for; completes "needed for".
    packages : tuple of Package
        Without those of the extras that it builds on.
    builds_on : tuple of str
        Extras that come along.
    """

    name: str
    purpose: str
    packages: tuple[Package, ...]
    builds_on: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """How to get it, as a sentence."""
        return f"In the folder of PancreasSeg, run `pip install '.[{self.name}]'`."

    def missing(self) -> list[Package]:
        """Return what is not here or too old, of the extras that it builds on first."""
        before = [package for name in self.builds_on for package in EXTRAS[name].missing()]
        return before + missing(self.packages)


ENGINE = Package("openvino", "2025.4")
WORKER = (
    Package("numpy", "1.24"),
    Package("scipy", "1.10"),
    Package("SimpleITK", "2.3"),
    Package("pydicom", "2.4"),
    ENGINE,
)
"""What segmenting and correcting need; 3D Slicer ships all but the engine."""

COMMAND_LINE = (
    Package("typer", "0.12"),
    Package("rich", "13"),
    Package("matplotlib", "3.7"),
    Package("isal", "1.6"),
)
"""What the command line and its pictures need beside that."""

TORCH = Package("torch", "2.8")
_ALL = (
    Extra(
        "torch",
        "GPUs, for a model that learns a patient, and for the import and export of models",
        (
            TORCH,
            Package("monai", "1.5"),
            Package("safetensors", "0.4.3"),
            Package("onnx", "1.17"),
            Package("pyyaml", "6", "yaml"),
        ),
    ),
    Extra(
        "train",
        "training, and for corrections by a simulated reader",
        (
            Package("pydantic", "2.6"),
            Package("tensorboard", "2.14"),
            Package("einops", "0.6"),
            Package("scikit-image", "0.21", "skimage"),
        ),
        builds_on=("torch",),
    ),
    Extra("dicomseg", "DICOM SEG output", (Package("highdicom", "0.23"),)),
    Extra(
        "cohort",
        "cohorts",
        (
            Package("distributed", "2024.8"),
            Package("dask-jobqueue", "0.9", "dask_jobqueue"),
            Package("pyarrow", "15"),
            Package("fsspec", "2024.2"),
        ),
        builds_on=("dicomseg",),
    ),
    Extra(
        "export",
        "the export of models to ONNX",
        (Package("onnxruntime", "1.19"), Package("onnxscript", "0.5")),
        builds_on=("torch",),
    ),
)
EXTRAS = {extra.name: extra for extra in _ALL}
"""The extras by name."""


def missing(packages: tuple[Package, ...]) -> list[Package]:
    """Return the packages that are not here or too old."""
    importlib.invalidate_caches()
    return [package for package in packages if not package.will_do]


def require(extra: str, what: str) -> None:
    """Refuse what cannot be done without an extra.

    Parameters
    ----------
    extra : str
        Name of an extra.
    what : str
        What was asked for, as the subject of a sentence.

    Raises
    ------
    MissingPackageError
        If a package of it is not here; the sentence names what is missing, the hint says how to get it.
    """
    lacking = EXTRAS[extra].missing()
    if lacking:
        names = " and ".join(", ".join(p.distribution for p in lacking).rsplit(", ", 1))
        raise MissingPackageError(f"{what} needs {names}, which {_are(lacking)} not here.", EXTRAS[extra].command)


def sentence_for(error: ImportError) -> MissingPackageError | None:
    """Return the error for the user if a package of ours could not be imported; None if it is another one."""
    root = (error.name or "").partition(".")[0]
    for extra in EXTRAS.values():
        if any(package.root == root for package in extra.packages):
            return MissingPackageError(
                f"The Python package {root} is not here; it is needed for {extra.purpose}.", extra.command
            )
    if any(package.root == root for package in WORKER + COMMAND_LINE):
        return MissingPackageError(
            f"The Python package {root} is not here.", "In the folder of PancreasSeg, run `pip install .`."
        )
    return None


def _are(packages: list[Package]) -> str:
    return "is" if len(packages) == 1 else "are"


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a release, trailing zeros left out.

    Examples
    --------
    >>> _numbers("2.13.0+cpu"), _numbers("2026.4.1")
    ((2, 13), (2026, 4, 1))
    """
    found = [int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version, maxsplit=1)[0])]
    while found and not found[-1]:
        found.pop()
    return tuple(found)
