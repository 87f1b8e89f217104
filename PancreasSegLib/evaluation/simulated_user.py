"""A simulated reader who corrects a mask: the largest error first, with a stroke as a person would draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import AxisMap, Box, Geometry

Tool = Literal["stroke", "point", "slice"]
TOOLS: tuple[Tool, ...] = ("stroke", "point", "slice")
Views = Literal["axial", "all"]
VIEWS: tuple[Views, ...] = ("axial", "all")

_CLEARLY = 1.5
"""Slices are this much thicker than their pixels, where they tell how the scan was cut."""


@dataclass(frozen=True)
class SimulatedUser:
    """Marks errors by looking at the reference.

    The largest connected wrong region is found (missed and excess voxels apart), the slice in which it is largest
    is opened, and its middle is marked there: with a stroke along its middle line, or with a point at its thickest
    place. A reader who looks at all three views takes the one in which the region has the largest slice, in mm2.
    The brush never paints what is right already. Or the whole slice is mended and confirmed.

    Attributes
    ----------
    tool : {"stroke", "point", "slice"}
        What the user marks with.
    length_mm : float
        Longest stroke.
    radius_mm : float
        Radius of the brush; smaller in a narrow place.
    views : {"axial", "all"}
        Where the user looks: at the slices that the scan was cut in, or at all three views along the CT's axes.
    """

    tool: Tool = "stroke"
    length_mm: float = 40.0
    radius_mm: float = 2.5
    views: Views = "axial"

    def mark(self, mask: NDArray, reference: NDArray, geometry: Geometry) -> Mark | None:
        """Return the next mark, None when nothing is wrong.

        Parameters
        ----------
        mask, reference : ndarray, shape (z, y, x)
            The mask as it is, and as it should be, on the CT's grid.
        geometry : Geometry
            The CT's grid.
        """
        mask, reference = np.asarray(mask) != 0, np.asarray(reference) != 0
        box = Box.of_mask(mask ^ reference)
        if box is None:
            return None
        part = box.slices_zyx
        missed, excess = reference[part] & ~mask[part], mask[part] & ~reference[part]
        wrong, size = largest_region(missed)
        other, other_size = largest_region(excess)
        include = size >= other_size
        region = wrong if include else other
        axis = slice_axis(geometry) if self.views == "axial" else largest_view(region, geometry.spacing_mm[::-1])
        if self.tool == "slice":
            number = box.lower_ijk[2 - axis] + largest_slice(region, axis)
            place = tuple(number if a == axis else slice(None) for a in range(3))
            mended = mask.copy()
            mended[place] = reference[place]
            return Mark.of_slice(mended, geometry, axis=2 - axis, index=number)
        voxels = self.draw(region, geometry.spacing_mm[::-1], axis=axis)
        kind: Literal["scribble", "point"] = "scribble" if self.tool == "stroke" else "point"
        return Mark.of_array(voxels, geometry, include=include, kind=kind, box=box)

    def draw(self, region: NDArray[np.bool_], spacing_zyx: Sequence[float], *, axis: int = 0) -> NDArray[np.bool_]:
        """Return what the user paints of a wrong region, in the slice in which the region is largest.

        Parameters
        ----------
        region : ndarray of bool, shape (z, y, x)
            Not empty.
        spacing_zyx : sequence of 3 float
            Voxel spacing in mm.
        axis : int
            The array's axis across the slices.
        """
        number = largest_slice(region, axis)
        in_plane = [spacing for a, spacing in enumerate(spacing_zyx) if a != axis]
        drawn = self._drawn(largest_region(np.take(region, number, axis=axis))[0], in_plane)
        voxels = np.zeros(region.shape, dtype=bool)
        voxels[tuple(number if a == axis else slice(None) for a in range(3))] = drawn
        return voxels

    def _drawn(self, plane: NDArray[np.bool_], spacing: list[float]) -> NDArray[np.bool_]:
        """Return the pixels that the user paints inside the wrong region of a slice."""
        depth = ndimage.distance_transform_edt(np.pad(plane, 1), sampling=spacing)[1:-1, 1:-1]
        line = np.zeros(plane.shape, dtype=bool)
        line[_thickest_place(plane, depth, spacing)] = True
        if self.tool == "stroke":
            line |= _middle_line(plane, depth, spacing, self.length_mm)
        near = ndimage.distance_transform_edt(~line, sampling=spacing) <= self.radius_mm
        return np.asarray(line | (near & plane & (depth > 1.01 * max(spacing))))


def largest_region(wrong: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Return the largest face-connected part of a mask and its voxels (0 of an empty mask)."""
    labels, count = ndimage.label(wrong)
    if count == 0:
        return np.zeros(wrong.shape, dtype=bool), 0
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = int(np.argmax(sizes))
    return labels == largest, int(sizes[largest])


