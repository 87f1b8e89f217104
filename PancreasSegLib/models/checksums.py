"""SHA-256 sums of a package's files, in the format of ``sha256sum``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from PancreasSegLib.errors import ModelPackageError

SUMS_FILE = "SHA256SUMS"
_CHUNK = 1 << 20
_MAX_SUMS_BYTES = 1 << 20
_AGAIN = "Get the package again from where it came."


def file_inside(folder: Path, name: str) -> Path:
    """Find a file by its name in a package, without ever leaving the package.

    Parameters
    ----------
    folder : Path
        The package.
    name : str
        Relative path with forward slashes, from the package's own files: not to be trusted.

    Returns
    -------
    Path
        A regular file inside the folder.

    Raises
    ------
    ModelPackageError
        If the name is absolute, climbs out with ``..``, is a link, or there is no such file.
    """
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if not parts or name.startswith("/") or ".." in parts or any(c in name for c in '\\:\0\n\r<>"|?*'):
        raise ModelPackageError(
            f"The model package {folder} names the file {name!r}, which is not a plain path inside it.", _AGAIN
        )
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise ModelPackageError(f"{path} in the model package is a link.", "Put the file itself in its place.")
    if not path.is_file():
        raise ModelPackageError(f"The model package {folder} lacks the file {name}.", _AGAIN)
    return path


def sha256(path: Path) -> str:
    """Hash a file a megabyte at a time; lowercase hexadecimal digits.

    Raises
    ------
    ModelPackageError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelPackageError(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def read_checksums(folder: Path) -> dict[str, str]:
    """Read SHA256SUMS: digests by file name.

    Raises
    ------
    ModelPackageError
        If the file is missing or malformed.
    """
    path = file_inside(folder, SUMS_FILE)
    if path.stat().st_size > _MAX_SUMS_BYTES:
        raise ModelPackageError(f"{path} is too large for a list of checksums.", _AGAIN)
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelPackageError(f"{path} cannot be read: {error}.", _AGAIN) from error
    for number, line in enumerate(lines, 1):
        digest, _, name = line.partition(" ")
        name = name[1:] if name[:1] in (" ", "*") else ""
        if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef") or not name or name in found:
            raise ModelPackageError(f"{path}: line {number} is not a checksum and a file name.", _AGAIN)
        found[name] = digest.lower()
    return found


def write_checksums(folder: Path) -> dict[str, str]:
    """Hash every file of a package and write SHA256SUMS."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    sums = {name: sha256(folder / name) for name in names if name != SUMS_FILE}
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (folder / SUMS_FILE).write_text(text, encoding="utf-8", newline="\n")
    return sums


def verify_files(folder: Path, names: Iterable[str]) -> None:
    """Check some files of a package against SHA256SUMS.

    Raises
    ------
    ModelPackageError
        If a file is missing, not listed or not what was listed; the sentence names it.
    """
    sums = read_checksums(folder)
    for name in names:
        path = file_inside(folder, name)
        if name not in sums:
            raise ModelPackageError(f"{path} is not listed in the package's {SUMS_FILE}.", _AGAIN)
        if sha256(path) != sums[name]:
            raise ModelPackageError(
                f"{path} is damaged or was changed: its checksum differs from {SUMS_FILE}.", _AGAIN
            )


def verify_package(path: Path | str) -> None:
    """Check every file of a model package against its SHA256SUMS.

    Parameters
    ----------
    path : Path or str
        The package's folder.

    Raises
    ------
    ModelPackageError
        If a listed file is missing or differs, or a file is there that is not listed (hidden ones do not count);
        the sentence names the file.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelPackageError(f"There is no model package at {folder}.")
    sums = read_checksums(folder)
    verify_files(folder, sums)
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_dir() and not file.is_symlink():
            continue
        if any(part.startswith(".") for part in name.parts) or name.as_posix() == SUMS_FILE:
            continue
        if name.as_posix() not in sums:
            raise ModelPackageError(
                f"{file} is not listed in the package's {SUMS_FILE}.", "Remove it, or get the package again."
            )
