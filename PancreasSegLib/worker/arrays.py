"""Arrays as ``.npy`` files in the private folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import NotACTError, WorkerError
from PancreasSegLib.volume import Geometry, Volume

_DISAGREE = "Client and worker disagree: restart the application, and please report it if that does not help."
_PART_BYTES = 1 << 25
"""Of a scan, hashed or written in one call, during which other threads run: a tenth of a second.

3D Slicer's main thread keeps Python's interpreter lock while it waits for events. Whenever a thread needs the lock
back, it may wait for the tick of a timer: it must not need it for each slice.
"""
REPLY_PREFIX = "reply-"
"""Names of files that the worker writes and the client deletes."""


def content_hash(voxels: NDArray, geometry: Geometry, on_share: Callable[[float], None]) -> str:
    """Return a name of what a scan holds: SHA-256 of type, grid and voxels, in hexadecimal.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        Read in parts; never copied as a whole.
    geometry : Geometry
        Its grid.
    on_share : callable
        Called after each part with the share that is done; may raise to stop.

    Raises
    ------
    NotACTError
        If the voxels are not numbers.
    """
    dtype = _native(voxels)
    digest = hashlib.sha256(json.dumps([dtype.str, voxels.shape, geometry.to_json()]).encode())
    for part, share in _parts(voxels, dtype):
        digest.update(part)
        on_share(share)
    return digest.hexdigest()


def write_array(path: Path, voxels: NDArray, on_share: Callable[[float], None]) -> None:
    """Write an array in parts, in C order and the machine's byte order; nothing is left where that fails.

    Raises
    ------
    OSError
        If the disk is full or the folder is gone.
    """
    dtype = _native(voxels)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(voxels.shape)}
    try:
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for part, share in _parts(voxels, dtype):
                file.write(part)
                on_share(share)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _parts(voxels: NDArray, dtype: np.dtype[Any]) -> Iterator[tuple[memoryview, float]]:
    """Yield the bytes of a few slices at a time, and the share of the scan that ends with them."""
    count = max(1, _PART_BYTES // max(1, voxels[:1].size * dtype.itemsize))
    for first in range(0, len(voxels), count):
        part = np.ascontiguousarray(voxels[first : first + count], dtype=dtype)
        yield part.data.cast("B"), min(1.0, (first + count) / len(voxels))


def _native(voxels: NDArray) -> np.dtype[Any]:
    if voxels.dtype.kind not in "biuf":
        raise NotACTError(
            f"The voxels are {voxels.dtype}, not real numbers.", "Choose a CT with one value a voxel."
        )
    return voxels.dtype.newbyteorder("=")


def array_reference(name: str, geometry: Geometry) -> dict[str, Any]:
    """Return how a message names an array."""
    return {"npy": name, "geometry": geometry.to_json()}


def read_volume_array(folder: Path, reference: Any, *, mapped: bool) -> Volume:
    """Read what an array reference names.

    Parameters
    ----------
    folder : Path
        The private folder; a name that leads out of it is refused.
    reference : dict
        ``{"npy", "geometry"}``.
    mapped : bool
        Whether the voxels stay in the file, read-only, and are read where they are used.

    Raises
    ------
    WorkerError
        If the reference is malformed or the file is not there or no array.
    GeometryError
        If array and geometry do not fit.
    """
    if not isinstance(reference, dict) or not isinstance(reference.get("npy"), str):
        raise WorkerError(f"{reference!r} is no reference to an array.", _DISAGREE)
    name = reference["npy"]
    if not name.endswith(".npy") or Path(name).name != name or "/" in name or "\\" in name:
        raise WorkerError(f"{name!r} is no name of an array file.", _DISAGREE)
    if (folder / name).is_symlink() or not (folder / name).is_file():
        raise WorkerError(f"The array {name} is no file of the folder.", _DISAGREE)
    try:
        voxels = np.load(folder / name, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise WorkerError(f"The array {name} cannot be read: {error}.", "Try again.") from error
    return Volume(np.asarray(voxels), Geometry.from_json(reference["geometry"]))


def remove_arrays(folder: Path, reply: Any) -> None:
    """Delete the files of all array references in a reply."""
    if isinstance(reply, dict):
        name = reply.get("npy")
        if isinstance(name, str) and name.startswith(REPLY_PREFIX) and Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
        for value in reply.values():
            remove_arrays(folder, value)
    elif isinstance(reply, list):
        for value in reply:
            remove_arrays(folder, value)
