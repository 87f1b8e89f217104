"""A simulated reader at work on one patient: mark after mark, each on what the network made of the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.evaluation.simulated_user import SimulatedUser, largest_region
from PancreasSegLib.refine.evidence import Evidence, Window, belief_of_mask
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED
from PancreasSegLib.refine.propagation import blend_weight
from PancreasSegLib.refine.work_grid import LEAST_IJK, SPACING_MM
from PancreasSegLib.training.recipe import RefinerRecipe
from PancreasSegLib.training.refiner.case import RefinerCase

SPACING_ZYX = (SPACING_MM[2], SPACING_MM[1], SPACING_MM[0])
SHAPE_ZYX = (LEAST_IJK[2], LEAST_IJK[1], LEAST_IJK[0])

Array = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the network is asked after a mark, and what is right.

    Attributes
    ----------
    images : ndarray of float32, shape (9, z, y, x)
        As :attr:`Evidence.images`.
    score : ndarray of float32, shape (z, y, x)
        Log-odds without the network.
    reference : ndarray of float32, shape (z, y, x)
        0 or 1.
    weight : ndarray of float32, shape (z, y, x)
        How much a voxel counts: 1 near the mark, 0 beyond its reach.
    """

    images: NDArray[np.float32]
    score: NDArray[np.float32]
    reference: NDArray[np.float32]
    weight: NDArray[np.float32]


class Session:
    """A reader corrects one mask.

    Parameters
    ----------
    case : RefinerCase
        The patient.
    recipe : RefinerRecipe
        How readers and masks vary.
    rng : Generator
        Source of all draws.
    """

    def __init__(self, case: RefinerCase, recipe: RefinerRecipe, rng: np.random.Generator) -> None:
        self.case, self.recipe, self.rng = case, recipe, rng
        self.mask: Array = case.probability > rng.uniform(0.3, 0.7)
        if rng.random() < recipe.spoilt_share:
            self.mask = _spoilt(self.mask, case, rng)
        self.marks = np.zeros(case.hu.shape, dtype=np.uint8)
        self._left = int(rng.integers(recipe.marks[0], recipe.marks[1] + 1))
        self._gain, self._shift = float(rng.uniform(0.8, 1.2)), float(rng.normal(0, 15))
        self._sureness = float(np.exp(rng.normal(0, 0.25)))
        self._has_probability = rng.random() >= recipe.mask_only_share
        self._place: tuple[slice, ...] = ()
        self._window: Window | None = None

    def lesson(self) -> Lesson | None:
        """Let the reader make the next mark; None when the session is over."""
        drawn = self._drawn() if self._left else None
        if drawn is None:
            return None
        self._left -= 1
        include, voxels = drawn
        value = INCLUDED if include else EXCLUDED
        self.marks[voxels] = value
        place = _around(voxels)
        mask = self.mask[place].astype(np.float32)
        belief = belief_of_mask(mask)
        if self._has_probability:
            p = self.case.probability[place]
            belief = np.asarray(p**self._sureness / (p**self._sureness + (1 - p) ** self._sureness + 1e-9))
        hu = (self.case.hu[place] - 60.0) * self._gain + 60.0 + self._shift
        seeds = np.where(voxels[place], value, UNMARKED).astype(np.uint8)
        self._place = place
        self._window = Window(hu, belief, mask, self.marks[place].copy(), seeds, SPACING_ZYX)
        evidence = Evidence.of(self._window)
        reference = self.case.reference[place].astype(np.float32)
        return Lesson(evidence.images, evidence.score, reference, blend_weight(self._window))

    def take(self, probability: NDArray[np.float32]) -> None:
        """Take what the network answered; the reader goes on from there."""
        window = self._window
        assert window is not None
        weight = blend_weight(window)
        found = weight * probability + (1 - weight) * window.mask > 0.5
        found[window.marks == INCLUDED] = True
        found[window.marks == EXCLUDED] = False
        self.mask[self._place] = found

    def _drawn(self) -> tuple[bool, Array] | None:
        """Return what the reader marks next: most often the largest error; None if all is right."""
        missed, excess = self.case.reference & ~self.mask, self.mask & ~self.case.reference
        if self.rng.random() < 0.7:
            (region, size), (other, other_size) = largest_region(missed), largest_region(excess)
        else:
            (region, size), (other, other_size) = self._any_region(missed), self._any_region(excess)
        if not size + other_size:
            return None
        include = size >= other_size
        r, rng = self.recipe, self.rng
        user = SimulatedUser(
            "point" if rng.random() < r.point_share else "stroke",
            length_mm=float(rng.uniform(*r.stroke_mm)),
            radius_mm=float(rng.uniform(*r.brush_mm)),
        )
        axis = 0 if rng.random() < 0.9 else int(rng.integers(3))
        return include, user.draw(region if include else other, SPACING_ZYX, axis=axis)

    def _any_region(self, wrong: Array) -> tuple[Array, int]:
        """Return a connected region, the likelier the larger, and its voxels."""
        regions, count = ndimage.label(wrong)
        if not count:
            return wrong, 0
        sizes = np.bincount(regions.ravel())[1:]
        number = int(self.rng.choice(count, p=sizes / sizes.sum()))
        return regions == number + 1, int(sizes[number])


def _around(voxels: Array) -> tuple[slice, ...]:
    """Return the window around marked voxels, moved inwards where the case ends."""
    middle = np.argwhere(voxels).mean(0)
    place = []
    for centre, size, have in zip(middle, SHAPE_ZYX, voxels.shape, strict=True):
        start = int(np.clip(round(centre) - size // 2, 0, have - size))
        place.append(slice(start, start + size))
    return tuple(place)


def _spoilt(mask: Array, case: RefinerCase, rng: np.random.Generator) -> Array:
    """Take parts out of a mask, or tissue of like HU beside the organ into it, as bowel is mistaken for it."""
    mask = mask.copy()
    for _ in range(int(rng.integers(1, 3))):
        if rng.random() < 0.5:
            inside = np.argwhere(case.reference)
            mask[_ball(mask.shape, inside[rng.integers(len(inside))], rng.uniform(8, 25))] = False
            continue
        near = ndimage.binary_dilation(case.reference, iterations=int(rng.integers(2, 6))) & ~case.reference
        places = np.argwhere(near)
        centre = places[rng.integers(len(places))]
        smooth = ndimage.uniform_filter(case.hu, (1, 3, 3))
        alike = np.abs(smooth - smooth[tuple(centre)]) < rng.uniform(15, 50)
        taken = _ball(mask.shape, centre, rng.uniform(8, 22)) & alike & ~case.reference
        regions, _ = ndimage.label(taken)
        if regions[tuple(centre)]:
            mask |= regions == regions[tuple(centre)]
    return mask


def _ball(shape: tuple[int, ...], centre: NDArray[np.int64], radius_mm: float) -> Array:
    offsets = [(np.arange(n) - c) * s for n, c, s in zip(shape, centre, SPACING_ZYX, strict=True)]
    z, y, x = np.ix_(*offsets)
    return np.asarray(z**2 + y**2 + x**2 < radius_mm**2)
