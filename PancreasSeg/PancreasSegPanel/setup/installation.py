"""Install Python packages by Slicer's own pip or from a folder; PyTorch by the extension of that name."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import slicer

from PancreasSegLib.errors import CancelledError, MissingPackageError
from PancreasSegLib.packages import EXTRAS, TORCH, Package, missing
from PancreasSegLib.worker.environment import import_problem
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.worker_client import worker_python

_ = translator(__name__)

EXTENSION = "PyTorch"
_KEPT = ("numpy", "scipy", "SimpleITK", "pydicom", "torch")
"""Slicer's own builds, and the torch that suits the graphics card: pip keeps them; the others must suit them."""
_MEGABYTES = {"openvino": 60, "torch": 200, "monai": 2, "safetensors": 1, "onnx": 18}
"""What is downloaded for a package, about; PyTorch for a graphics card is `CUDA_MEGABYTES`."""
CUDA_MEGABYTES = 3000


def missing_for_learning() -> list[Package]:
    """Return what the worker lacks for GPUs and for learning."""
    return EXTRAS["torch"].missing()


def has_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is installed; nothing is loaded to find out."""
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll").is_file()
    return Path("/proc/driver/nvidia/version").is_file() or shutil.which("nvidia-smi") is not None


def list_with_size(packages: Sequence[Package]) -> str:
    """Name packages and what is downloaded for them, e.g. "openvino (about 60 MB)"."""
    names = ", ".join(package.distribution for package in packages)
    size = sum(_MEGABYTES.get(package.distribution, 0) for package in packages)
    if TORCH in packages and has_gpu():
        size += CUDA_MEGABYTES
    text = f"{size / 1000:.0f} GB" if size >= 1000 else f"{size} MB"
    return _("{names} (about {size})").format(names=names, size=text) if size else names


def install(packages: Sequence[Package], folder: Path | None = None) -> None:
    """Install packages; blocks, with Slicer's own progress, and with its window about pip's log if pip fails.

    Parameters
    ----------
    packages : sequence of Package
        What to install.
    folder : Path, optional
        Wheel files of the packages and of what they need; nothing is downloaded then.

    Raises
    ------
    MissingPackageError
        If something could not be installed, or cannot be imported by the worker's interpreter.
    CancelledError
        If the user was asked by the extension PyTorch, and declined.
    """
    if folder is not None:
        _check_folder(folder, packages)
    elif TORCH in packages:
        _install_torch()
        packages = [package for package in packages if package != TORCH]
    _pip(packages, folder)
    _check(packages)


def has_extension() -> bool:
    """Whether the modules of the extension PyTorch are loaded."""
    try:
        import PyTorchUtils  # noqa: F401
    except ImportError:
        return False
    return True


def install_extension() -> None:
    """Install the extension that installs the right build of PyTorch; it can be used after a restart.

    Raises
    ------
    MissingPackageError
        If the extensions' server has none for this version of Slicer, or cannot be reached.
    """
    model = slicer.app.extensionsManagerModel()
    if model.isExtensionInstalled(EXTENSION):
        return
    model.interactive = False  # no questions about what it needs
    if not model.installExtensionFromServer(EXTENSION, False):
        raise MissingPackageError(
            _("The extension PyTorch could not be installed."),
            _("Check the network, try the Extensions Manager, or install PyTorch from a wheel folder."),
        )


def _install_torch() -> None:
    import PyTorchUtils

    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=False, torchVersionRequirement=f">={TORCH.least}"
        )
    except Exception as error:
        raise MissingPackageError(
            _("PyTorch could not be installed."),
            _("Check the network and the free disk space; the application's log says why."),
        ) from error
    if torch is None:
        raise CancelledError(_("PyTorch was not installed."))


def _pip(packages: Sequence[Package], folder: Path | None) -> None:
    if not packages:
        return
    arguments = [] if folder is None else ["--no-index", "--find-links", str(folder)]
    arguments += [package.requirement for package in packages]
    asked = {package.distribution for package in packages}
    kept = {name: Package(name, "0").version for name in _KEPT if name not in asked}
    arguments += [f"{name}=={version}" for name, version in kept.items() if version]
    try:
        slicer.util.pip_install(arguments)
    except Exception as error:
        names = ", ".join(package.distribution for package in packages)
        raise MissingPackageError(
            _("{names} could not be installed.").format(names=names),
            _("Check the network, or use a wheel folder; the application's log has the reason.")
            if folder is None
            else _("A wheel is missing, or is for another system or Python version; the log names it."),
        ) from error


def _check_folder(folder: Path, packages: Sequence[Package]) -> None:
    if not any(folder.glob("*.whl")):
        names = " ".join(package.distribution for package in packages)
        raise MissingPackageError(
            _("The folder {folder} holds no wheel files.").format(folder=folder),
            _("Fill it on another computer with the same system and Python version: {command}").format(
                command=f"pip download --only-binary=:all: -d FOLDER {names}"
            ),
        )


def _check(packages: Sequence[Package]) -> None:
    """Import the packages as the worker will: what is there may still lack something of its own."""
    left = [package.distribution for package in missing(tuple(packages))]
    if left:
        raise MissingPackageError(
            _("Still missing: {names}.").format(names=", ".join(left)), _("Restart Slicer and look again.")
        )
    reason = import_problem(worker_python(), [package.root for package in packages])
    if reason:
        raise MissingPackageError(
            _("What was installed cannot be used: {reason}.").format(reason=reason.rstrip(".")),
            _("Install again; if it stays, report this line with Slicer's version."),
        )
