"""What a network is to learn of one patient: the CT, the marks, and the mask as far as it may be believed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.adaptation.movement import moved
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED
from PancreasSegLib.refine.work_grid import WorkGrid

TARGETS = 4
"""Planes of a lesson behind those of the image: included, excluded, belief, known."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A patient on the grid of a network.

    Attributes
    ----------
    planes : ndarray of float32, shape (c + 4, z, y, x)
        The image that the network sees; then 1 where the reader included, and where the reader excluded; the mask
        as it is, 0 to 1; and 1 where there is a picture.
    spacing_zyx : tuple of 3 float
        Voxel spacing in mm.
    """

    planes: NDArray[np.float32]
    spacing_zyx: tuple[float, float, float]

    @classmethod
    def of(cls, image: NDArray[np.float32], grid: WorkGrid, mask: NDArray, marks: NDArray[np.uint8]) -> Lesson:
        """Bring mask and marks, which lie on the CT's own grid, to the grid of an image (c, z, y, x)."""
        said, belief = grid.sampled_marks(marks), np.clip(grid.sampled(mask != 0), 0.0, 1.0)
        targets = [said == INCLUDED, said == EXCLUDED, belief, np.ones_like(belief)]
        return cls(np.concatenate([image, np.stack(targets, dtype=np.float32)]), grid.spacing_zyx)

    @property
    def channels(self) -> int:
        """Planes of the image."""
        return len(self.planes) - TARGETS

    @property
    def voxels(self) -> int:
        """Voxels of a plane."""
        return int(self.planes[0].size)

    def window(self, size_zyx: tuple[int, int, int], rng: np.random.Generator) -> Lesson:
        """Return a part of at most this size around a marked voxel."""
        shape = self.planes.shape[1:]
        places = np.argwhere(self.planes[self.channels : self.channels + 2].any(axis=0))
        centre = places[rng.integers(len(places))]
        part = []
        for middle, wanted, whole in zip(centre, size_zyx, shape, strict=True):
            size = min(wanted, whole)
            first = min(max(int(middle) - size // 2, 0), whole - size)
            part.append(slice(first, first + size))
        return replace(self, planes=self.planes[(slice(None), *part)])

    def moved(self, rng: np.random.Generator, strength: float) -> Lesson:
        """Return the patient turned, scaled and bent; beyond the picture is air, of which nothing is known."""
        floor = np.zeros((len(self.planes), 1, 1, 1), dtype=np.float32)
        floor[: self.channels] = self.planes[: self.channels].min()
        found = moved(list(self.planes - floor), self.spacing_zyx, rng, strength)
        return replace(self, planes=np.stack(found) + floor)

    def on(self, axes: NetworkAxes) -> NDArray[np.float32]:
        """Return the planes on a network's axes."""
        return np.ascontiguousarray(axes.apply(self.planes))
