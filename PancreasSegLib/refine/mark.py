"""What a user says about a mask: scribbles, points and regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import MarkError
from PancreasSegLib.volume import Box, Geometry

Kind = Literal["scribble", "point", "region"]

KINDS: tuple[Kind, ...] = ("scribble", "point", "region")
UNMARKED, INCLUDED, EXCLUDED = 0, 1, 2
"""Values of a map of marks."""

POINT_RADIUS_MM = 2.5
"""Radius of the ball that a point speaks for with certainty."""


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing that the user said: these voxels are organ, or are not.

    A scribble and a point are samples of something larger: they are carried as far as they plausibly speak.
    A region is meant as it was drawn: exactly its voxels change.

    Attributes
    ----------
    kind : {"scribble", "point", "region"}
        How it was made.
    include : bool
        Organ or not.
    box : Box
        Where `voxels` lie on the CT's grid.
    voxels : ndarray of bool, shape (z, y, x)
        What was marked, cut to `box`.

    Examples
    --------
    >>> grid = Geometry((40, 40, 20), (1.0, 1.0, 2.0))
    >>> Mark.stroke([[10, 20, 20], [30, 20, 20]], grid, include=True, radius_mm=1.0).box.size_ijk
    (23, 3, 1)
    """

    kind: Kind
    include: bool
    box: Box
    voxels: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise MarkError(f"A mark cannot be a {self.kind!r}.", f"It is one of {', '.join(KINDS)}.")
        if self.voxels.shape != self.box.size_ijk[::-1]:
            raise MarkError(f"A mark of shape {self.voxels.shape} does not fill its box {self.box.to_json()}.")

    @classmethod
    def of_array(
        cls, voxels: NDArray, geometry: Geometry, *, include: bool, kind: Kind = "scribble", box: Box | None = None
    ) -> Mark:
        """Return the mark of the nonzero voxels of an array.

        Parameters
        ----------
        voxels : ndarray, shape (z, y, x)
            On the CT's grid, or cut to `box`.
        geometry : Geometry
            The CT's grid.
        include : bool
            Organ or not.
        kind : {"scribble", "point", "region"}
            How it was made.
        box : Box, optional
            Where `voxels` lie; the whole grid by default.

        Raises
        ------
        MarkError
            If nothing is marked, or the array does not fit.
        """
        outer = box or Box.whole(geometry)
        if tuple(voxels.shape) != outer.size_ijk[::-1] or outer.clipped(geometry) != outer:
            raise MarkError(
                f"Marks of shape {tuple(voxels.shape)} do not lie on a CT of {geometry.size_ijk} voxels."
            )
        inner = Box.of_mask(voxels)
        if inner is None:
            raise MarkError("Nothing is marked.", "Draw inside the CT.")
        placed = outer.part(inner)
        return cls(kind, include, placed, np.ascontiguousarray(voxels[inner.slices_zyx]) > 0)

    @classmethod
    def stroke(
        cls,
        points_lps: ArrayLike,
        geometry: Geometry,
        *,
        include: bool,
        radius_mm: float,
        normal_lps: Sequence[float] | None = None,
        kind: Kind = "scribble",
    ) -> Mark:
        """Return the mark of a brush that was drawn along a line.

        Parameters
        ----------
        points_lps : array_like, shape (n, 3)
            Where the brush went, LPS in mm; one point is a dab.
        geometry : Geometry
            The CT's grid.
        include : bool
            Organ or not.
        radius_mm : float
            Of the brush. The voxel under each point is marked however small the brush is.
        normal_lps : sequence of 3 float, optional
            Normal of the slice that was drawn on: the brush is a disc in it, one voxel thick; else a sphere.
        kind : {"scribble", "point", "region"}
            What it is meant as.

        Raises
        ------
        MarkError
            If no point lies inside the CT, or the brush is not larger than nothing.
        """
        points = np.atleast_2d(np.asarray(points_lps, dtype=np.float64))
        if points.size == 0 or points.shape[-1] != 3 or not np.isfinite(points).all():
            raise MarkError("The marked points are not positions in mm.")
        if not radius_mm > 0:
            raise MarkError(f"A brush of {radius_mm} mm marks nothing.", "Choose a larger one.")
        line = _densely(points, 0.5 * min(geometry.spacing_mm))
        index = geometry.lps_to_index(line)
        inside = ((index > -0.5) & (index < np.asarray(geometry.size_ijk) - 0.5)).all(1)
        if not inside.any():
            raise MarkError("The marks lie outside the CT.", "Draw inside the CT.")
        index = index[inside]
        whole = Box(tuple(np.floor(index.min(0)).astype(int)), tuple(np.ceil(index.max(0)).astype(int) + 1))
        box = whole.grown(radius_mm + max(geometry.spacing_mm), geometry)
        voxels = _brushed(index, geometry, box, radius_mm, normal_lps)
        return cls.of_array(voxels, geometry, include=include, kind=kind, box=box)

    @classmethod
    def point(cls, position_lps: ArrayLike, geometry: Geometry, *, include: bool) -> Mark:
        """Return the mark of one point, LPS in mm.

        Raises
        ------
        MarkError
            If it lies outside the CT.
        """
        points = np.atleast_2d(position_lps)
        return cls.stroke(points, geometry, include=include, radius_mm=POINT_RADIUS_MM, kind="point")

    def pieces(self, geometry: Geometry, longest_mm: float) -> list[Mark]:
        """Return the mark cut into parts that are nowhere longer than `longest_mm`, in order of their place."""
        extent = np.multiply(self.box.size_ijk, geometry.spacing_mm)
        axis = int(np.argmax(extent))
        if extent[axis] <= longest_mm or self.box.size_ijk[axis] < 2:
            return [self]
        middle = self.box.size_ijk[axis] // 2
        parts = []
        for span in (slice(0, middle), slice(middle, None)):
            half = np.zeros_like(self.voxels)
            part = tuple(span if a == 2 - axis else slice(None) for a in range(3))
            half[part] = self.voxels[part]
            if half.any():
                parts.append(Mark.of_array(half, geometry, include=self.include, kind=self.kind, box=self.box))
        return [piece for half_mark in parts for piece in half_mark.pieces(geometry, longest_mm)]


def _densely(points: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Return the points of a line no further than `step_mm` from each other."""
    parts = [points[:1]]
    for start, end in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / step_mm)))
        parts.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


def _brushed(
    index: NDArray[np.float64],
    geometry: Geometry,
    box: Box,
    radius_mm: float,
    normal_lps: Sequence[float] | None,
) -> NDArray[np.bool_]:
    """Return the voxels of `box` within the brush around any of the points."""
    from scipy.ndimage import distance_transform_edt

    lower = np.asarray(box.lower_ijk)
    nearest = np.clip(np.round(index).astype(int) - lower, 0, np.asarray(box.size_ijk) - 1)
    free = np.ones(box.size_ijk[::-1], dtype=bool)
    free[nearest[:, 2], nearest[:, 1], nearest[:, 0]] = False
    spacing = np.asarray(geometry.spacing_mm, dtype=np.float64)
    if normal_lps is not None:  # a disc: whatever is off the slice is far away
        axis = int(np.argmax(np.abs(geometry.matrix.T @ np.asarray(normal_lps, dtype=np.float64))))
        spacing[axis] = 1e6
    distance = distance_transform_edt(free, sampling=spacing[::-1])
    return np.asarray(distance) <= radius_mm
