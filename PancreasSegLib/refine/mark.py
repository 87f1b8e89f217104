"""What a user says about a mask: scribbles, points, regions and whole slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.errors import MarkError
from PancreasSegLib.refine.brush import brushed
from PancreasSegLib.volume import Box, Geometry

Kind = Literal["scribble", "point", "region", "slice"]

KINDS: tuple[Kind, ...] = ("scribble", "point", "region", "slice")
UNMARKED, INCLUDED, EXCLUDED = 0, 1, 2
"""Values of a map of marks."""

POINT_RADIUS_MM = 2.5
"""Radius of the ball that a point speaks for with certainty."""

SLICE_MARGIN_MM = 12.0
"""So far around the organ a confirmed slice says that there is none."""


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing that the user said: these voxels are organ, or are not.

    A scribble and a point are samples of something larger: they are carried as far as they plausibly speak.
    A region is meant as it was drawn: exactly its voxels change. A slice says all about its box, one voxel thick:
    its voxels are organ, the others are not. It is carried into the slices beside it.

    Attributes
    ----------
    kind : {"scribble", "point", "region", "slice"}
        How it was made.
    include : bool
        Organ or not; of a slice, that `voxels` are organ: always true.
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
        if self.kind == "slice" and (1 not in self.box.size_ijk or not self.include):
            raise MarkError("A confirmed slice is one voxel thick, and includes the organ in it.")

    @property
    def values(self) -> NDArray[np.uint8]:
        """What is said of each voxel of the box, (z, y, x): 0 nothing, 1 included, 2 excluded."""
        other = EXCLUDED if self.kind == "slice" else UNMARKED
        return np.where(self.voxels, INCLUDED if self.include else EXCLUDED, other).astype(np.uint8)

    def reached(self, reach_mm: float, geometry: Geometry) -> Box:
        """Return all that lies within reach of the mark; a slice reaches into its neighbours only."""
        reach = [reach_mm] * 3
        if self.kind == "slice":
            reach = [reach_mm if size == 1 else 0.0 for size in self.box.size_ijk]
        return self.box.grown((reach[0], reach[1], reach[2]), geometry)

    @classmethod
    def of_slice(
        cls, mask: NDArray, geometry: Geometry, *, axis: int, index: int, margin_mm: float = SLICE_MARGIN_MM
    ) -> Mark:
        """Return the mark that confirms a slice of a mask as it is.

        It speaks for the organ in the slice and its two neighbours on either side, and for a margin around them.

        Parameters
        ----------
        mask : ndarray, shape (z, y, x)
            On the CT's grid; nonzero is organ.
        geometry : Geometry
            The CT's grid.
        axis : int
            The grid's axis (0 i, 1 j, 2 k) across the slice.
        index : int
            The slice.
        margin_mm : float
            In the slice.

        Raises
        ------
        MarkError
            If the slice lies beside the CT, or there is no organ in it and beside it.

        Examples
        --------
        >>> mask = np.zeros((5, 30, 30), bool); mask[1:4, 10:20, 10:20] = True
        >>> right = Mark.of_slice(mask, Geometry((30, 30, 5), (1.0, 1.0, 3.0)), axis=2, index=2, margin_mm=5)
        >>> right.box.size_ijk, int((right.values == EXCLUDED).sum())
        ((20, 20, 1), 300)
        """
        size = geometry.size_ijk
        if not 0 <= index < size[axis]:
            raise MarkError("The slice lies beside the CT.", "Page to a slice of the CT.")
        lower, upper = [0, 0, 0], list(size)
        lower[axis], upper[axis] = max(0, index - 2), min(size[axis], index + 3)
        near = Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))
        organ = Box.of_mask(np.asarray(mask[near.slices_zyx]) != 0)
        if organ is None:
            raise MarkError(
                "There is no organ in this slice and beside it.", "Page to the organ, or paint it there first."
            )
        margins = [0.0 if a == axis else margin_mm for a in range(3)]
        box = near.part(organ).grown((margins[0], margins[1], margins[2]), geometry)
        lower, upper = list(box.lower_ijk), list(box.upper_ijk)
        lower[axis], upper[axis] = index, index + 1
        box = Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))
        return cls("slice", True, box, np.ascontiguousarray(mask[box.slices_zyx]) != 0)

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
        kind : {"scribble", "point", "region", "slice"}
            How it was made; a slice keeps `box`, which it speaks for.
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
        if kind == "slice":
            return cls(kind, include, outer, np.asarray(voxels) != 0)
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
        normal_lps: ArrayLike | None = None,
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
        normal_lps : array_like, shape (3,), optional
            Normal of the slice that was drawn on, at any angle: the brush is a disc in it, one voxel thick; else a
            ball.
        kind : {"scribble", "point", "region"}
            What it is meant as.

        Raises
        ------
        MarkError
            If no voxel of the CT is covered, or the brush is not larger than nothing.
        """
        points = np.atleast_2d(np.asarray(points_lps, dtype=np.float64))
        if points.size == 0 or points.shape[-1] != 3 or not np.isfinite(points).all():
            raise MarkError("The marked points are not positions in mm.")
        if not radius_mm > 0:
            raise MarkError(f"A brush of {radius_mm} mm marks nothing.", "Choose a larger one.")
        normal: NDArray[np.float64] | None = None
        if normal_lps is not None:
            normal = np.asarray(normal_lps, dtype=np.float64)
            normal = normal / np.linalg.norm(normal)
        found = brushed(points, geometry, radius_mm, normal)
        if found is None:
            raise MarkError("The marks lie outside the CT.", "Draw inside the CT.")
        return cls.of_array(found[1], geometry, include=include, kind=kind, box=found[0])

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
        """Return the mark cut into parts that are nowhere longer than `longest_mm`, in order of their place.

        A slice stays whole.
        """
        if self.kind == "slice":
            return [self]
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
