"""Folders that appear whole or not at all, and that take the place of an older one at one stroke."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from PancreasSegLib.errors import OutputError
from PancreasSegLib.storage.temporary_folder import TemporaryFolder, temporary_folder

_EXCHANGE = 2  # RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS
_HERE = -100  # AT_FDCWD

Refuse = Callable[[Path], None]
"""Raises if what is there is not provably ours, and so must not be replaced."""


@contextlib.contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder on the disk of `target`, and remove what is left of it afterwards.

    Raises
    ------
    OutputError
        If it, or anything in the block, cannot be written.
    """
    with _told(target), temporary_folder(target.parent) as folder:
        yield folder


@contextlib.contextmanager
def new_folder(target: Path, overwrite: bool, refuse_foreign: Refuse) -> Iterator[Path]:
    """Give a folder to fill, which takes its place when the block ends well and vanishes when it does not.

    Where the system can exchange two names (Linux, macOS), the old folder or the new one is there at every moment.
    Elsewhere there is an instant without either; whatever ends the process in it, the next start gives the old one
    its name again.

    Parameters
    ----------
    target : Path
        Where it is wanted.
    overwrite : bool
        Whether what is there may be replaced.
    refuse_foreign : callable
        Takes `target` where something is there, and raises if it is not provably ours; asked before and after the
        block.

    Raises
    ------
    OutputError
        If `target` is there and is not to be replaced, or the disk says no.
    """
    refuse_existing(target, overwrite, refuse_foreign)
    with _told(target):
        own = TemporaryFolder(target.parent, holds=["new/**", "old/**"], replaces=target.name, hidden=True)
        try:
            new, old = own.path / "new", own.path / "old"
            new.mkdir()
            yield new
            refuse_existing(target, overwrite, refuse_foreign)
            if not os.path.lexists(target):
                new.rename(target)
            elif not exchange(new, target):
                _replace(target, new, old)
        finally:
            own.remove()


def refuse_existing(target: Path, overwrite: bool, refuse_foreign: Refuse) -> None:
    """Raise OutputError if something is there that is not to be replaced, or is not ours."""
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise OutputError(f"{target} is there already.", "Remove it, or ask for it to be replaced.")
    refuse_foreign(target)


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders have each other's name at one stroke.

    Returns
    -------
    bool
        False where the system or the file system cannot; nothing has changed then.
    """
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            status = library.renamex_np(os.fsencode(one), os.fsencode(other), _EXCHANGE)
        elif sys.platform.startswith("linux"):
            status = library.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
        else:
            return False
    except (OSError, AttributeError, TypeError):
        return False
    return bool(status == 0)


def _replace(target: Path, new: Path, old: Path) -> None:
    """Rename twice; what ends the process in between is mended by the temporary folder's marker."""
    try:
        target.rename(old)
        new.rename(target)
    except BaseException:
        if not os.path.lexists(target) and old.exists():
            old.rename(target)
        raise


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}.", "Check the free space and the permissions."
        ) from error
