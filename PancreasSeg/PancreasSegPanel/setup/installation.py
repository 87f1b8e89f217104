"""Install what is missing: torch through PyTorchUtils, the rest through Slicer's own pip, or all from a folder."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import slicer

from PancreasSegLib.errors import CancelledError, MissingPackageError
from PancreasSegPanel.setup.packages import SHIPPED, TORCH, Needed, missing_packages


def sentence_about(missing: Sequence[Needed]) -> str:
    """Say what is missing, in words; empty if nothing is."""
    if not missing:
        return ""
    names = ", ".join(needed.distribution for needed in missing)
    size = " PyTorch is large: up to 3 GB with CUDA, 200 MB without." if TORCH in missing else ""
    return f"Before the first use, Python packages must be installed: {names}.{size}"


def install(missing: Sequence[Needed]) -> None:
    """Download and install packages; blocks, with Slicer's own windows.

    Raises
    ------
    MissingPackageError
        If something could not be installed; the hint says what to do.
    CancelledError
        If the user declined.
    """
    if TORCH in missing:
        _install_torch()
    rest = [needed.requirement for needed in missing if needed is not TORCH]
    if rest:
        _pip(rest)
    _check(missing)


def install_from_folder(missing: Sequence[Needed], folder: Path) -> None:
    """Install packages from wheel files, without network.

    Parameters
    ----------
    missing : sequence of Needed
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
            "Fill it on another computer: pip download --only-binary=:all: -d FOLDER torch monai scikit-image "
            "safetensors (same system and Python version).",
        )
    requirements = [needed.requirement for needed in missing]
    try:
        slicer.util.pip_install(["--no-index", "--find-links", str(folder), *requirements])
    except Exception as error:
        raise MissingPackageError(
            f"The packages could not be installed from {folder}.",
            "A wheel is missing or is for another system or Python version; the application's log names it.",
        ) from error
    _check(missing)


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise MissingPackageError(
            "PyTorch is missing, and the extension that installs the right build of it.",
            "Install the extension PyTorch in the Extensions Manager and restart Slicer, or use a wheel folder.",
        ) from error
    least = ".".join(str(n) for n in TORCH.least)
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=f">={least}"
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
            slicer_packaging.pip_ensure(wanted, requester="PancreasSeg", skip_packages=list(SHIPPED))
        else:
            slicer.util.pip_install(requirements)
    except Exception as error:
        raise MissingPackageError(
            f"{', '.join(requirements)} could not be installed.",
            "Check the network, or use a wheel folder; the application's log has the reason.",
        ) from error


def _check(wanted: Sequence[Needed]) -> None:
    left = [needed.distribution for needed in missing_packages() if needed in wanted]
    if left:
        raise MissingPackageError(
            f"Still missing: {', '.join(left)}.", "Restart Slicer and look again, or install from a wheel folder."
        )
