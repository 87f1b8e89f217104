"""Reorder and flip axes to the canonical order, and back, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume.box import Box
from PancreasSegLib.volume.geometry import Geometry


@dataclass(frozen=True)
class AxisMap:
    """An axis permutation with flips between a file's grid and a reordered one; no interpolation.

    Parameters
    ----------
    order : tuple of 3 int
        ``order[a]`` is the source axis (0 = i, 1 = j, 2 = k) that becomes axis `a` of the result.
    flipped : tuple of 3 bool
        Whether result axis `a` runs against its source axis.
    source, target : Geometry
        The grids on both sides; both place every voxel at the same position in the patient.
    """

    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    source: Geometry
    target: Geometry

    @classmethod
    def to_canonical(cls, geometry: Geometry) -> AxisMap:
        """Map to the axes nearest to i to Left, j to Posterior, k to Superior.

        For an oblique grid the nearest assignment of whole axes is taken (largest product of cosines), so
        voxels are only reordered; left-handed grids become right-handed.
        """
        from itertools import permutations

        cosines = geometry.matrix  # rows: L, P, S; columns: i, j, k

        def fit(order: tuple[int, ...]) -> float:
            return float(np.prod([abs(cosines[row, axis]) for row, axis in enumerate(order)]))

        best = max(permutations(range(3)), key=fit)
        order = (best[0], best[1], best[2])
        flips = [bool(cosines[row, axis] < 0) for row, axis in enumerate(order)]
        flipped = (flips[0], flips[1], flips[2])
        return cls(order, flipped, geometry, _reordered(geometry, order, flipped))

    def apply(self, array: NDArray) -> NDArray:
        """Reorder a (z, y, x) array of the source grid to the target grid; a view where possible."""
        axes = [2 - self.order[2 - a] for a in range(3)]
        result = np.transpose(array, axes)
        return result[tuple(slice(None, None, -1 if self.flipped[2 - a] else 1) for a in range(3))]

    def invert(self, array: NDArray) -> NDArray:
        """Reorder a (z, y, x) array of the target grid back to the source grid; a view where possible."""
        unflipped = array[tuple(slice(None, None, -1 if self.flipped[2 - a] else 1) for a in range(3))]
        axes = [2 - self.order[2 - a] for a in range(3)]
        return np.transpose(unflipped, np.argsort(axes))

    def apply_box(self, box: Box) -> Box:
        """Map a box of source voxels to target voxels."""
        lower, upper = [0, 0, 0], [0, 0, 0]
        for axis, (source_axis, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            low, up = box.lower_ijk[source_axis], box.upper_ijk[source_axis]
            size = self.source.size_ijk[source_axis]
            lower[axis], upper[axis] = (size - up, size - low) if flip else (low, up)
        return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))

    def invert_box(self, box: Box) -> Box:
        """Map a box of target voxels back to source voxels."""
        lower, upper = [0, 0, 0], [0, 0, 0]
        for axis, (source_axis, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            low, up = box.lower_ijk[axis], box.upper_ijk[axis]
            size = self.source.size_ijk[source_axis]
            lower[source_axis], upper[source_axis] = (size - up, size - low) if flip else (low, up)
        return Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))


def _reordered(geometry: Geometry, order: tuple[int, int, int], flipped: tuple[bool, bool, bool]) -> Geometry:
    matrix = geometry.matrix[:, list(order)] * np.where(flipped, -1.0, 1.0)
    size = tuple(geometry.size_ijk[a] for a in order)
    spacing = tuple(geometry.spacing_mm[a] for a in order)
    first = np.zeros(3)
    for axis, flip in zip(order, flipped, strict=True):
        first[axis] = geometry.size_ijk[axis] - 1 if flip else 0
    return Geometry(
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        tuple(geometry.index_to_lps(first)),
        tuple(matrix.ravel()),
    )
