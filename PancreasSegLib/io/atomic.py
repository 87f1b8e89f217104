"""Write a file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PancreasSegLib.errors import OutputError
from PancreasSegLib.io.dicom_files import is_dicom
from PancreasSegLib.io.formats import WRITABLE_MASKS, extension_of
from PancreasSegLib.storage.temporary_folder import temporary_folder

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space or write to another disk."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or write to another disk."),
    errno.EACCES: ("the folder is not writable", "Choose a folder that you may write to."),
    errno.EPERM: ("the folder is not writable", "Choose a folder that you may write to."),
    errno.EROFS: ("the disk is read-only", "Choose a folder that you may write to."),
    errno.ENOTDIR: ("a part of its folder is a file", "Choose another folder."),
    errno.EEXIST: ("a part of its folder is a file", "Choose another folder."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name."),
    errno.EFBIG: ("the file would be larger than is allowed here", "Write to another disk."),
}


_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # Segmentation, Label Map


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path on the disk of `path`; what was written there takes its place when the block ends.

    The folder is made if it is missing. The temporary file keeps the name of `path`, since writers choose the
    format by its extension, and lies in a hidden folder beside it, which is gone afterwards. When the block
    raises, an older file at `path` stays as it was.

    Parameters
    ----------
    path : str or Path
        Where the whole file is wanted.

    Yields
    ------
    Path
        Where to write it.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, the disk is full, or `path` is a folder or a device.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "report.json") as temporary:
    ...     _ = temporary.write_text("{}")
    >>> [p.name for p in folder.iterdir()]
    ['report.json']
    """
    target = _target(path)
    try:
        with temporary_folder(target.parent) as folder:
            temporary = folder / target.name
            yield temporary
            _flush(temporary)
            temporary.replace(target)
    except OSError as error:
        raise _refusal(path, error) from error


def check_writable(
    path: str | Path, extensions: Sequence[str] | None = WRITABLE_MASKS, *, inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse an output that could not be written, before a long run and not after it.

    Parameters
    ----------
    path : str or Path
        Where the output is wanted.
    extensions : sequence of str or None
        The extensions that are known for it; None allows any.
    inputs : iterable of str or Path
        Every file that was or will be read, none of which may be overwritten; see
        `files_of`.

    Raises
    ------
    OutputError
        If the extension is unknown, `path` is a folder, a device, an input or any image in DICOM (but for a DICOM
        segmentation), or its folder cannot be made or written, or holds no more space.
    """
    if extensions is not None and extension_of(path) not in extensions:
        raise OutputError(
            f"{str(path)!r} does not end in a known extension.", f"Use one of {', '.join(extensions)}."
        )
    try:
        target = _target(path)
        _refuse_inputs(target, path, inputs)
        folder = target.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        if len(os.fsencode(target.name)) > 255:
            raise OSError(errno.ENAMETOOLONG, "name too long")
        probe = folder / f".pancreasseg-{secrets.token_hex(6)}.probe"
        try:
            with probe.open("wb") as stream:
                stream.write(b"\0" * 4096)
                os.fsync(stream.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _refusal(path, error) from error


def _refuse_inputs(target: Path, path: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse an output that is a file that was read, by whatever name, or a slice of any DICOM series."""
    if not target.exists():
        return
    identity = target.stat()
    for source in inputs:
        with contextlib.suppress(OSError):
            if os.path.samestat(identity, Path(source).stat()):
                raise OutputError(f"The output {str(path)!r} is the input itself.", "Choose another name.")
    if is_dicom(target) and not _is_segmentation(target):
        raise OutputError(f"The output {str(path)!r} is a DICOM image.", "Choose another name.")


def _is_segmentation(target: Path) -> bool:
    import pydicom

    try:
        header = pydicom.dcmread(target, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except Exception:  # whatever it is, it is not replaced
        return False
    return str(header.get("SOPClassUID", "")) in _SEGMENTATIONS


def _target(path: str | Path) -> Path:
    """Return the file that `path` means, through symbolic links; refuse folders and devices."""
    target = Path(path)
    if target.is_symlink():
        target = Path(os.path.realpath(target))
    if target.is_dir():
        raise OutputError(f"The output {str(path)!r} is a folder.", "Give the name of a file.")
    if target.exists() and not target.is_file():
        raise OutputError(f"The output {str(path)!r} is not a regular file.", "Give the name of a file.")
    return target


def _flush(temporary: Path) -> None:
    """Force the file to the disk, so that the name never points to missing content after a power cut."""
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())


def _refusal(path: str | Path, error: OSError) -> OutputError:
    reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error).split("\n")[0], ""))
    return OutputError(f"{str(path)!r} cannot be written: {reason}.", hint)
