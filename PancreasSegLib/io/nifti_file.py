"""The voxels of a NIfTI file, read without ITK, which leaves the grid's header to ITK.

ITK 5.4 reads a truncated NIfTI file without an error, as zeros from where it ends; it reads NaN and infinity as 0,
which is soft tissue in a CT; and for ``x.nii.gz`` it takes the voxels of ``x.nii`` where both are in a folder.
"""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import NotACTError, UnreadableFileError

_DEFLATE_LIMIT = 1040  # deflate cannot shrink by more than 1032 to 1
_CHUNK = 1 << 20
_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI-1 header that are needed here.

    Attributes
    ----------
    dim : tuple of int
        Voxels along each of the used axes.
    pixdim : tuple of 3 float
        Spacing as stored, in the file's own unit.
    offset, data_bytes : int
        Where the voxels start in the (uncompressed) file, and how many bytes they take.
    stored_type : str
        numpy's name of the stored voxel type with its byte order, empty for colours and complex numbers.
    slope, intercept : float
        Value = slope * stored + intercept.
    sform : ndarray, shape (3, 4), or None
        The affine matrix, if its code says that it is set.
    oriented : bool
        Whether the file says how its axes lie in the patient.
    """

    dim: tuple[int, ...]
    pixdim: tuple[float, float, float]
    offset: int
    data_bytes: int
    stored_type: str
    slope: float
    intercept: float
    sform: NDArray[np.float64] | None
    oriented: bool


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a ``.nii`` or ``.nii.gz`` file (nifti1.h, nifti.nimh.nih.gov).

    Raises
    ------
    UnreadableFileError
        If the file is not NIfTI-1, or damaged in its first bytes.
    """
    with _unpacking(path), _opened(path) as stream:
        raw = stream.read(348)
    order = next((o for o in "<>" if raw[:4] == struct.pack(f"{o}i", 348)), None)
    if any(raw[:4] == struct.pack(f"{o}i", 540) for o in "<>"):
        raise UnreadableFileError(f"{str(path)!r} is NIfTI-2, which is not read here.", "Convert it to NIfTI-1.")
    if order is None or len(raw) < 348 or raw[344:347] != b"n+1":
        raise UnreadableFileError(
            f"{str(path)!r} is not a NIfTI file, or it is damaged.", "Export the scan again."
        )
    dim = struct.unpack(order + "8h", raw[40:56])
    (datatype,) = struct.unpack(order + "h", raw[70:72])
    pixdim = struct.unpack(order + "8f", raw[76:108])
    offset, slope, intercept = struct.unpack(order + "3f", raw[108:120])
    qform, sform = struct.unpack(order + "2h", raw[252:256])
    rows = struct.unpack(order + "12f", raw[280:328])
    used = tuple(dim[1 : 1 + min(7, max(0, dim[0]))])
    voxels = int(np.prod([max(0, n) for n in used], dtype=object)) if used else 0
    stored_type = order + _TYPES[datatype] if datatype in _TYPES else ""
    if not np.isfinite(slope) or slope == 0 or not np.isfinite(intercept):  # "not scaled", says the standard
        slope, intercept = 1.0, 0.0
    return NiftiHeader(
        dim=used,
        pixdim=(pixdim[1], pixdim[2], pixdim[3]),
        offset=max(348, int(offset)) if np.isfinite(offset) else 352,
        data_bytes=voxels * (np.dtype(stored_type).itemsize if stored_type else 1),
        stored_type=stored_type,
        slope=slope,
        intercept=intercept,
        sform=np.asarray(rows, dtype=np.float64).reshape(3, 4) if sform > 0 else None,
        oriented=sform > 0 or qform > 0,
    )


def check_size(path: Path, header: NiftiHeader) -> None:
    """Refuse a file that cannot hold the voxels its header promises, before memory is taken for them.

    Raises
    ------
    UnreadableFileError
        If the file is too short.
    """
    stored = path.stat().st_size
    possible = stored * _DEFLATE_LIMIT if _is_gzip(path) else stored
    if possible < header.offset + header.data_bytes:
        raise _truncated(path)


def read_voxels(path: Path, header: NiftiHeader) -> NDArray:
    """Read the voxels, slice by slice, so that no second copy of them is held.

    Returns
    -------
    ndarray, shape (z, y, x)
        Of the stored type where it is a whole number and not scaled, else float32, NaN and infinity included.

    Raises
    ------
    UnreadableFileError
        If the file is truncated or damaged.
    NotACTError
        If its voxels are colours or complex numbers.
    """
    if not header.stored_type:
        raise NotACTError(
            f"{path.name!r} holds colours or complex numbers, so it is no CT.", "Give the CT itself."
        )
    x, y, z = header.dim[:3]
    stored = np.dtype(header.stored_type)
    scaled = (header.slope, header.intercept) != (1.0, 0.0)
    kept = np.dtype(np.float32) if scaled or stored.kind == "f" else stored.newbyteorder("=")
    voxels = np.empty((z, y, x), dtype=kept)
    with _unpacking(path), _opened(path) as stream, np.errstate(over="ignore", invalid="ignore"):
        stream.read(header.offset)
        for plane in voxels:
            raw = stream.read(plane.size * stored.itemsize)
            if len(raw) < plane.size * stored.itemsize:
                raise _truncated(path)
            values = np.frombuffer(raw, stored).reshape(y, x)
            plane[...] = values * header.slope + header.intercept if scaled else values
        while stream.read(_CHUNK):  # to the end, where gzip compares its checksum
            pass
    return voxels


@contextlib.contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    """Turn the errors of unpacking into ours."""
    try:
        yield
    except EOFError as error:
        raise _truncated(path) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFileError(
            f"{str(path)!r} is damaged: its compressed data cannot be unpacked.",
            "Copy, download or export it again.",
        ) from error


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> IO[bytes]:
    """Open for reading, through gzip where the content is compressed, whatever the name says."""
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _truncated(path: Path) -> UnreadableFileError:
    return UnreadableFileError(
        f"{str(path)!r} is truncated: it ends before its last voxel.", "Copy, download or export it again."
    )
