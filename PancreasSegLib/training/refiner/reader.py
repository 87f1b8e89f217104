"""A simulated reader as the refiner meets them in training: of varied habits, not always at the worst place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.evaluation.simulated_user import SimulatedUser, largest_region, largest_slice
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, SLICE_MARGIN_MM
from PancreasSegLib.training.recipe import RefinerRecipe

Array = NDArray[np.bool_]
Tool = Literal["stroke", "point", "outline", "slice"]
Place = tuple[int | slice, ...]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a reader marked.

    Attributes
    ----------
    tool : str
        With what.
    include : bool
        Whether the worst there was something missed.
    marks : ndarray of uint8, shape (z, y, x)
        0 nothing, 1 included, 2 excluded.
    centre : ndarray, shape (3,)
        Voxel (z, y, x) in the middle of what is of interest.
    """

    tool: Tool
    include: bool
    marks: NDArray[np.uint8]
    centre: NDArray[np.float64]


class Reader:
    """Marks what is wrong with a mask.

    Parameters
    ----------
    recipe : RefinerRecipe
        How readers vary.
    spacing_zyx : tuple of 3 float
        Voxel spacing in mm.
    rng : Generator
        Source of all draws.
    """

    def __init__(
        self, recipe: RefinerRecipe, spacing_zyx: tuple[float, float, float], rng: np.random.Generator
    ) -> None:
        self.recipe, self.spacing, self.rng = recipe, spacing_zyx, rng

    def mark(self, mask: Array, reference: Array) -> Drawn | None:
        """Return the next mark: most often of the largest error; None if all is right."""
        rng = self.rng
        missed, excess = reference & ~mask, mask & ~reference
        worst = rng.random() < 0.7
        (region, size), (other, other_size) = (self._region(wrong, worst) for wrong in (missed, excess))
        if not size + other_size:
            return None
        include = size >= other_size if worst else rng.random() < size / (size + other_size)
        axis = 0 if rng.random() < 0.85 else int(rng.integers(3))
        tool = self._tool()
        region = region if include else other
        if tool in ("stroke", "point"):
            return self._line(tool, include, region, axis)
        return self._slice(tool, include, region, axis, mask, reference)

    def _tool(self) -> Tool:
        r = self.recipe
        shares: dict[Tool, float] = {"point": r.point_share, "outline": r.outline_share, "slice": r.slice_share}
        names: list[Tool] = ["stroke", *shares]
        chances = [max(0.0, 1 - sum(shares.values())), *shares.values()]
        return names[int(self.rng.choice(len(names), p=np.divide(chances, sum(chances))))]

    def _region(self, wrong: Array, worst: bool) -> tuple[Array, int]:
        """Return the largest connected region, or any, the likelier the larger; and its voxels."""
        if worst:
            return largest_region(wrong)
        regions, count = ndimage.label(wrong)
        if not count:
            return wrong, 0
        sizes = np.bincount(regions.ravel())[1:]
        number = int(self.rng.choice(count, p=sizes / sizes.sum()))
        return regions == number + 1, int(sizes[number])

    def _line(self, tool: Tool, include: bool, region: Array, axis: int) -> Drawn:
        r, rng = self.recipe, self.rng
        user = SimulatedUser(
            "point" if tool == "point" else "stroke",
            length_mm=float(rng.uniform(*r.stroke_mm)),
            radius_mm=float(rng.uniform(*r.brush_mm)),
        )
        drawn = user.draw(region, self.spacing, axis=axis)
        marks = np.where(drawn, INCLUDED if include else EXCLUDED, 0).astype(np.uint8)
        return Drawn(tool, include, marks, np.argwhere(drawn).mean(axis=0))

    def _slice(self, tool: Tool, include: bool, region: Array, axis: int, mask: Array, reference: Array) -> Drawn:
        """Return the wrong region filled in its largest slice, or that slice said to be right."""
        number = largest_slice(region, axis)
        place: Place = tuple(number if a == axis else slice(None) for a in range(3))
        wrong, _ = largest_region(region[place])
        marks = np.zeros(mask.shape, dtype=np.uint8)
        interest = wrong
        if tool == "outline":
            marks[place][wrong] = INCLUDED if include else EXCLUDED
        else:
            both = reference[place] | mask[place]
            box = _grown(both, [s for a, s in enumerate(self.spacing) if a != axis])
            marks[place][box] = np.where(reference[place][box], INCLUDED, EXCLUDED)
            interest = both if self.rng.random() < 0.5 else wrong
        pixels = np.argwhere(interest)
        pixel = pixels[self.rng.integers(len(pixels))]
        return Drawn(tool, include, marks, np.insert(pixel.astype(float), axis, number))


def _grown(plane: Array, spacing: list[float]) -> tuple[slice, ...]:
    """Return the box around a plane's pixels with the margin of a confirmed slice."""
    pixels = np.argwhere(plane)
    margin = np.round(np.divide(SLICE_MARGIN_MM, spacing)).astype(int)
    lower, upper = np.maximum(pixels.min(0) - margin, 0), pixels.max(0) + 1 + margin
    return tuple(slice(low, up) for low, up in zip(lower, upper, strict=True))
