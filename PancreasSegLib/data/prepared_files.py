"""The files of a prepared case, written beside their place and moved there when all are whole."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from PancreasSegLib.data.case_files import IMAGES, LABELS, file_sha256
from PancreasSegLib.data.composed_case import ComposedCase
from PancreasSegLib.errors import OutputError, UnreadableFileError
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.io.nifti_file import read_header

_TEXTS = (slice(4, 36), slice(148, 252), slice(328, 344))  # data_type, db_name; descrip, aux_file; intent_name
_EXTENSION = 348


def write_prepared(staging: Path, name: str, case: ComposedCase, image: Path) -> dict[str, dict[str, str]]:
    """Write image and label into a hidden folder and return what ``provenance.json`` says of them.

    Parameters
    ----------
    staging : Path
    name : str
        Of the case.
    case : ComposedCase
    image : Path
        What the CT was read from: copied as it is, where it is a compressed NIfTI file of whole HU without any
        text in its header; else the CT is written anew.

    Raises
    ------
    OutputError
        If the disk is full or not writable.
    """
    written = {"image": staging / "image.nii.gz", "label": staging / "label.nii.gz"}
    if _can_be_copied(image, case):
        try:
            shutil.copyfile(image, written["image"])
        except OSError as error:
            raise OutputError(f"{written['image']} cannot be written: {error.strerror or error}.") from error
    else:
        write_volume(written["image"], case.ct)
    write_mask(written["label"], case.mask, case.ct.geometry)
    folders = {"image": IMAGES, "label": LABELS}
    return {
        role: {"path": f"{folders[role]}/{name}.nii.gz", "sha256": file_sha256(path)}
        for role, path in written.items()
    }


def _can_be_copied(image: Path, case: ComposedCase) -> bool:
    if not image.name.lower().endswith(".nii.gz") or case.ct.source.get("warnings"):
        return False
    try:
        header = read_header(image)
        raw = _first_bytes(image)
    except (UnreadableFileError, OSError):
        return False
    whole = header.stored_type.endswith("i2") and (header.slope, header.intercept) == (1.0, 0.0)
    plain = not any(raw[text].strip(b"\0 r") for text in _TEXTS)
    extension = struct.unpack("B", raw[_EXTENSION : _EXTENSION + 1])[0] if len(raw) > _EXTENSION else 0
    return raw[344:347] == b"n+1" and whole and plain and not extension


def _first_bytes(image: Path) -> bytes:
    import gzip

    with image.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    if not compressed:
        return b"x" * (_EXTENSION + 1)  # a name that lies: write it anew
    with gzip.open(image, "rb") as unpacked:
        return unpacked.read(_EXTENSION + 4)
