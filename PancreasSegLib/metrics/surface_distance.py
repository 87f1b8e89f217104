"""Distances between the surfaces of two masks, each piece of surface weighted by its area.

The definition is that of DeepMind's ``surface-distance`` (Nikolov et al., J Med Internet Res 2021,
doi:10.2196/26151): a surface has an element in every 2x2x2 neighbourhood that is neither all inside nor all
outside, as large as the area that marching cubes finds there; its distance is that to the nearest element of the
other surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from PancreasSegLib.metrics.overlap import as_masks, check_spacing
from PancreasSegLib.metrics.surface_area import bounding_slices, neighbourhood_codes, surface_areas

_ROUNDING_MM = 1e-6
"""So that a distance of exactly the tolerance counts, however floating point rounds it."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances from each element of one surface to the other surface, in both directions.

    Attributes
    ----------
    mask_mm, reference_mm : ndarray of float
        Distance in mm of each element of the mask's (the reference's) surface to the other one, ascending;
        infinite where the other mask is empty.
    mask_mm2, reference_mm2 : ndarray of float
        Area in mm² of the same elements.
    """

    mask_mm: NDArray[np.float64]
    mask_mm2: NDArray[np.float64]
    reference_mm: NDArray[np.float64]
    reference_mm2: NDArray[np.float64]

    @property
    def empty(self) -> tuple[bool, bool]:
        """Whether the mask and whether the reference is empty."""
        return self.mask_mm.size == 0, self.reference_mm.size == 0

    def nsd(self, tolerance_mm: float) -> float:
        """Normalised surface Dice: share of both surfaces within `tolerance_mm` of the other one, 0 to 1."""
        if any(self.empty):
            return float(all(self.empty))
        limit = tolerance_mm + _ROUNDING_MM
        near = self.mask_mm2[self.mask_mm <= limit].sum() + self.reference_mm2[self.reference_mm <= limit].sum()
        return float(near / (self.mask_mm2.sum() + self.reference_mm2.sum()))

    def hausdorff(self, percent: float = 95) -> float:
        """Larger of the two directed distances within which `percent` of a surface's area lies, in mm."""
        if any(self.empty):
            return 0.0 if all(self.empty) else float("inf")
        return max(
            _percentile(self.mask_mm, self.mask_mm2, percent),
            _percentile(self.reference_mm, self.reference_mm2, percent),
        )

    def assd(self) -> float:
        """Average symmetric surface distance: the mean over both surfaces by area, in mm."""
        if any(self.empty):
            return 0.0 if all(self.empty) else float("inf")
        total = self.mask_mm @ self.mask_mm2 + self.reference_mm @ self.reference_mm2
        return float(total / (self.mask_mm2.sum() + self.reference_mm2.sum()))


def _percentile(distances: NDArray[np.float64], areas: NDArray[np.float64], percent: float) -> float:
    """Least distance within which at least `percent` of the area lies."""
    share = np.cumsum(areas) / areas.sum()
    # a share of exactly the percentage counts, however floating point rounds it
    found = int(np.searchsorted(share, percent / 100 - 1e-9))
    return float(distances[min(found, distances.size - 1)])


def surface_distances(mask: ArrayLike, reference: ArrayLike, spacing_mm: Sequence[float]) -> SurfaceDistances:
    """Measure the distances between two surfaces once, for any number of metrics.

    Parameters
    ----------
    mask, reference : array, shape (z, y, x)
        Anything but zero is inside; a mask that touches the border of the array has a surface there.
    spacing_mm : sequence of 3 float
        Along i, j, k.

    Raises
    ------
    GeometryError
        If the shapes differ or the spacing is not positive.

    Examples
    --------
    >>> cube = np.zeros((6, 6, 6))
    >>> cube[1:4, 1:4, 1:4] = 1
    >>> found = surface_distances(cube, np.roll(cube, 1, axis=0), (1, 1, 2))
    >>> found.hausdorff(100)
    2.0
    """
    a, b = as_masks(mask, reference)
    spacing = check_spacing(spacing_mm)
    (points_a, areas_a), (points_b, areas_b) = surface_elements(a, spacing), surface_elements(b, spacing)
    return SurfaceDistances(
        *_ascending(_distances(points_a, points_b), areas_a), *_ascending(_distances(points_b, points_a), areas_b)
    )


def surface_elements(
    mask: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the elements of a mask's surface.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The mask.
    spacing : tuple of 3 float
        In mm along i, j, k.

    Returns
    -------
    points : ndarray, shape (n, 3)
        Positions (z, y, x) in mm from the outer corner of the array's first voxel.
    areas : ndarray, shape (n,)
        In mm².
    """
    box = bounding_slices(mask)
    if box is None:
        return np.zeros((0, 3)), np.zeros(0)
    codes = neighbourhood_codes(mask[box])
    index = np.nonzero((codes != 0) & (codes != 255))
    start = [side.start for side in box]
    points = (np.stack(index, axis=1) + start) * np.array(spacing[::-1])
    return points, surface_areas(spacing)[codes[index]]


def _distances(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(others):
        return np.full(len(points), np.inf)
    # elements on a grid, hence a tree that is quick to build suffices
    distances, _ = cKDTree(others, balanced_tree=False, compact_nodes=False).query(points)
    return np.asarray(distances)


def _ascending(
    distances: NDArray[np.float64], areas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = np.argsort(distances, kind="stable")
    return distances[order], areas[order]


def nsd(mask: ArrayLike, reference: ArrayLike, spacing_mm: Sequence[float], tolerance_mm: float) -> float:
    """Normalised surface Dice at a tolerance in mm, 0 to 1; see `surface_distances`.

    Both masks empty is 1, one empty 0.
    """
    return surface_distances(mask, reference, spacing_mm).nsd(tolerance_mm)


def hausdorff95(mask: ArrayLike, reference: ArrayLike, spacing_mm: Sequence[float]) -> float:
    """95 % Hausdorff distance in mm, the larger of both directions; see `surface_distances`.

    Both masks empty is 0, one empty infinite.
    """
    return surface_distances(mask, reference, spacing_mm).hausdorff(95)


def assd(mask: ArrayLike, reference: ArrayLike, spacing_mm: Sequence[float]) -> float:
    """Average symmetric surface distance in mm; see `surface_distances`.

    Both masks empty is 0, one empty infinite.
    """
    return surface_distances(mask, reference, spacing_mm).assd()
