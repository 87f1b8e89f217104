"""What ITK hides about a NIfTI file: that it is truncated, that voxels are NaN, that its spacing is missing.

ITK reads a truncated NIfTI file without an error, as zeros from where it ends; it reads NaN and infinity as 0,
which is soft tissue in a CT; and on a full disk it writes half a file without an error.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import UnreadableFileError

_DEFLATE_LIMIT = 1040  # deflate cannot shrink by more than 1032 to 1
_FLOATS = {16: "f4", 64: "f8"}
_CHUNK = 1 << 22


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a NIfTI-1 or NIfTI-2 header that are needed here.

    Attributes
    ----------
    dim : tuple of int
        Voxels along each of the used axes.
    pixdim : tuple of 3 float
        Spacing as stored, in the file's own unit.
    offset, data_bytes : int
        Where the voxels start in the (uncompressed) file, and how many bytes they take.
    float_type : str
        numpy's name of the stored voxel type where it is a real float, else empty.
    slope, intercept : float
        Value = slope * stored + intercept.
    sform : ndarray, shape (3, 4), or None
        The affine matrix, if its code says that it is set.
    oriented : bool
        Whether the file says how its axes lie in the patient.
    is_plain : bool
        Little-endian with no scaling: the stored bytes are the values.
    """

    dim: tuple[int, ...]
    pixdim: tuple[float, float, float]
    offset: int
    data_bytes: int
    float_type: str
    slope: float
    intercept: float
    sform: NDArray[np.float64] | None
    oriented: bool
    is_plain: bool


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a ``.nii`` or ``.nii.gz`` file (nifti1.h and nifti2.h of nifti.nimh.nih.gov).

    Raises
    ------
    UnreadableFileError
        If the file is not NIfTI, or damaged in its first bytes.
    """
    with _whole(path), _opened(path) as stream:
        raw = stream.read(540)
    for order in "<>":
        size = struct.unpack(order + "i", raw[:4])[0] if len(raw) >= 348 else 0
        if size == 348:
            dim = struct.unpack(order + "8h", raw[40:56])
            datatype, bits = struct.unpack(order + "2h", raw[70:74])
            pixdim = struct.unpack(order + "8f", raw[76:108])
            offset, slope, intercept = struct.unpack(order + "3f", raw[108:120])
            qform, sform = struct.unpack(order + "2h", raw[252:256])
            rows = struct.unpack(order + "12f", raw[280:328])
        elif size == 540 and len(raw) >= 540:
            datatype, bits = struct.unpack(order + "2h", raw[12:16])
            dim = struct.unpack(order + "8q", raw[16:80])
            pixdim = struct.unpack(order + "8d", raw[104:168])
            offset, slope, intercept = struct.unpack(order + "q2d", raw[168:192])
            qform, sform = struct.unpack(order + "2i", raw[344:352])
            rows = struct.unpack(order + "12d", raw[400:496])
        else:
            continue
        used = tuple(int(n) for n in dim[1 : 1 + min(7, max(0, dim[0]))])
        voxels = int(np.prod([max(0, n) for n in used], dtype=object)) if used else 0
        if not np.isfinite(slope) or slope == 0 or not np.isfinite(intercept):  # "not scaled", says the standard
            slope, intercept = 1.0, 0.0
        return NiftiHeader(
            dim=used,
            pixdim=(float(pixdim[1]), float(pixdim[2]), float(pixdim[3])),
            offset=int(offset),
            data_bytes=voxels * bits // 8,
            float_type=order + _FLOATS[datatype] if datatype in _FLOATS else "",
            slope=float(slope),
            intercept=float(intercept),
            sform=np.asarray(rows, dtype=np.float64).reshape(3, 4) if sform > 0 else None,
            oriented=sform > 0 or qform > 0,
            is_plain=order == "<" and slope == 1.0 and intercept == 0.0,
        )
    raise UnreadableFileError(f"{str(path)!r} is not a NIfTI file, or it is damaged.", "Export the scan again.")


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


def read_floats(path: Path, header: NiftiHeader) -> NDArray[np.float32]:
    """Read the voxels of a file of floats, NaN and infinity included.

    Returns
    -------
    ndarray of float32, shape (z, y, x)

    Raises
    ------
    UnreadableFileError
        If the file is truncated or damaged.
    """
    x, y, z = header.dim[:3]
    voxels = np.empty((z, y, x), dtype=np.float32)
    stored = np.dtype(header.float_type)
    with _whole(path), _opened(path) as stream, np.errstate(over="ignore", invalid="ignore"):
        stream.read(header.offset)
        for plane in voxels:
            raw = stream.read(plane.size * stored.itemsize)
            if len(raw) < plane.size * stored.itemsize:
                raise _truncated(path)
            plane[...] = np.frombuffer(raw, stored).reshape(y, x)
            if (header.slope, header.intercept) != (1.0, 0.0):
                plane *= header.slope
                plane += header.intercept
        while stream.read(_CHUNK):  # to the end, where the checksum is compared
            pass
    return voxels


def check_whole(path: Path, header: NiftiHeader, voxels: NDArray | None = None) -> None:
    """Refuse a truncated or damaged file.

    When `voxels` are the stored bytes as ITK read them, one pass over them is compared with the checksum at the
    end of the gzip file; otherwise, or if that fails, the file is decompressed once more to tell.

    Parameters
    ----------
    path : Path
    header : NiftiHeader
    voxels : ndarray, optional
        The values as ITK read them from this file, in its own voxel type.

    Raises
    ------
    UnreadableFileError
        If the file is truncated or a checksum does not fit.
    """
    expected = header.offset + header.data_bytes
    if not _is_gzip(path):
        if path.stat().st_size < expected:
            raise _truncated(path)
        return
    comparable = voxels is not None and header.is_plain and voxels.nbytes == header.data_bytes
    if comparable:
        with path.open("rb") as stream:
            stream.seek(-8, os.SEEK_END)
            checksum, length = struct.unpack("<II", stream.read(8))
        if length == expected % 2**32:
            with _whole(path), _opened(path) as unpacked:
                start = zlib.crc32(unpacked.read(header.offset))
            if zlib.crc32(voxels.data, start) == checksum:
                return
    length, checksum = 0, 0
    with _whole(path), _opened(path) as unpacked:
        unpacked.read(header.offset)
        while length < header.data_bytes and (chunk := unpacked.read(min(_CHUNK, header.data_bytes - length))):
            length += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
        while unpacked.read(_CHUNK):  # to the end, where gzip compares its own checksum
            pass
    if length < header.data_bytes:
        raise _truncated(path)
    if comparable and zlib.crc32(voxels.data) != checksum:
        raise UnreadableFileError(f"{str(path)!r} was read differently twice.", "Check the disk and the memory.")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
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
