"""Find the DICOM files in a folder, beside a file or in a zip."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.storage.temporary_folder import temporary_folder

_log = logging.getLogger(__name__)

_MAGIC_AT, _MAGIC = 128, b"DICM"
_BARE = (b"\x08\x00", b"\x02\x00")  # files of before 1993 and some exports have no preamble
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class DicomFile:
    """One file.

    Attributes
    ----------
    name : str
        Where the user would look for it: its path, or its name in the zip.
    path : Path
        Where it can be read now; for a zip a temporary copy.
    """

    name: str
    path: Path


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes or more of a file are those of DICOM.

    Examples
    --------
    >>> looks_like_dicom(bytes(128) + b"DICM")
    True
    """
    return head[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC or (
        # a tag of group 2 or 8, then its type in two letters, or a length that is short
        head[:2] in _BARE and ((head[4:6].isalpha() and head[4:6].isupper()) or head[5:8] == bytes(3))
    )


def is_dicom(path: Path) -> bool:
    """Whether a file's content is DICOM, whatever its name; False if it cannot be read."""
    try:
        if not path.is_file():  # a pipe would wait for ever
            return False
        with path.open("rb") as stream:
            return looks_like_dicom(stream.read(_MAGIC_AT + 4))
    except OSError:
        return False


def is_media_directory(path: Path) -> bool:
    """Whether a file is a DICOMDIR, which stands for the folder that it lies in."""
    if not path.is_file() or not is_dicom(path):
        return False
    import pydicom

    try:
        meta = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
    except (pydicom.errors.InvalidDicomError, OSError, EOFError, ValueError, AttributeError):
        return False
    return bool(meta.get("MediaStorageSOPClassUID") == _MEDIA_DIRECTORY)


@contextlib.contextmanager
def dicom_files(path: Path) -> Iterator[list[DicomFile]]:
    """Give the DICOM files that `path` stands for, sorted by name.

    Parameters
    ----------
    path : Path
        A folder (searched through all its subfolders), a DICOMDIR (likewise the folder it lies in), one DICOM file
        (its whole folder is given), or a zip (unpacked into a temporary folder that is removed at the end).

    Yields
    ------
    list of DicomFile

    Raises
    ------
    UnreadableFileError
        If there is no DICOM file, or the folder or zip cannot be read.
    """
    if path.is_dir():
        yield _in_folder(path)
    elif is_dicom(path):
        yield _in_folder(path.parent, recursive=is_media_directory(path))
    else:
        with temporary_folder() as folder:
            yield _unpacked(path, folder)


def _in_folder(folder: Path, recursive: bool = True) -> list[DicomFile]:
    refused: list[str] = []

    def note(error: OSError) -> None:
        refused.append(error.filename or str(folder))

    found = []
    for place, subfolders, names in os.walk(folder, onerror=note):
        subfolders.sort()
        if not recursive:
            subfolders.clear()
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith("._") or not path.is_file():
                continue
            try:
                with path.open("rb") as stream:
                    if looks_like_dicom(stream.read(_MAGIC_AT + 4)):
                        found.append(DicomFile(str(path), path))
            except OSError:
                refused.append(str(path))
    if found:
        if refused:  # if a slice is among them, its gap will be noticed
            _log.warning(
                "%d files or folders in %r could not be read, %r the first.", len(refused), folder, refused[0]
            )
        return found
    if refused:
        raise UnreadableFileError(
            f"{refused[0]!r} cannot be read{f' (nor {len(refused) - 1} others)' if len(refused) > 1 else ''}.",
            "Check the permissions and the disk, or copy the folder elsewhere.",
        )
    raise UnreadableFileError(
        f"The folder {str(folder)!r} holds no DICOM images.", "Give the folder of a CT series, or an image file."
    )


def _unpacked(path: Path, folder: Path) -> list[DicomFile]:
    """Unpack the DICOM members of a zip under plain numbers, so that no name in it can lead outside."""
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                m for m in archive.infolist() if not m.is_dir() and not Path(m.filename).name.startswith("._")
            ]
            if any(m.flag_bits & 1 for m in members):
                raise UnreadableFileError(f"{str(path)!r} is encrypted.", "Unpack it with its password first.")
            chosen = []
            for member in members:
                with archive.open(member) as stream:
                    if looks_like_dicom(stream.read(_MAGIC_AT + 4)):
                        chosen.append(member)
            if sum(m.file_size for m in chosen) > shutil.disk_usage(folder).free:
                raise UnreadableFileError(
                    f"There is no room in {tempfile.gettempdir()!r} to unpack {str(path)!r}.",
                    "Free some space, or unpack it elsewhere and give the folder.",
                )
            for number, member in enumerate(sorted(chosen, key=lambda m: m.filename)):
                target = folder / f"{number:06d}.dcm"
                with archive.open(member) as stream, target.open("wb") as out:
                    shutil.copyfileobj(stream, out)
                found.append(DicomFile(member.filename, target))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UnreadableFileError(
            f"{str(path)!r} is damaged or not a zip archive that can be unpacked here.",
            "Copy or download it again, or unpack it and give the folder.",
        ) from error
    except OSError as error:
        raise UnreadableFileError(
            f"{str(path)!r} cannot be unpacked: {error.strerror or error}.", "Unpack it and give the folder."
        ) from error
    if not found:
        raise UnreadableFileError(f"{str(path)!r} holds no DICOM images.", "Give a zip of a DICOM CT series.")
    return found
