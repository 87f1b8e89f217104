"""A box of voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume.geometry import Geometry, IndexTriple, Triple


@dataclass(frozen=True)
class Box:
    """A half-open box of voxel indices, ``lower <= index < upper`` along i, j and k.

    Examples
    --------
    >>> box = Box((2, 0, 1), (4, 3, 2))
    >>> box.size_ijk
    (2, 3, 1)
    >>> box.to_json()
    [[2, 4], [0, 3], [1, 2]]
    """

    lower_ijk: IndexTriple
    upper_ijk: IndexTriple

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower_ijk", tuple(int(v) for v in self.lower_ijk))
        object.__setattr__(self, "upper_ijk", tuple(int(v) for v in self.upper_ijk))

    @classmethod
    def whole(cls, geometry: Geometry) -> Box:
        """Return the box of the whole grid."""
        return cls((0, 0, 0), geometry.size_ijk)

    @classmethod
    def of_mask(cls, mask: NDArray) -> Box | None:
        """Return the tightest box around the nonzero voxels of a (z, y, x) array, None if there are none."""
        bounds = []
        for axis in (2, 1, 0):
            others = tuple(a for a in range(3) if a != axis)
            hit = np.flatnonzero(mask.any(axis=others))
            if hit.size == 0:
                return None
            bounds.append((int(hit[0]), int(hit[-1]) + 1))
        return cls.from_json(bounds)

    @classmethod
    def from_json(cls, ranges: Sequence[Sequence[int]]) -> Box:
        """Build from ``[[i0, i1], [j0, j1], [k0, k1]]``."""
        (i0, i1), (j0, j1), (k0, k1) = ranges
        return cls((i0, j0, k0), (i1, j1, k1))

    def to_json(self) -> list[list[int]]:
        """Return ``[[i0, i1], [j0, j1], [k0, k1]]``."""
        return [[lo, up] for lo, up in zip(self.lower_ijk, self.upper_ijk, strict=True)]

    @property
    def size_ijk(self) -> IndexTriple:
        """Voxels along i, j and k."""
        i, j, k = (max(0, up - lo) for lo, up in zip(self.lower_ijk, self.upper_ijk, strict=True))
        return i, j, k

    @property
    def is_empty(self) -> bool:
        """Whether the box holds no voxel."""
        return min(self.size_ijk) == 0

    @property
    def slices_zyx(self) -> tuple[slice, slice, slice]:
        """Slices that cut the box from a (z, y, x) array."""
        (i0, j0, k0), (i1, j1, k1) = self.lower_ijk, self.upper_ijk
        return slice(k0, k1), slice(j0, j1), slice(i0, i1)

    def union(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        lower = np.minimum(self.lower_ijk, other.lower_ijk)
        return Box(tuple(lower), tuple(np.maximum(self.upper_ijk, other.upper_ijk)))

    def intersection(self, other: Box) -> Box:
        """Return what both share, possibly empty."""
        lower = np.maximum(self.lower_ijk, other.lower_ijk)
        return Box(tuple(lower), tuple(np.minimum(self.upper_ijk, other.upper_ijk)))

    def slices_in(self, outer: Box) -> tuple[slice, slice, slice]:
        """Return slices that cut the box from a (z, y, x) array which is cut to `outer` already."""
        lower = np.subtract(self.lower_ijk, outer.lower_ijk)
        return Box(tuple(lower), tuple(lower + self.size_ijk)).slices_zyx

    def part(self, inner: Box) -> Box:
        """Return a box that is counted from this one's lower corner as a box of the whole grid."""
        lower = np.add(self.lower_ijk, inner.lower_ijk)
        return Box(tuple(lower), tuple(lower + inner.size_ijk))

    def clipped(self, geometry: Geometry) -> Box:
        """Return the part of the box inside the grid (possibly empty)."""
        lower = np.clip(self.lower_ijk, 0, geometry.size_ijk)
        upper = np.clip(self.upper_ijk, 0, geometry.size_ijk)
        return Box(tuple(lower), tuple(np.maximum(lower, upper)))

    def grown(self, margin_mm: float | Triple, geometry: Geometry) -> Box:
        """Return the box with a margin in mm on every side, clipped to the grid."""
        margin = np.ceil(np.broadcast_to(margin_mm, 3) / np.asarray(geometry.spacing_mm)).astype(int)
        grown = Box(tuple(np.asarray(self.lower_ijk) - margin), tuple(np.asarray(self.upper_ijk) + margin))
        return grown.clipped(geometry)

    def geometry(self, parent: Geometry) -> Geometry:
        """Return the grid of the voxels inside the box, cut from `parent`."""
        origin = parent.index_to_lps(self.lower_ijk)
        return Geometry(self.size_ijk, parent.spacing_mm, tuple(origin), parent.direction_lps)

    def on_grid(self, source: Geometry, target: Geometry) -> Box:
        """Return the smallest box of `target` voxels that covers this box of `source` voxels, clipped.

        The grids may differ in spacing, origin, axis order and obliquity.
        """
        lower, upper = np.asarray(self.lower_ijk) - 0.5, np.asarray(self.upper_ijk) - 0.5
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        index = target.lps_to_index(source.index_to_lps(lower + corners * (upper - lower)))
        first = np.floor(index.min(0) + 0.5 + 1e-6).astype(int)
        last = np.ceil(index.max(0) + 0.5 - 1e-6).astype(int)
        return Box(tuple(first), tuple(last)).clipped(target)
