"""NIfTI files: the voxels are read slice by slice, and masks and volumes are written with a CT's own header.

Single files, compressed or not whatever the name says, and pairs of ``.hdr`` and ``.img``.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import NotACTError, UnreadableFileError
from PancreasSegLib.io.formats import extension_of
from PancreasSegLib.io.nifti_header import HEADER_BYTES, NiftiHeader, pack_header
from PancreasSegLib.volume import Geometry

_DAMAGED: tuple[Any, ...] = (zlib.error, gzip.BadGzipFile)
try:
    from isal import igzip, isal_zlib
except ImportError:  # 3D Slicer does not ship it: half as fast
    _open_gzip: Any = gzip.open
else:
    _open_gzip = igzip.open  # for voxels only: of a file that ends early it gives not even the header
    _DAMAGED += (isal_zlib.IsalError,)

PAIR = (".hdr", ".img")
"""The two files of one image; either name stands for both."""

_DEFLATE_LIMIT = 1040  # deflate cannot shrink by more than 1032 to 1
_CHUNK = 1 << 20
_TRAILING = 64
_LARGEST_OFFSET = 64 << 20
_LEVEL = 6


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a NIfTI-1, NIfTI-2 or Analyze file.

    Raises
    ------
    UnreadableFileError
        If the file is none of these, or damaged in its first bytes.
    """
    place = path.with_suffix(".hdr") if extension_of(path) == ".img" else path
    with _unpacking(place), _opened(place) as stream:
        header = NiftiHeader.parse(stream.read(HEADER_BYTES))
    if header is None or header.detached != (extension_of(path) in PAIR):
        raise UnreadableFileError(
            f"{str(path)!r} is not a NIfTI file, or it is damaged.", "Export the scan again."
        )
    return header


def check_size(path: Path, header: NiftiHeader) -> None:
    """Refuse a file that cannot hold the voxels its header promises, before memory is taken for them.

    Raises
    ------
    UnreadableFileError
        If the file is too short.
    """
    path = _voxel_file(path, header)
    stored = path.stat().st_size
    possible = stored * _DEFLATE_LIMIT if _is_gzip(path) else stored
    if header.offset > _LARGEST_OFFSET:
        raise _truncated(path, f"its voxels are said to begin at byte {header.offset}")
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
    path = _voxel_file(path, header)
    with _unpacking(path), _opened(path, _open_gzip) as stream, np.errstate(over="ignore", invalid="ignore"):
        stream.seek(header.offset)
        for plane in voxels:
            raw = stream.read(plane.size * stored.itemsize)
            if len(raw) < plane.size * stored.itemsize:
                raise _truncated(path)
            values = np.frombuffer(raw, stored).reshape(y, x)
            plane[...] = values * header.slope + header.intercept if scaled else values
        for _ in range(_TRAILING):  # to the end, where gzip compares its checksum
            if not stream.read(_CHUNK):
                return voxels
    raise _truncated(path, "it goes on long after its last voxel")


def write_nifti(path: Path, array: NDArray, geometry: Geometry, forms: NiftiHeader | None = None) -> None:
    """Write a NIfTI-1 file, compressed where the name ends in ``.gz``.

    Parameters
    ----------
    path : Path
    array : ndarray, shape (z, y, x)
        Whole numbers of 8 to 64 bits, float32 or float64.
    geometry : Geometry
    forms : NiftiHeader, optional
        The header of the CT, whose q-form, s-form and their codes are kept; see
        `pack_header`.

    Raises
    ------
    OSError
    """
    little = array.dtype.newbyteorder("<")
    with path.open("wb") as raw, _packing(path, raw) as stream:
        stream.write(pack_header(little, geometry, forms))
        for plane in array:
            stream.write(np.ascontiguousarray(plane, little).tobytes())


@contextlib.contextmanager
def _packing(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """Give a stream that compresses where the name asks for it; the same content gives the same bytes."""
    if not path.name.lower().endswith(".gz"):
        yield raw
        return
    with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as stream:
        yield stream  # type: ignore[misc]


def _voxel_file(path: Path, header: NiftiHeader) -> Path:
    """Return the file that holds the voxels.

    Raises
    ------
    UnreadableFileError
        If the ``.img`` of a pair is not there.
    """
    if not header.detached:
        return path
    voxels = path.with_suffix(".img")
    if not voxels.is_file():
        raise UnreadableFileError(
            f"{str(voxels)!r}, which holds the voxels of {path.name!r}, does not exist.", "Copy both files."
        )
    return voxels


@contextlib.contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    """Turn the errors of unpacking into ours."""
    try:
        yield
    except EOFError as error:
        raise _truncated(path) from error
    except _DAMAGED as error:
        raise UnreadableFileError(
            f"{str(path)!r} is damaged: its compressed data cannot be unpacked.",
            "Copy, download or export it again.",
        ) from error


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _opened(path: Path, open_gzip: Callable[..., Any] = gzip.open) -> IO[bytes]:
    """Open for reading, through gzip where the content is compressed, whatever the name says."""
    return open_gzip(path, "rb") if _is_gzip(path) else path.open("rb")


def _truncated(path: Path, how: str = "it ends before its last voxel") -> UnreadableFileError:
    return UnreadableFileError(
        f"{str(path)!r} is truncated or damaged: {how}.", "Copy, download or export it again."
    )
