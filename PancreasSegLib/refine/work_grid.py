"""The grid on which corrections are worked out: canonical axes, moderate voxels, a window around a mark."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume, resample

SPACING_MM = (1.5, 1.5, 3.0)
LEAST_IJK = (64, 64, 24)
MULTIPLE_IJK = (16, 16, 8)


@dataclass(frozen=True)
class WorkGrid:
    """A window of the CT at the spacing of the work.

    Attributes
    ----------
    axes : AxisMap
        From the CT's axes to canonical ones.
    geometry : Geometry
        The window's own grid; its sizes are multiples of (16, 16, 8). It may reach beyond the CT.
    """

    axes: AxisMap
    geometry: Geometry

    @classmethod
    def around(cls, box: Box, ct: Geometry, reach_mm: float) -> WorkGrid:
        """Return the window that holds a box of CT voxels and all within `reach_mm` of it.

        Parameters
        ----------
        box : Box
            On the CT's own grid.
        ct : Geometry
            The CT's grid, any axes.
        reach_mm : float
            Margin on every side.
        """
        axes = AxisMap.to_canonical(ct)
        inner = axes.apply_box(box)
        size, first = [], []
        for axis in range(3):
            mm, step = axes.target.spacing_mm[axis], SPACING_MM[axis]
            low, high = inner.lower_ijk[axis] * mm, inner.upper_ijk[axis] * mm
            wanted = max(LEAST_IJK[axis], math.ceil((high - low + 2 * reach_mm) / step))
            count = MULTIPLE_IJK[axis] * math.ceil(wanted / MULTIPLE_IJK[axis])
            size.append(count)
            first.append(((low + high - count * step) / 2 + step / 2) / mm - 0.5)
        origin = axes.target.index_to_lps(first)
        target = axes.target.direction_lps
        return cls(axes, Geometry((size[0], size[1], size[2]), SPACING_MM, tuple(origin), target))

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Spacing in mm along the axes of an array."""
        x, y, z = self.geometry.spacing_mm
        return z, y, x

    def sampled(
        self, array: NDArray, *, low: float | None = None, high: float | None = None
    ) -> NDArray[np.float32]:
        """Return an array on the CT's grid as seen on this grid; beyond the CT its edge is repeated.

        Parameters
        ----------
        array : ndarray, shape (z, y, x)
            On the CT's grid.
        low, high : float, optional
            Bounds that values are clipped to first.
        """
        part, grid = self._part(array)
        if low is not None or high is not None:
            part = np.clip(part, low, high)
        return np.asarray(resample(part, grid, self.geometry), dtype=np.float32)

    def sampled_marks(self, marks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a map of marks on this grid; a stroke or a slice thinner than a voxel is not lost.

        Where marks of both kinds fall into one voxel, the more numerous one is kept.
        """
        part, grid = self._part(marks)
        weight = np.zeros((2, *self.geometry.shape_zyx), dtype=np.float32)
        for number, value in enumerate((INCLUDED, EXCLUDED)):
            marked = part == value
            held = Box.of_mask(marked)
            if held is None:
                continue
            near = held.grown(2.0 * max(*self.geometry.spacing_mm, *grid.spacing_mm), grid)  # all that it reaches
            marked, around = marked[near.slices_zyx], near.geometry(grid)
            z, y, x = np.nonzero(marked)
            index = self.geometry.lps_to_index(around.index_to_lps(np.stack([x, y, z], axis=-1)))
            nearest = np.floor(index + 0.5).astype(int)
            inside = ((nearest >= 0) & (nearest < self.geometry.size_ijk)).all(axis=1)
            np.add.at(weight[number], tuple(nearest[inside, ::-1].T), 1.0)
            share = resample(marked, around, self.geometry)
            weight[number] += np.where(share > 0.5, share, 0)
        result = np.where(weight[0] >= weight[1], INCLUDED, EXCLUDED).astype(np.uint8)
        result[weight.max(axis=0) == 0] = UNMARKED
        return result

    def sampled_volume(self, volume: Volume) -> NDArray[np.float32]:
        """Return a volume of any grid on this grid; 0 outside it."""
        own = AxisMap.to_canonical(volume.geometry)
        source, voxels = own.target, own.apply(volume.voxels)
        if not np.allclose(source.matrix, self.geometry.matrix, atol=1e-3):
            return self._interpolated(voxels, source)
        result = np.asarray(resample(voxels, source, self.geometry), dtype=np.float32)
        first = source.lps_to_index(self.geometry.origin_lps)
        for axis in range(3):
            step = self.geometry.spacing_mm[axis] / source.spacing_mm[axis]
            index = first[axis] + step * np.arange(self.geometry.size_ijk[axis])
            outside = (index < -0.5) | (index > source.size_ijk[axis] - 0.5)
            result[tuple(outside if a == 2 - axis else slice(None) for a in range(3))] = 0.0
        return result

    def restored(self, values: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
        """Return values of this grid on the CT's own grid, inside `box`, which this grid must cover."""
        wanted = self.axes.apply_box(box)
        fine = resample(values, self.geometry, wanted.geometry(self.axes.target))
        # the axes of a part are those of the whole: only the size differs
        part = AxisMap(self.axes.order, self.axes.flipped, box.geometry(self.axes.source), self.geometry)
        return np.asarray(part.invert(fine), dtype=np.float32)

    def covered(self) -> Box:
        """Return the CT voxels, on the CT's own grid, whose centres lie in the window."""
        inner = Box.whole(self.geometry).on_grid(self.geometry, self.axes.target)
        return self.axes.invert_box(inner)

    def _part(self, array: NDArray) -> tuple[NDArray, Geometry]:
        """Return the piece of an array on the CT's grid that this grid needs, on canonical axes."""
        ct = self.axes.target
        reach = np.maximum(self.geometry.spacing_mm, ct.spacing_mm)
        box = Box.whole(self.geometry).on_grid(self.geometry, ct).grown((reach[0], reach[1], reach[2]), ct)
        return self.axes.apply(array)[box.slices_zyx], box.geometry(ct)

    def _interpolated(self, voxels: NDArray, source: Geometry) -> NDArray[np.float32]:
        """Interpolate from a grid whose axes are not parallel to these."""
        from scipy.ndimage import map_coordinates

        z, y, x = np.meshgrid(*(np.arange(n) for n in self.geometry.shape_zyx), indexing="ij")
        index = source.lps_to_index(self.geometry.index_to_lps(np.stack([x, y, z], axis=-1)))
        coordinates = np.moveaxis(index[..., ::-1], -1, 0)
        found = map_coordinates(voxels.astype(np.float32), coordinates, order=1, mode="constant", cval=0.0)
        return np.asarray(found, dtype=np.float32)
