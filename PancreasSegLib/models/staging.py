"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PancreasSegLib.errors import OutputError


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Give an empty hidden folder beside `target`, on the same disk, and remove what is left of it afterwards.

    Raises
    ------
    OutputError
        If it, or anything in the block, cannot be written.
    """
    part = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        yield part
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}.", "Check the free space and the permissions."
        ) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise OutputError if a file or folder is there and is not to be replaced."""
    if target.exists() and not overwrite:
        raise OutputError(f"{target} is there already.", "Remove it, or ask for it to be replaced.")


@contextmanager
def new_folder(target: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder to fill, which takes its place when the block ends well and vanishes when it does not.

    Raises
    ------
    OutputError
        If `target` is there and is not to be replaced, or the disk says no.
    """
    refuse_existing(target, overwrite)
    with staging_folder(target) as part:
        new, old = part / "new", part / "old"
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
