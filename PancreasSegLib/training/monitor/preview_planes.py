"""Where a preview cuts a case: the same planes at every step, so that only the network changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.training.prepared import PreparedCase
from PancreasSegLib.volume import Box

_AROUND_MM = 25.0
_SMALLEST_MM = 90.0


@dataclass(frozen=True, eq=False)
class Plane:
    """A cut through a case.

    Attributes
    ----------
    caption : str
        Such as ``"axial 31"``.
    cut : tuple
        Indices into an array (z, y, x) on the case's grid.
    spacing_mm : tuple of float
        Between columns and between rows of the picture.
    upright : bool
        Whether rows are turned over, so that superior is up.
    """

    caption: str
    cut: tuple[slice | int, slice | int, slice | int]
    spacing_mm: tuple[float, float]
    upright: bool = False

    def of(self, array: NDArray) -> NDArray:
        """Return the cut through an array (z, y, x), rows down the picture, the patient's right on the left."""
        part = array[self.cut]
        return part[::-1] if self.upright else part


@dataclass(frozen=True, eq=False)
class PreviewCase:
    """A case with its planes and what is drawn of it, without the rest of its voxels.

    Attributes
    ----------
    name : str
        The case's.
    planes : tuple of Plane
        Axial ones from above, then a coronal one.
    key : int
        The plane that holds most of what is shown.
    frame : Box
        The part that the planes show.
    pixels, reference : tuple of ndarray
        Of each plane: grey values of the case, and its classes.
    """

    name: str
    planes: tuple[Plane, ...]
    key: int
    frame: Box
    pixels: tuple[NDArray[np.uint8], ...]
    reference: tuple[NDArray[np.uint8], ...]


def preview_case(case: PreparedCase, shown: tuple[int, ...]) -> PreviewCase:
    """Choose the planes of a case by its reference.

    Parameters
    ----------
    case : PreparedCase
        On the stage's grid.
    shown : tuple of int
        The classes that the planes are to show; where none of them is in the case, its middle is shown.
    """
    inside = np.isin(case.label, shown)
    box = Box.of_mask(inside)
    frame = _frame(case, box)
    (i0, j0, _), (i1, j1, _) = frame.lower_ijk, frame.upper_ijk
    dx, dy, dz = case.geometry.spacing_mm
    levels, key, j = _levels(inside, case.geometry.size_ijk)
    rows, columns = slice(j0, j1), slice(i0, i1)
    planes = [Plane(f"axial {k}", (k, rows, columns), (dx, dy)) for k in levels]
    height = slice(frame.lower_ijk[2], frame.upper_ijk[2])
    planes.append(Plane(f"coronal {j}", (height, j, columns), (dx, dz), upright=True))
    return PreviewCase(
        case.name,
        tuple(planes),
        levels.index(key),
        frame,
        tuple(np.ascontiguousarray(plane.of(case.image)) for plane in planes),
        tuple(np.ascontiguousarray(plane.of(case.label)) for plane in planes),
    )


def _levels(inside: NDArray[np.bool_], size_ijk: tuple[int, int, int]) -> tuple[list[int], int, int]:
    """Return the axial slices from above, the fullest of them, and the fullest coronal one."""
    areas, depths = inside.sum(axis=(1, 2)), inside.sum(axis=(0, 2))
    held = np.flatnonzero(areas)
    if held.size == 0:
        middle = size_ijk[2] // 2
        return [middle], middle, size_ijk[1] // 2
    key = int(areas.argmax())
    levels = {key, (key + int(held[-1]) + 1) // 2, (key + int(held[0])) // 2}
    return sorted(levels, reverse=True), key, int(depths.argmax())


def _frame(case: PreparedCase, box: Box | None) -> Box:
    """Return the box with its surroundings, cut to the case; all of the case where there is no box."""
    if box is None:
        return Box.whole(case.geometry)
    grown = []
    for axis, spacing in enumerate(case.geometry.spacing_mm):
        low, high, size = box.lower_ijk[axis], box.upper_ijk[axis], case.geometry.size_ijk[axis]
        more = max(_AROUND_MM, (_SMALLEST_MM - (high - low) * spacing) / 2) / spacing
        grown.append((max(0, round(low - more)), min(size, round(high + more))))
    return Box.from_json(grown)
