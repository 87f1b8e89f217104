"""Which files of a folder are ours, by the names that we give; nothing else in it is ever removed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath


def is_held(relative: PurePath, holds: Sequence[str]) -> bool:
    """Whether a path inside a folder has a name that we give.

    Parameters
    ----------
    relative : PurePath
        Relative to the folder.
    holds : sequence of str
        Patterns with ``*`` inside one part of the path; ``name/**`` stands for everything below ``name``.

    Examples
    --------
    >>> is_held(PurePath("scan-1.npy"), ["scan-*.npy"]), is_held(PurePath("a/scan-1.npy"), ["scan-*.npy"])
    (True, False)
    >>> is_held(PurePath("new/configs/metadata.json"), ["new/**"])
    True
    """
    parts = relative.parts
    for pattern in holds:
        names = pattern.split("/")
        if names[-1] == "**":
            names = names[:-1]
            fits = len(parts) > len(names)
        else:
            fits = len(parts) == len(names)
        if fits and all(map(fnmatchcase, parts, names)):
            return True
    return False


def foreign_files(folder: Path, holds: Sequence[str]) -> list[Path]:
    """Return the files in a folder, at any depth, whose names are not ours.

    Raises
    ------
    OSError
        If a folder in it cannot be listed: then nobody knows what it holds.
    """
    return [path for path in _files(folder) if not is_held(path.relative_to(folder), holds)]


def remove_held(folder: Path, holds: Sequence[str]) -> bool:
    """Remove the files that have our names, then the folders that are empty, the folder itself included.

    Links are removed, never followed.

    Returns
    -------
    bool
        Whether the folder is gone.
    """
    with contextlib.suppress(OSError):  # on Windows a file stays for a moment after its process has ended
        for path in list(_files(folder)):
            if is_held(path.relative_to(folder), holds):
                path.unlink(missing_ok=True)
        for place in [Path(place) for place, _, _ in os.walk(folder, topdown=False)]:
            if not any(place.iterdir()):
                place.rmdir()
    return not folder.exists()


def _files(folder: Path) -> Iterator[Path]:
    """Give everything that is not a plain folder, at any depth."""

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        for name in folders:
            if Path(place, name).is_symlink():
                yield Path(place, name)
        for name in names:
            yield Path(place, name)
