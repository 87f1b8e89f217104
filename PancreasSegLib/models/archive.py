"""Zips of others, unpacked without leaving the folder or filling the disk."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from PancreasSegLib.errors import ModelPackageError, OutputError

MAX_PACKAGE_BYTES = 8 << 30
"""A package larger than this is refused."""

MAX_FILES = 2000
_CHUNK = 1 << 20
_NOT_SAFE = "Do not use it; tell its maker."


@contextmanager
def opened_zip(source: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; what is wrong with it becomes a sentence, also while members are read.

    Raises
    ------
    ModelPackageError
        If it is none, or broken.
    """
    if not os.access(source, os.R_OK):
        raise ModelPackageError(f"{source} cannot be read.", "Check its permissions.")
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise ModelPackageError(f"{source} is not a zip that can be read: {error}.") from error


def safe_members(archive: zipfile.ZipFile, source: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files of a zip by their path in it, all of which stay inside the folder they are unpacked to.

    Raises
    ------
    ModelPackageError
        If a path leads out, a member is a link, or the whole is too large.
    """
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    for member in members:
        name = member.filename
        mode = member.external_attr >> 16
        if name.startswith("/") or ".." in PurePosixPath(name).parts or any(c in name for c in "\\:\0"):
            raise ModelPackageError(
                f"{source} holds {name!r}, which would be written outside its folder.", _NOT_SAFE
            )
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise ModelPackageError(f"{source} holds {name!r}, which is a link or no plain file.", _NOT_SAFE)
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_PACKAGE_BYTES:
        raise ModelPackageError(f"{source} is too large for a model package.")
    return {m.filename: m for m in members if not PurePosixPath(m.filename).name.startswith(".")}


def extract(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], target: Path) -> None:
    """Unpack members to the paths that they are given, below a folder.

    Raises
    ------
    OutputError
        If there is no room.
    """
    needed, free = sum(member.file_size for member in members.values()), shutil.disk_usage(target).free
    if needed > free:
        raise OutputError(
            f"The package needs {needed / 1e6:.0f} MB and {target} has {free / 1e6:.0f} MB left.", "Make room."
        )
    for name, member in members.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # reads no more than the size that the archive declares, so a bomb ends there
        with archive.open(member) as packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file, _CHUNK)
