"""NRRD and MetaImage files, read without ITK, which a hostile header can crash: no line of it is taken on trust.

Formats: teem.sourceforge.net/nrrd/format.html and itk.org/Wiki/MetaIO/Documentation.
"""

from __future__ import annotations

import bz2
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError, UnreadableFileError
from PancreasSegLib.io.formats import NRRD, extension_of
from PancreasSegLib.io.input_files import data_files
from PancreasSegLib.io.text_header import header_end, numbers, read_text_header

_DEFLATE_LIMIT = 1040  # deflate cannot shrink by more than 1032 to 1
_CHUNK = 1 << 18
_TRAILING = 64
_TYPES = {
    "i1": ("signed char", "int8", "int8_t", "MET_CHAR"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t", "MET_UCHAR"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t", "MET_SHORT"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t", "MET_USHORT"),
    "i4": ("int", "signed int", "int32", "int32_t", "MET_INT", "MET_LONG"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t", "MET_UINT", "MET_ULONG"),
    "i8": ("longlong", "long long", "long long int", "int64", "int64_t", "MET_LONG_LONG"),
    "u8": ("ulonglong", "unsigned long long", "uint64", "uint64_t", "MET_ULONG_LONG"),
    "f4": ("float", "MET_FLOAT"),
    "f8": ("double", "MET_DOUBLE"),
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names}
_TO_LPS = {"l": (0, 1.0), "r": (0, -1.0), "p": (1, 1.0), "a": (1, -1.0), "s": (2, 1.0), "i": (2, -1.0)}
_IN_SPACE = ("", "???", "domain", "space", "time")
_YES = ("true", "t", "1", "yes")


@dataclass(frozen=True)
class TextImage:
    """What a header says.

    Attributes
    ----------
    path : Path
    size : tuple of int
        Along each axis in space (or time), the fastest first.
    components : int
        Values a voxel; they lie beside each other.
    dtype : dtype
        As stored.
    encoding : str
        ``"raw"``, ``"deflate"``, ``"bzip2"`` or ``"ascii"``.
    files : tuple of Path
        Which hold the voxels, in order.
    skip_lines, skip_bytes : int
        Before the voxels, in each of the files; bytes are counted after unpacking in NRRD, -1 means that the
        voxels are at the end.
    columns_mm : ndarray, shape (3, 3)
        Each column is the step along an axis, LPS.
    origin_lps : ndarray, shape (3,)
    """

    path: Path
    size: tuple[int, ...]
    components: int
    dtype: np.dtype[Any]
    encoding: str
    files: tuple[Path, ...]
    skip_lines: int
    skip_bytes: int
    columns_mm: NDArray[np.float64]
    origin_lps: NDArray[np.float64]


def text_image(path: Path) -> TextImage:
    """Read the header of a NRRD or MetaImage file.

    Raises
    ------
    UnreadableFileError
        If it is none, or says what cannot be.
    GeometryError
        If the matrix of the axes or the origin are no numbers.
    """
    try:
        return (_nrrd if extension_of(path) in NRRD else _metaimage)(path, read_text_header(path))
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        raise damaged(path) from error


def damaged(path: Path) -> UnreadableFileError:
    """Return the error of a file that is none of its kind, or broken."""
    name = "NRRD" if extension_of(path) in NRRD else "MetaImage"
    return UnreadableFileError(
        f"{str(path)!r} cannot be read: it is not a {name} file, or it is damaged or truncated.",
        "Copy, download or export it again.",
    )


def read_text_voxels(image: TextImage) -> NDArray:
    """Read the voxels, a slice at a time; doubles become float32, so that a CT never takes 8 bytes a voxel.

    Returns
    -------
    ndarray, shape (z, y, x), or (z, y, x, component) where there are several

    Raises
    ------
    UnreadableFileError
        If a file is missing, truncated, damaged or too small to hold what the header promises, which is found
        before memory is taken for it.
    """
    if image.skip_bytes < -1:
        raise damaged(image.path)
    _check_size(image)
    kept = np.dtype(np.float32) if image.dtype.kind == "f" else image.dtype.newbyteorder("=")
    last = (image.components,) if image.components > 1 else ()
    voxels = np.empty((*image.size[2::-1], *last), dtype=kept)
    planes = np.array_split(np.arange(len(voxels)), len(image.files))
    try:
        for file, indices in zip(image.files, planes, strict=True):
            with file.open("rb") as raw, np.errstate(over="ignore", invalid="ignore"):
                stream = _unpacked(raw, image)
                for index in indices:
                    voxels[index] = _plane(stream, voxels[index].shape, image)
                if isinstance(stream, io.BufferedReader) and image.encoding != "raw":
                    _finish(stream)
    except (EOFError, ValueError, OSError, zlib.error) as error:
        raise damaged(image.path) from error
    return voxels


def _plane(stream: Any, shape: tuple[int, ...], image: TextImage) -> NDArray:
    count = int(np.prod(shape))
    if image.encoding == "ascii":
        return np.array([next(stream) for _ in range(count)], dtype=np.float64).reshape(shape)
    content = stream.read(count * image.dtype.itemsize)
    return np.frombuffer(content, image.dtype, count).reshape(shape)


def _finish(stream: io.BufferedReader) -> None:
    """Read on to the end, where compressed data have their checksum; what goes on and on is no scan."""
    for _ in range(_TRAILING):
        if not stream.read(_CHUNK):
            return
    raise ValueError("more data than the header says")


def _check_size(image: TextImage) -> None:
    wanted = int(np.prod(image.size, dtype=object)) * image.components
    wanted *= 2 if image.encoding == "ascii" else image.dtype.itemsize
    possible = 0
    for file in image.files:
        if not file.is_file():
            raise UnreadableFileError(
                f"{str(file)!r}, which holds the voxels of {image.path.name!r}, does not exist.", "Copy all files."
            )
        possible += file.stat().st_size
    most = {"deflate": _DEFLATE_LIMIT, "bzip2": 1 << 20}.get(image.encoding, 1)
    if not image.files or possible * most + (1 if image.encoding == "ascii" else 0) < wanted:
        raise damaged(image.path)


def _unpacked(raw: IO[bytes], image: TextImage) -> Any:
    """Return a stream of the voxels: bytes, or the numbers of a text."""
    if Path(raw.name) == image.path:
        raw.seek(header_end(image.path))
    for _ in range(image.skip_lines):
        if not raw.readline(_CHUNK):
            raise EOFError("the lines to skip end early")
    if image.encoding == "raw":
        if image.skip_bytes < 0:
            each = int(np.prod(image.size, dtype=object)) * image.components * image.dtype.itemsize
            raw.seek(-(each // len(image.files)), io.SEEK_END)
        else:
            raw.seek(image.skip_bytes, io.SEEK_CUR)
        return raw
    if image.encoding == "ascii":
        return _numbers_of(raw)
    is_nrrd = extension_of(image.path) in NRRD
    if not is_nrrd:
        raw.seek(max(0, image.skip_bytes), io.SEEK_CUR)
    make = bz2.BZ2Decompressor if image.encoding == "bzip2" else lambda: zlib.decompressobj(47)
    stream = io.BufferedReader(cast("Any", _Inflating(raw, make)), _CHUNK)
    if is_nrrd:
        stream.read(max(0, image.skip_bytes))
    return stream


class _Inflating(io.RawIOBase):
    """A compressed stream; what it unpacks to is never held beyond what is asked for."""

    def __init__(self, raw: IO[bytes], make: Callable[[], Any]) -> None:
        self._raw, self._unpack, self._packed = raw, make(), b""
        self._limits = hasattr(self._unpack, "unconsumed_tail")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpack.eof:
            if not self._packed and (self._limits or self._unpack.needs_input):
                self._packed = self._raw.read(_CHUNK)
                if not self._packed:
                    raise EOFError("the compressed data end early")
            content = self._unpack.decompress(self._packed, len(buffer))
            self._packed = self._unpack.unconsumed_tail if self._limits else b""
            if content:
                buffer[: len(content)] = content
                return len(content)
        return 0


def _numbers_of(raw: IO[bytes]) -> Iterator[float]:
    rest = b""
    while chunk := raw.read(_CHUNK):
        words = (rest + chunk).split()
        rest = b"" if chunk[-1:].isspace() or not words else words.pop()
        if len(rest) > 64:
            raise ValueError("a number of more than 64 digits")
        yield from map(float, words)
    if rest:
        yield float(rest)
    raise EOFError("the numbers end early")


def _sizes(text: str, count: int) -> tuple[int, ...]:
    sizes = tuple(int(word) for word in text.split())
    if len(sizes) != count or min(sizes) < 1:
        raise ValueError(f"the size {sizes}")
    return sizes


def _nrrd(path: Path, fields: dict[str, str]) -> TextImage:
    with path.open("rb") as stream:
        if not re.fullmatch(rb"NRRD000\d", stream.readline(64).strip()):
            raise damaged(path)
    fields = {name.lower().replace(" ", ""): text for name, text in fields.items()}
    count = int(fields["dimension"])
    if not 1 <= count <= 16:
        raise ValueError(f"{count} dimensions")
    sizes = _sizes(fields["sizes"], count)
    directions = fields.get("spacedirections", "").replace("none", "(none)").replace(" ", "")
    vectors = re.findall(r"\(([^)]*)\)", directions)
    kinds = [kind.lower() for kind in fields.get("kinds", "").split()]
    spatial = [
        n
        for n in range(count)
        if (n >= len(kinds) or kinds[n] in _IN_SPACE) and (n >= len(vectors) or vectors[n] != "none")
    ]
    if [n for n in range(count) if n not in spatial] not in ([], [0]):
        raise UnreadableFileError(
            f"{str(path)!r} keeps the values of a voxel apart, which is not read here.", "Save it as NIfTI."
        )
    dtype = np.dtype(_DTYPES[fields["type"]])
    if dtype.itemsize > 1 and (order := fields.get("endian", "little" if _is_text(fields) else "")) != "little":
        if order != "big":
            raise ValueError("no byte order")
        dtype = dtype.newbyteorder(">")
    encodings = {"raw": "raw", "gzip": "deflate", "gz": "deflate", "bzip2": "bzip2", "bz2": "bzip2"}
    encoding = "ascii" if _is_text(fields) else encodings[fields["encoding"].lower()]
    columns, origin = _nrrd_grid(fields, [vectors[n] for n in spatial if n < len(vectors)], spatial)
    return TextImage(
        path,
        tuple(sizes[n] for n in spatial),
        1 if spatial and spatial[0] == 0 else sizes[0],
        dtype.newbyteorder("<") if dtype.byteorder == "=" else dtype,
        encoding,
        tuple(data_files(path) or [path]),
        max(0, int(fields.get("lineskip", "0"))),
        int(fields.get("byteskip", "0")),
        columns,
        origin,
    )


def _is_text(fields: dict[str, str]) -> bool:
    return fields["encoding"].lower() in ("ascii", "text", "txt")


def _nrrd_grid(
    fields: dict[str, str], vectors: Sequence[str], spatial: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the steps and the origin in LPS; an axis more than three (time) has no step."""
    space = fields.get("space", "").lower()
    words = space.split("-")[:3] if "-" in space else list(space[:3])
    turn = np.eye(3)
    if len(words) == 3 and {_TO_LPS.get(word[:1], (9,))[0] for word in words} == {0, 1, 2}:
        turn = np.zeros((3, 3))
        for row, word in enumerate(words):
            axis, sign = _TO_LPS[word[:1]]
            turn[axis, row] = sign
    origin = numbers(fields.get("spaceorigin", ""))[:3]
    origin = np.where(np.isfinite(origin), origin, 0.0) if origin.size == 3 else np.zeros(3)
    if vectors:
        steps = [numbers(vector)[:3] for vector in vectors[:3]]  # with time, a space has four dimensions
        if len(steps) != 3 or any(step.size != 3 for step in steps):
            return np.zeros((3, 3)), origin
        return turn @ np.array(steps).T, turn @ origin
    spacings = numbers(fields.get("spacings", ""))
    chosen = np.array([spacings[n] if n < spacings.size else 1.0 for n in list(spatial)[:3]])
    if "axismins" in fields and "spaceorigin" not in fields:
        least = numbers(fields["axismins"])
        chosen_mins = np.array([least[n] if n < least.size else 0.0 for n in list(spatial)[:3]])
        origin = np.where(np.isfinite(chosen_mins), chosen_mins, 0.0)
    columns = np.zeros((3, 3))
    columns[range(len(chosen)), range(len(chosen))] = np.abs(chosen)
    return columns, np.resize(origin, 3) if origin.size else np.zeros(3)


def _metaimage(path: Path, fields: dict[str, str]) -> TextImage:
    count = int(fields["NDims"])
    if not 1 <= count <= 16 or fields.get("ObjectType", "Image").lower() != "image":
        raise ValueError(f"{count} dimensions")
    components = int(fields.get("ElementNumberOfChannels", "1"))
    if not 1 <= components <= 1 << 16:
        raise ValueError(f"{components} channels")
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")).lower() in _YES
    packed = fields.get("CompressedData", "False").lower() in _YES
    binary = fields.get("BinaryData", "False" if "BinaryData" in fields else "True").lower() in _YES
    spacing = numbers(fields.get("ElementSpacing", fields.get("ElementSize", "")))[:3]
    spacing = np.pad(spacing, (0, 3 - spacing.size), constant_values=1.0)
    turn = next((fields[k] for k in ("TransformMatrix", "Rotation", "Orientation") if k in fields), None)
    matrix = np.eye(count) if turn is None else numbers(turn)
    origin = numbers(next((fields[k] for k in ("Offset", "Position", "Origin") if k in fields), ""))
    if matrix.size != count * count or not np.all(np.isfinite(origin)):
        raise GeometryError(
            f"The orientation of {path.name!r} is missing or singular.", "Correct the file's header."
        )
    return TextImage(
        path,
        _sizes(fields["DimSize"], count),
        components,
        np.dtype(_DTYPES[fields["ElementType"]]).newbyteorder(">" if big else "<"),
        "deflate" if packed else "raw" if binary else "ascii",
        tuple(data_files(path) or [path]),
        0,
        int(fields.get("HeaderSize", "0")),
        matrix.reshape(count, count)[:3, :3].T @ np.diag(spacing) if count >= 3 else np.eye(3),  # a row an axis
        np.pad(origin[:3], (0, 3 - origin[:3].size)),
    )
