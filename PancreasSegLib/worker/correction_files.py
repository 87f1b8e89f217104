"""Parts of a correction as messages with files, for both directions: the state, edits, marks and the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import MarkError, WorkerError
from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Box, Geometry, Volume
from PancreasSegLib.worker.arrays import array_reference, read_volume_array
from PancreasSegLib.worker.parameters import Params, box_of, value_of

_LONGEST_MM = 20_000.0
_LARGEST_RADIUS_MM = 100.0
_MOST_MARK = 2


def write_part(
    folder: Path, name: str, geometry: Geometry, box: Box, mask: NDArray, marks: NDArray | None
) -> Params:
    """Write mask and marks inside a box as files of the folder.

    Parameters
    ----------
    folder : Path
        The private folder.
    name : str
        What the files' names begin with.
    geometry : Geometry
        The scan's grid.
    box : Box
        Where they lie on it.
    mask, marks : ndarray, shape (z, y, x)
        The part; the marks may be left out.

    Returns
    -------
    dict
        ``{"box_ijk", "mask", "marks"}``.
    """
    message: Params = {"box_ijk": box.to_json()}
    for what, voxels in (("mask", mask), ("marks", marks)):
        if voxels is not None:
            message[what] = _write(folder, f"{name}-{what}.npy", voxels, box.geometry(geometry))
    return message


def _write(folder: Path, file: str, voxels: NDArray, grid: Geometry) -> Params:
    np.save(folder / file, np.ascontiguousarray(voxels, dtype=np.uint8))
    return array_reference(file, grid)


def read_part(
    folder: Path, message: Any, geometry: Geometry, name: str
) -> tuple[Box, NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Read what `write_part` wrote: the box, the mask as 0 and 1, and the marks, None without any.

    Raises
    ------
    ProtocolError
        If the message is malformed.
    WorkerError
        If a file is not there or holds something else.
    MarkError
        If an array does not fill its box, or lies on another grid than the scan.
    """
    params = value_of({name: message}, name, dict)
    box = _box_on(params.get("box_ijk"), geometry)
    mask = (_read(folder, params.get("mask"), box, geometry) != 0).astype(np.uint8)
    if params.get("marks") is None:
        return box, mask, None
    marks = _read(folder, params["marks"], box, geometry)
    if marks.size and not 0 <= int(marks.min()) <= int(marks.max()) <= _MOST_MARK:
        raise MarkError("A map of marks holds 0, 1 and 2, and nothing else.")
    return box, mask, marks.astype(np.uint8)


def _box_on(value: Any, geometry: Geometry) -> Box:
    box = box_of(value, "box_ijk")
    if box.is_empty or box.clipped(geometry) != box:
        raise MarkError(f"The box {box.to_json()} does not lie on a CT of {geometry.size_ijk} voxels.")
    return box


def _read(folder: Path, reference: Any, box: Box, geometry: Geometry) -> NDArray:
    part = read_volume_array(folder, reference, mapped=False)
    if part.geometry.size_ijk != box.size_ijk or not part.geometry.matches(box.geometry(geometry)):
        raise MarkError("Marks and CT do not lie on the same grid.", "Open the CT that was marked.")
    if part.voxels.dtype.kind not in "bui":
        raise WorkerError(f"Masks and marks are whole numbers, not {part.voxels.dtype}.", "Try again.")
    return part.voxels


def write_probability(folder: Path, name: str, probability: Volume) -> Params:
    """Write a probability crop as half-precision numbers and return its reference."""
    file = f"{name}-probability.npy"
    np.save(folder / file, np.ascontiguousarray(probability.voxels, dtype=np.float16))
    return array_reference(file, probability.geometry)


def read_probability(folder: Path, reference: Any) -> Volume:
    """Read a probability crop.

    Raises
    ------
    WorkerError
        If it holds something else than numbers from 0 to 1.
    """
    crop = read_volume_array(folder, reference, mapped=False)
    voxels = crop.voxels
    if voxels.dtype.kind != "f" or not (voxels.min() >= 0 and voxels.max() <= 1):  # NaN is neither
        raise WorkerError("A probability holds numbers from 0 to 1.", "Segment again, or correct without it.")
    return crop


def write_mark(folder: Path, name: str, geometry: Geometry, mark: Mark) -> Params:
    """Write a mark's voxels as a file of the folder and return its message.

    A slice is its organ and its box: what it excludes follows from them.
    """
    reference = _write(folder, f"{name}.npy", mark.voxels, mark.box.geometry(geometry))
    return {"kind": mark.kind, "include": mark.include, "box_ijk": mark.box.to_json(), "array": reference}


def read_mark(folder: Path, message: Any, geometry: Geometry) -> Mark:
    """Return the mark of a message: an array in a box, or points in mm with a brush.

    Parameters
    ----------
    folder : Path
        The private folder.
    message : dict
        ``{"kind", "include", "box_ijk", "array"}`` or ``{"kind", "include", "points_lps", "radius_mm",
        "normal_lps"}``; a point needs no radius, a slice is always an array.
    geometry : Geometry
        The scan's grid.

    Raises
    ------
    ProtocolError
        If the message is malformed.
    MarkError
        If the mark is empty, endless, or does not lie on the scan; a slice may be empty of organ.
    """
    params = value_of({"marks": message}, "marks", dict)
    kind, include = value_of(params, "kind", str), value_of(params, "include", bool)
    if "array" in params:
        box = _box_on(params.get("box_ijk"), geometry)
        voxels = _read(folder, params["array"], box, geometry)
        return Mark.of_array(voxels, geometry, include=include, kind=kind, box=box)
    if kind == "slice":
        raise MarkError("A confirmed slice is an array of its voxels, not a line of points.")
    points = _positions(value_of(params, "points_lps", list), geometry)
    if kind == "point" and "radius_mm" not in params:
        if len(points) != 1:
            raise MarkError(f"A point is one position, not {len(points)}.")
        return Mark.point(points[0], geometry, include=include)
    radius = float(value_of(params, "radius_mm", (int, float)))
    if not 0 < radius <= _LARGEST_RADIUS_MM:
        raise MarkError(f"A brush of {radius:g} mm cannot be used.", "Choose one between 0 and 100 mm.")
    normal = value_of(params, "normal_lps", list, None)
    if normal is not None:
        normal = _normal(normal)
    return Mark.stroke(points, geometry, include=include, radius_mm=radius, normal_lps=normal, kind=kind)


def _positions(points: ArrayLike, geometry: Geometry) -> NDArray[np.float64]:
    """Return points as an array, or raise where they are no line that a hand could have drawn."""
    try:
        line = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MarkError("The marked points are not positions in mm.") from error
    if line.ndim != 2 or line.shape[1] != 3 or not np.isfinite(line).all():
        raise MarkError("The marked points are not positions in mm.")
    middle = geometry.index_to_lps((np.asarray(geometry.size_ijk) - 1) / 2)
    if np.abs(line - middle).max() > _LONGEST_MM:
        raise MarkError("The marks lie far outside the CT.", "Draw inside the CT.")
    if np.linalg.norm(np.diff(line, axis=0), axis=1).sum() > _LONGEST_MM:
        raise MarkError("The stroke is too long.", "Draw several shorter ones.")
    return line


def _normal(value: list[Any]) -> list[float]:
    try:
        normal = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MarkError("The normal of a slice is a direction, three numbers.") from error
    if normal.shape != (3,) or not np.isfinite(normal).all() or not normal.any():
        raise MarkError("The normal of a slice is a direction, three numbers.")
    return [float(v) for v in normal]
