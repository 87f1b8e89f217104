"""Where a network is in doubt, so that a reader looks there first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Geometry, Volume

_SURE = 0.01  # below it and above one minus it there is nothing to tell
_LEAST_DOUBT = 0.1


@dataclass(frozen=True)
class DoubtfulSlice:
    """A slice on which a network is in doubt.

    Attributes
    ----------
    position_lps : tuple of 3 float
        Centre of gravity of the doubt on this slice, in mm.
    normal_lps : tuple of 3 float
        Unit normal of the slice, towards the head.
    doubt : float
        0 where the network is sure; 0.5 where its doubt amounts to as much as the organ's mean cross-section.
    """

    position_lps: tuple[float, float, float]
    normal_lps: tuple[float, float, float]
    doubt: float


def doubtful_slices(
    probability: Volume,
    *,
    marks: Volume | None = None,
    apart_mm: float = 8.0,
    most: int = 12,
) -> list[DoubtfulSlice]:
    """Return the axial slices with most doubt, largest first.

    The doubt of a slice is the entropy of the probability, summed over its voxels. Listed slices lie `apart_mm` or
    more from each other, and from all slices that were marked.

    Parameters
    ----------
    probability : Volume
        Foreground probability, 0 to 1; "axial" is the axis of its grid that is nearest to the patient's, however
        the grid lies.
    marks : Volume, optional
        What was marked so far: slices with nonzero voxels count as seen. On any grid.
    apart_mm : float
        Distance between listed slices.
    most : int
        How many are listed at most.

    Returns
    -------
    list of DoubtfulSlice
        Empty where the network is sure everywhere.

    Examples
    --------
    >>> voxels = np.zeros((10, 8, 8), np.float16); voxels[2:8, 2:6, 2:6] = 1; voxels[6, 2:6, 2:6] = 0.5
    >>> found = doubtful_slices(Volume(voxels, Geometry((8, 8, 10), (1, 1, 3))))
    >>> [(place.position_lps[2], round(place.doubt, 2)) for place in found]
    [(18.0, 0.52)]
    """
    geometry = probability.geometry
    axis = axial_axis(geometry)
    area, centre, organ = _doubt_by_slice(probability, axis)
    normal = geometry.matrix[:, axis]
    height = centre @ normal
    free = np.ones(len(area), dtype=bool)
    seen = _marked_heights(marks, normal)
    if seen.size:
        free &= np.abs(height[:, None] - seen[None, :]).min(1) >= apart_mm
    share = area / (area + organ) if organ > 0 else np.zeros_like(area)
    upward = normal * (1.0 if normal[2] >= 0 else -1.0)
    found: list[DoubtfulSlice] = []
    for number in np.argsort(-area, kind="stable"):
        if share[number] < _LEAST_DOUBT or len(found) >= most:
            break
        if free[number]:
            found.append(DoubtfulSlice(_triple(centre[number]), _triple(upward), float(share[number])))
            free &= np.abs(height - height[number]) >= apart_mm
    return found


def axial_axis(geometry: Geometry) -> int:
    """Return which axis of a grid, 0 for i to 2 for k, is nearest to the patient's long axis."""
    return int(np.argmax(np.abs(geometry.matrix[2])))


def _doubt_by_slice(probability: Volume, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return each slice's doubt in mm², the centre of it in mm, and the organ's mean cross-section in mm²."""
    geometry = probability.geometry
    count = geometry.size_ijk[axis]
    pixel = float(np.prod(geometry.spacing_mm)) / geometry.spacing_mm[axis]
    unsure = (probability.voxels > _SURE) & (probability.voxels < 1.0 - _SURE)
    index = np.argwhere(unsure)[:, ::-1]
    value = probability.voxels[unsure].astype(np.float64)
    entropy = -(value * np.log2(value) + (1.0 - value) * np.log2(1.0 - value))
    slices = index[:, axis]
    doubt = np.bincount(slices, entropy, count)
    middle = np.stack([np.bincount(slices, entropy * index[:, a], count) for a in range(3)], axis=1)
    default = np.broadcast_to((np.asarray(geometry.size_ijk) - 1) / 2, middle.shape)
    middle = np.where(doubt[:, None] > 0, middle / np.maximum(doubt, 1e-12)[:, None], default)
    middle[:, axis] = np.arange(count)
    others = tuple(2 - a for a in range(3) if a != axis)
    section = probability.voxels.sum(axis=others, dtype=np.float64) * pixel
    organ = float(section[section > pixel].mean()) if (section > pixel).any() else 0.0
    return np.asarray(doubt * pixel), geometry.index_to_lps(middle), organ


def _marked_heights(marks: Volume | None, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where along a normal slices were marked, in mm.

    A mark that only passes through, as a slice across these ones does, was not looked at in each of them.
    """
    if marks is None or not marks.voxels.any():
        return np.zeros(0)
    axis = int(np.argmax(np.abs(marks.geometry.matrix.T @ normal)))
    stacked = np.moveaxis(marks.voxels != 0, 2 - axis, 0)
    drawn = stacked.copy()
    drawn[1:-1] &= ~(stacked[:-2] & stacked[2:])
    index = np.argwhere(np.moveaxis(drawn, 0, 2 - axis))[:, ::-1].astype(np.float64)
    count = np.bincount(index[:, axis].astype(int))
    mean = [np.bincount(index[:, axis].astype(int), index[:, a]) / np.maximum(count, 1) for a in range(3)]
    place = marks.geometry.index_to_lps(np.stack(mean, axis=1)[count > 0])
    return np.asarray(place @ normal)


def _triple(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
