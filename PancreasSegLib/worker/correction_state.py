"""What a correction is made from and what it answers, as its owner has them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Volume


@dataclass(frozen=True, eq=False)
class CorrectionState:
    """Mask, marks and probability of a correction; the arrays must not be changed any more.

    Attributes
    ----------
    box : Box or None
        Where `mask` and `marks` lie on the scan's grid; outside it they are empty. None: they are so everywhere.
    mask : ndarray, shape (z, y, x)
        Nonzero where the organ is.
    marks : ndarray of uint8, shape (z, y, x)
        0 none, 1 included, 2 excluded.
    probability : Volume or None
        A network's foreground probability, 0 to 1, on a grid of its own; None stands for none.
    """

    box: Box | None
    mask: NDArray
    marks: NDArray[np.uint8]
    probability: Volume | None = None

    @classmethod
    def empty(cls, probability: Volume | None = None) -> CorrectionState:
        """Return the state before anything was marked or segmented."""
        nothing = np.zeros((0, 0, 0), np.uint8)
        return cls(None, nothing, nothing, probability)

    def within(self, box: Box) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return copies of mask and marks inside a box; empty where the state says nothing."""
        if box == self.box:
            return (self.mask != 0).view(np.uint8), self.marks.copy()
        mask, marks = np.zeros(box.size_ijk[::-1], np.uint8), np.zeros(box.size_ijk[::-1], np.uint8)
        shared = None if self.box is None else self.box.intersection(box)
        if self.box is not None and shared is not None and not shared.is_empty:
            source, target = shared.slices_in(self.box), shared.slices_in(box)
            mask[target] = self.mask[source] != 0
            marks[target] = self.marks[source]
        return mask, marks

    def same_mask(self, other: CorrectionState) -> bool:
        """Whether both have the same mask, whatever their marks."""
        if self.box is None or other.box is None:
            return not (self.mask.any() or other.mask.any())
        box = self.box.union(other.box)
        return bool((self.within(box)[0] == other.within(box)[0]).all())

    def changed(self, change: CorrectionChange) -> CorrectionState:
        """Return the state after a change; this one stays as it is."""
        probability = self.probability if change.probability is None else change.probability
        if change.box is None:
            return replace(self, probability=probability)
        box = change.box if self.box is None else self.box.union(change.box)
        mask, marks = self.within(box)
        inner = change.box.slices_in(box)
        mask[inner], marks[inner] = change.mask, change.marks
        return CorrectionState(box, mask, marks, probability)

    def change_from(self, former: CorrectionState) -> CorrectionChange:
        """Return what leads from a former state to this one."""
        boxes = [box for box in (self.box, former.box) if box is not None]
        if not boxes:
            return CorrectionChange.nothing()
        box = boxes[0].union(boxes[-1])
        mask, marks = self.within(box)
        old_mask, old_marks = former.within(box)
        inner = Box.of_mask((mask != old_mask) | (marks != old_marks))
        if inner is None:
            return CorrectionChange.nothing()
        return CorrectionChange(box.part(inner), mask[inner.slices_zyx], marks[inner.slices_zyx])


@dataclass(frozen=True, eq=False)
class CorrectionChange:
    """What a correction changed, inside one box.

    Attributes
    ----------
    box : Box or None
        Where, on the scan's grid; None where nothing changed.
    mask : ndarray of uint8, shape (z, y, x)
        The mask inside the box, 0 and 1.
    marks : ndarray of uint8, shape (z, y, x)
        The map of marks inside the box.
    added_ml, removed_ml : float
        By how much the mask changed.
    seconds : float
        What the worker needed for it.
    probability : Volume or None
        What the network says from now on, where it learnt the patient; None where that stays as it was.
    """

    box: Box | None
    mask: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    added_ml: float = 0.0
    removed_ml: float = 0.0
    seconds: float = 0.0
    probability: Volume | None = None

    @classmethod
    def nothing(cls, seconds: float = 0.0, probability: Volume | None = None) -> CorrectionChange:
        """Return the change of no voxel."""
        empty = np.zeros((0, 0, 0), np.uint8)
        return cls(None, empty, empty, seconds=seconds, probability=probability)