def largest_slice(region: NDArray[np.bool_], axis: int) -> int:
    """Return the slice in which a region is largest."""
    return int(np.argmax(np.count_nonzero(region, axis=tuple(a for a in range(3) if a != axis))))


def largest_view(region: NDArray[np.bool_], spacing_zyx: Sequence[float]) -> int:
    """Return the array axis across the slices in which a region is largest, in mm2."""

    def largest_mm2(axis: int) -> float:
        pixel = float(np.prod([spacing for a, spacing in enumerate(spacing_zyx) if a != axis]))
        return pixel * np.count_nonzero(np.take(region, largest_slice(region, axis), axis=axis))

    return max(range(3), key=largest_mm2)


def slice_axis(geometry: Geometry) -> int:
    """Return the array axis across the slices that a reader pages through.

    The axial slices, unless the voxels are clearly thicker along another axis, as in a coronal reconstruction.
    """
    axial = 2 - AxisMap.to_canonical(geometry).order[2]
    spacing = geometry.spacing_mm[::-1]
    thickest = int(np.argmax(spacing))
    return thickest if spacing[thickest] > _CLEARLY * sorted(spacing)[1] else axial


def _thickest_place(
    among: NDArray[np.bool_], depth: NDArray[np.float64], spacing: Sequence[float]
) -> tuple[int, ...]:
    """Return the pixel that lies deepest in its region; of several alike, the one nearest to the middle."""
    alike = np.argwhere(among & (depth > 0.999 * depth[among].max()))
    away = (alike - np.argwhere(among).mean(axis=0)) * spacing
    return tuple(int(index) for index in alike[np.argmin((away**2).sum(axis=1))])


def _middle_line(
    plane: NDArray[np.bool_], depth: NDArray[np.float64], spacing: list[float], length_mm: float
) -> NDArray[np.bool_]:
    """Return the middle line through the thickest place of a region, at most `length_mm` long."""
    from skimage.graph import MCP_Geometric
    from skimage.morphology import skeletonize

    skeleton = skeletonize(plane)
    line = np.zeros(plane.shape, dtype=bool)
    if not skeleton.any():
        return line
    centre = _thickest_place(skeleton, depth, spacing)
    costs = np.where(skeleton, 1.0, -1.0)
    paths = MCP_Geometric(costs, sampling=spacing)
    distance, _ = paths.find_costs([centre])
    reached = np.where(skeleton & (distance <= length_mm / 2), distance, -1.0)
    first = paths.traceback(np.unravel_index(np.argmax(reached), plane.shape))
    away = np.subtract(first[-1], centre) * spacing
    offsets = (np.indices(plane.shape) - np.reshape(centre, (2, 1, 1))) * np.reshape(spacing, (2, 1, 1))
    opposite = np.tensordot(away, offsets, axes=1) <= 0  # the other arm of the stroke leads away from the first
    second = paths.traceback(np.unravel_index(np.argmax(np.where(opposite, reached, -1.0)), plane.shape))
    for path in (first, second):
        line[tuple(np.transpose(path))] = True
    return line
