"""A simulated reader at work on one patient: mark after mark, each on what the network made of the last."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.adaptation.movement import moved
from PancreasSegLib.refine.evidence import Evidence, Window, belief_of_mask
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED
from PancreasSegLib.refine.work_grid import LEAST_IJK, SPACING_MM
from PancreasSegLib.training.recipe import RefinerRecipe
from PancreasSegLib.training.refiner.case import ORGAN, RefinerCase
from PancreasSegLib.training.refiner.reader import Drawn, Reader
from PancreasSegLib.training.refiner.spoiling import spoilt

SPACING_ZYX = (SPACING_MM[2], SPACING_MM[1], SPACING_MM[0])
SHAPE_ZYX = (LEAST_IJK[2], LEAST_IJK[1], LEAST_IJK[0])

_LEAST_VOXELS = 600
"""Of a neighbouring organ in view, that it may stand in for the organ."""
_UNASKED = 0.3
"""Weight of voxels that a line cannot change: an inclusion takes nothing away, an exclusion adds nothing."""
_INERTIA = 0.1

Array = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the network is asked after a mark, and what is right.

    Attributes
    ----------
    images : ndarray of float32, shape (11, z, y, x)
        As `Evidence.images`.
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

    Now and then it is a mask of a neighbouring organ, or an empty one, without a network's word: what to do with
    a mark is learnt from more kinds of tissue than the organ's.

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
        self.recipe, self.rng = recipe, rng
        self.reader = Reader(recipe, SPACING_ZYX, rng)
        self._left = int(rng.integers(recipe.marks[0], recipe.marks[1] + 1))
        case = _filled(case)
        organ = self._organ(case)
        self.hu, self.reference, self._probability = self._prepared(case, organ)
        self.marks = np.zeros(self.hu.shape, dtype=np.uint8)
        self.mask: Array = np.zeros(self.hu.shape, dtype=bool)
        if self.reference.any():
            self.mask = self._first_mask()
        else:
            self._left = 0
        self._place: tuple[slice, ...] = ()
        self._drawn: Drawn | None = None
        self._window: Window | None = None

    def _organ(self, case: RefinerCase) -> int:
        """Return the label that is corrected: the organ's, or now and then a neighbour's."""
        if self.rng.random() >= self.recipe.other_organs_share:
            return ORGAN
        counts = np.bincount(case.labels.ravel())
        large = [value for value in range(ORGAN + 1, len(counts)) if counts[value] > _LEAST_VOXELS]
        return large[int(self.rng.integers(len(large)))] if large else ORGAN

    def _prepared(
        self, case: RefinerCase, organ: int
    ) -> tuple[NDArray[np.float32], Array, NDArray[np.float32] | None]:
        """Return HU, the truth and the probability, moved and with other HU."""
        rng, r = self.rng, self.recipe
        probability = case.probability if organ == ORGAN else None
        images = [case.hu + 125.0, (case.labels == organ).astype(np.float32)]
        if probability is not None:
            images.append(probability)
        if rng.random() < r.moved_share:
            images = moved(images, SPACING_ZYX, rng)
        hu = (images[0] - 185.0) * float(rng.uniform(0.8, 1.2)) + 60.0 + float(rng.normal(0, 15))
        if rng.random() < 0.3:
            hu = hu + rng.normal(0, rng.uniform(3, 20), hu.shape)
        if probability is not None:
            probability = np.clip(images[2], 0, 1)
        return hu.astype(np.float32), images[1] > 0.5, probability

    def _first_mask(self) -> Array:
        """Return the mask that is to be corrected."""
        rng, r = self.rng, self.recipe
        if self._probability is None:  # the truth, spoilt twice
            mask = spoilt(self.reference, self.reference, self.hu, SPACING_ZYX, rng)
            mask = spoilt(mask, self.reference, self.hu, SPACING_ZYX, rng)
        else:
            mask = self._probability > rng.uniform(0.3, 0.7)
            if rng.random() < r.spoilt_share:
                mask = spoilt(mask, self.reference, self.hu, SPACING_ZYX, rng)
        silent = rng.random() < r.mask_only_share
        if rng.random() < r.empty_share:
            mask, silent = np.zeros_like(mask), True
        if silent:
            self._probability = None
        if self._probability is not None:
            sureness = float(np.exp(rng.normal(0, 0.25)))
            p = self._probability
            surer = p**sureness / (p**sureness + (1 - p) ** sureness + 1e-9)
            self._probability = surer.astype(np.float32)
        return mask

    def lesson(self) -> Lesson | None:
        """Let the reader make the next mark; None when the session is over."""
        drawn = self.reader.mark(self.mask, self.reference) if self._left else None
        if drawn is None:
            return None
        self._left -= 1
        self._drawn = drawn
        spoken = drawn.marks > 0
        self.marks[spoken] = drawn.marks[spoken]
        if drawn.tool in ("outline", "slice"):  # not all of it may lie in the window
            self.mask[drawn.marks == INCLUDED] = True
            self.mask[drawn.marks == EXCLUDED] = False
        place = _around(drawn.centre, self.mask.shape)
        mask = self.mask[place].astype(np.float32)
        belief = belief_of_mask(mask) if self._probability is None else self._probability[place]
        belief = np.asarray(belief, dtype=np.float32)
        marks, seeds = self.marks[place].copy(), drawn.marks[place]
        window = Window(self.hu[place], belief, mask, marks, seeds, SPACING_ZYX, drawn.tool == "slice")
        self._place, self._window = place, window
        evidence, weight = Evidence.of(window), window.weight
        if drawn.tool != "slice":
            weight = np.where((mask > 0.5) == drawn.include, _UNASKED * weight, weight)
        reference = self.reference[place].astype(np.float32)
        return Lesson(evidence.images, evidence.score, reference, weight.astype(np.float32))

    def take(self, probability: NDArray[np.float32]) -> None:
        """Take what the network answered; the reader goes on from there."""
        window, drawn = self._window, self._drawn
        assert window is not None and drawn is not None
        weight = window.weight
        found = weight * probability + (1 - weight) * window.mask + _INERTIA * (2 * window.mask - 1) > 0.5
        if drawn.tool != "slice":
            before = window.mask > 0.5
            found = found | before if drawn.include else found & before
        found[window.marks == INCLUDED] = True
        found[window.marks == EXCLUDED] = False
        self.mask[self._place] = found


def _around(centre: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the window around a voxel, moved inwards where the case ends."""
    starts = [
        int(np.clip(round(middle) - size // 2, 0, have - size))
        for middle, size, have in zip(centre, SHAPE_ZYX, shape, strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(starts, SHAPE_ZYX, strict=True))


def _filled(case: RefinerCase) -> RefinerCase:
    """Return a case that is nowhere smaller than the window."""
    lack = [(0, max(0, need - have)) for need, have in zip(SHAPE_ZYX, case.hu.shape, strict=True)]
    if not any(after for _, after in lack):
        return case
    probability = None if case.probability is None else np.pad(case.probability, lack)
    hu = np.pad(case.hu, lack, mode="edge")
    return replace(case, hu=hu, probability=probability, labels=np.pad(case.labels, lack))
