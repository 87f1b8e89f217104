"""Install what the worker lacks through Slicer's own pip or from a folder; torch through PyTorchUtils."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import slicer

from PancreasSegLib.errors import CancelledError, MissingPackageError
from PancreasSegLib.packages import ENGINE, TORCH, WORKER, Package, missing

_SHIPPED = ("torch", "numpy", "SimpleITK")
"""Never replaced by an installation: Slicer's own builds, and torch, which PyTorchUtils chooses."""

_MEGABYTES = {ENGINE: 60}
"""What is fetched for a package of its own, about."""


def missing_packages() -> list[Package]:
    """Return what the worker lacks for segmenting and correcting."""
    return missing(WORKER)


def sentence_about(lacking: Sequence[Package]) -> str:
    """Say what is missing, in words; empty if nothing is."""
    if not lacking:
        return ""
    names = ", ".join(package.distribution for package in lacking)
    size = f" About {_MEGABYTES[ENGINE]} MB are fetched." if ENGINE in lacking else ""
    return f"Before the first use, Python packages must be installed: {names}.{size}"


def install(lacking: Sequence[Package]) -> None:
    """Download and install packages; blocks, with Slicer's own windows.

    Raises
    ------
    MissingPackageError
        If something could not be installed; the hint says what to do.
    CancelledError
        If the user declined.
    """
    if TORCH in lacking:
        _install_torch()
    rest = [package.requirement for package in lacking if package != TORCH]
    if rest:
        _pip(rest)
    _check(lacking)


def install_from_folder(lacking: Sequence[Package], folder: Path) -> None:
    """Install packages from wheel files, without network.

    Parameters
    ----------
    lacking : sequence of Package
        What to install.
    folder : Path
        Holds the wheels of the packages and of what they need.

    Raises
    ------
    MissingPackageError
        If there are no wheels in it, or something could not be installed.
    """
    if not any(folder.glob("*.whl")):
        raise MissingPackageError(
            f"The folder {folder} holds no wheel files.",
            "Fill it on another computer: pip download --only-binary=:all: -d FOLDER "
            f"{' '.join(package.distribution for package in lacking)} (same system and Python version).",
        )
    requirements = [package.requirement for package in lacking]
    try:
        slicer.util.pip_install(["--no-index", "--find-links", str(folder), *requirements])
    except Exception as error:
        raise MissingPackageError(
            f"The packages could not be installed from {folder}.",
            "A wheel is missing or is for another system or Python version; the application's log names it.",
        ) from error
    _check(lacking)


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise MissingPackageError(
            "PyTorch is missing, and the extension that installs the right build of it.",
            "Install the extension PyTorch in the Extensions Manager and restart Slicer, or use a wheel folder.",
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=f">={TORCH.least}"
        )
    except Exception as error:
        raise MissingPackageError(
            "PyTorch could not be installed.",
            "Check the network and the free disk space, or use a wheel folder; the application's log says why.",
        ) from error
    if torch is None:
        raise CancelledError("PyTorch was not installed.")


def _pip(requirements: list[str]) -> None:
    """Install through slicer.packaging (Slicer 5.12), or through slicer.util (5.10)."""
    try:
        slicer_packaging = importlib.import_module("slicer.packaging")
    except ImportError:
        slicer_packaging = None
    try:
        if slicer_packaging is not None and hasattr(slicer_packaging, "pip_ensure"):
            from packaging.requirements import Requirement

            wanted = [Requirement(text) for text in requirements]
            slicer_packaging.pip_ensure(wanted, requester="PancreasSeg", skip_packages=list(_SHIPPED))
        else:
            slicer.util.pip_install(requirements)
    except Exception as error:
        raise MissingPackageError(
            f"{', '.join(requirements)} could not be installed.",
            "Check the network, or use a wheel folder; the application's log has the reason.",
        ) from error


def _check(wanted: Sequence[Package]) -> None:
    left = [package.distribution for package in missing(tuple(wanted))]
    if left:
        raise MissingPackageError(
            f"Still missing: {', '.join(left)}.", "Restart Slicer and look again, or install from a wheel folder."
        )
