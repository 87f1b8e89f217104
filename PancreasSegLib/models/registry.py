"""Which model packages there are: the built-in default and those in the user's data folder."""

from __future__ import annotations

import difflib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import ModelPackageError, OutputError, PancreasSegError
from PancreasSegLib.models.metadata import METADATA_FILE, load_package
from PancreasSegLib.models.ownership import remove_package_folder
from PancreasSegLib.models.package import ModelPackage
from PancreasSegLib.storage.temporary_folder import sweep
from PancreasSegLib.user_folders import data_folder

DEFAULT = "default"
FOLDER_VARIABLE = "PANCREASSEG_MODELS"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A place where a package lies or should lie.

    Attributes
    ----------
    name : str
        What ``--model`` takes: ``"default"`` or the folder's name.
    path : Path
        Its folder.
    built_in : bool
        Whether it came with the library.
    package : ModelPackage or None
        What it is, None if it cannot be read.
    error : PancreasSegError or None
        Why not.
    """

    name: str
    path: Path
    built_in: bool
    package: ModelPackage | None
    error: PancreasSegError | None


def default_folder() -> Path:
    """Return the folder of the default package, inside the library."""
    return Path(__file__).parent / DEFAULT


def packages_folder() -> Path:
    """Return the folder of the packages that the user added.

    ``$PANCREASSEG_MODELS`` if set, else ``models`` in PancreasSeg's folder among the user's application data.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return data_folder() / "models"


def scan_packages() -> list[Entry]:
    """Look at every package, the default first; broken ones come with the reason."""
    entries = [_entry(DEFAULT, default_folder(), True)] if default_folder().is_dir() else []
    folder = packages_folder()
    sweep(folder)  # a package that was being replaced when the process was killed gets its name again
    try:
        found = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except FileNotFoundError:
        found = []
    except OSError as error:
        raise ModelPackageError(
            f"The models folder {folder} cannot be read: {error.strerror or error}.",
            f"Set ${FOLDER_VARIABLE} to another folder.",
        ) from error
    return entries + [_entry(path.name, path, False) for path in found if path.name != DEFAULT]


def _entry(name: str, path: Path, built_in: bool) -> Entry:
    try:
        return Entry(name, path, built_in, load_package(path), None)
    except PancreasSegError as error:
        return Entry(name, path, built_in, None, error)


def list_packages() -> list[ModelPackage]:
    """List the packages that can be read, the default first; broken ones are logged and left out."""
    packages = []
    for entry in scan_packages():
        if entry.package is None:
            log.warning("Model package %s is left out: %s", entry.name, entry.error)
        else:
            packages.append(entry.package)
    return packages


def find_package(name_or_path: str | Path = DEFAULT) -> ModelPackage:
    """Find a package by name, or read the one in a folder.

    Parameters
    ----------
    name_or_path : str or Path
        ``"default"``, the name of a package that was added, or a package's folder.

    Raises
    ------
    ModelPackageError
        If there is none, with the names that there are; or if it cannot be read.
    """
    text = str(name_or_path)
    if text == DEFAULT:
        return load_package(default_folder())
    path = Path(name_or_path).expanduser()
    for place in (path, packages_folder() / path):
        if not place.exists():  # it may have been at being replaced when a process was killed
            sweep(place.parent)
    if path.is_file():
        raise ModelPackageError(
            f"{path} is a file, not a model package.", f"`pancreasseg models add {path.name}` unpacks a zip first."
        )
    if (path / METADATA_FILE).is_file() or path.is_absolute() or len(path.parts) > 1:
        return load_package(path)
    if text not in ("", ".", "..") and (packages_folder() / text).is_dir():
        return load_package(packages_folder() / text)
    names = [entry.name for entry in scan_packages()]
    close = difflib.get_close_matches(text, names, 1)
    meant = f"Did you mean {close[0]}? " if close else ""
    raise ModelPackageError(
        f"There is no model package {text!r}.",
        f"{meant}There is {', '.join(names) or 'none'}; a folder works too.",
    )


def remove_package(name: str) -> Path:
    """Remove a package that the user added.

    Parameters
    ----------
    name : str
        As `scan_packages` names it; a broken one can be removed too.

    Returns
    -------
    Path
        The folder that is gone.

    Raises
    ------
    ModelPackageError
        If it is the built-in one or there is none of that name.
    OutputError
        If it holds what is not a package's, or cannot be removed.
    """
    entry = next((e for e in scan_packages() if e.name == name), None)
    if entry is None:
        raise ModelPackageError(f"There is no model package {name!r}.", "`pancreasseg models list` shows them.")
    if entry.built_in:
        raise ModelPackageError(f"The package {name} came with PancreasSeg and stays.")
    try:
        if entry.path.is_symlink():
            entry.path.unlink()
        else:
            remove_package_folder(entry.path)
    except OSError as error:
        raise OutputError(
            f"{entry.path} cannot be removed: {error.strerror or error}.", "Check its permissions."
        ) from error
    return entry.path
