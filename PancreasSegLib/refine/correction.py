"""One mask under correction: what was marked, and what it became. The way back is its owner's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import MarkError
from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED, UNMARKED, Mark
from PancreasSegLib.refine.outline import outlined_anew
from PancreasSegLib.refine.propagation import Propagation, WeightFree
from PancreasSegLib.refine.task import Task
from PancreasSegLib.volume import Box, Volume

LONGEST_MM = 80.0
"""Longer marks are carried further piece by piece, so that a stroke across the belly stays cheap."""


@dataclass(frozen=True, eq=False)
class Change:
    """What one correction did, inside one box.

    Attributes
    ----------
    box : Box
        Where, on the CT's grid; outside it nothing changed.
    voxels, before : ndarray of bool, shape (z, y, x)
        The mask inside `box`, now and before.
    marks : ndarray of uint8, shape (z, y, x)
        The map of marks inside `box`.
    voxel_volume_ml : float
        To turn counts into mL.
    """

    box: Box
    voxels: NDArray[np.bool_]
    before: NDArray[np.bool_]
    marks: NDArray[np.uint8]
    voxel_volume_ml: float

    @property
    def added_ml(self) -> float:
        """Volume that was added, in mL."""
        return float(np.count_nonzero(self.voxels & ~self.before)) * self.voxel_volume_ml

    @property
    def removed_ml(self) -> float:
        """Volume that was taken away, in mL."""
        return float(np.count_nonzero(self.before & ~self.voxels)) * self.voxel_volume_ml


class Correction:
    """A mask that is being corrected.

    The state is the mask and the map of marks; both can be handed to a new `Correction`, which then goes on as the
    old one would have. The same marks in the same order give the same mask.

    Parameters
    ----------
    ct : Volume
        The CT in HU.
    mask : ndarray, shape (z, y, x), optional
        Where the organ is thought to be, on the CT's grid; empty by default. It may come from anywhere.
    probability : Volume, optional
        A network's foreground probability, 0 to 1, on any grid; without one, the mask stands for it.
    marks : ndarray of uint8, shape (z, y, x), optional
        Marks that were made before: 0 none, 1 included, 2 excluded.
    propagation : Propagation, optional
        How marks are carried further; the weight-free method by default.

    Raises
    ------
    MarkError
        If mask or marks do not have the CT's shape.

    Examples
    --------
    >>> from PancreasSegLib.volume import Geometry
    >>> import numpy as np
    >>> hu = np.full((20, 60, 60), -80, np.int16); hu[5:15, 20:40, 15:45] = 90
    >>> ct = Volume(hu, Geometry((60, 60, 20), (1.0, 1.0, 2.0)))
    >>> correction = Correction(ct)
    >>> stroke = Mark.stroke([[20, 30, 20], [40, 30, 20]], ct.geometry, include=True, radius_mm=2)
    >>> change = correction.add([stroke])
    >>> bool(correction.mask[10, 30, 30]), bool(correction.mask[10, 10, 30])
    (True, False)
    """

    def __init__(
        self,
        ct: Volume,
        mask: NDArray | None = None,
        probability: Volume | None = None,
        *,
        marks: NDArray[np.uint8] | None = None,
        propagation: Propagation | None = None,
    ) -> None:
        shape = ct.geometry.shape_zyx
        self.ct, self.probability = ct, probability
        self.propagation: Propagation = propagation or WeightFree()
        self._mask = np.zeros(shape, dtype=bool) if mask is None else np.array(_of_shape(mask, shape) != 0)
        self._marks = np.zeros(shape, np.uint8) if marks is None else np.array(_of_shape(marks, shape), np.uint8)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask as it is now, (z, y, x), on the CT's grid; not to be written to."""
        return self._mask

    @property
    def marks(self) -> NDArray[np.uint8]:
        """The map of marks: 0 none, 1 included, 2 excluded; not to be written to."""
        return self._marks

    def add(self, marks: Sequence[Mark]) -> Change:
        """Take marks that were made together and correct the mask around them.

        Voxels that were marked before keep what was said of them, unless a new mark says otherwise.

        Parameters
        ----------
        marks : sequence of Mark
            At least one.

        Returns
        -------
        Change
            What became of the mask.

        Raises
        ------
        MarkError
            If there are no marks, or one does not lie on the CT.
        """
        if not marks:
            raise MarkError("Nothing is marked.", "Draw inside the CT.")
        for mark in marks:
            if mark.box.clipped(self.ct.geometry) != mark.box:
                raise MarkError("A mark does not lie on this CT.", "Open the CT it was made on.")
        spoken = [mark for mark in marks if mark.kind != "region"]
        window = _around([mark.box for mark in marks])
        for mark in spoken:
            window = window.union(mark.reached(self.propagation.reach_mm, self.ct.geometry))
        before, marks_before = self._cut(window)
        marked = marks_before.copy()
        for mark in marks:
            _say(mark, marked, window)
        # The marks count from here on, so that the propagation sees them among the former ones.
        self._marks[window.slices_zyx] = marked
        try:
            for mark in spoken:
                for piece in mark.pieces(self.ct.geometry, LONGEST_MM):
                    self._propagate(piece)
            mask = self._mask[window.slices_zyx].copy()
        finally:
            self._mask[window.slices_zyx], self._marks[window.slices_zyx] = before, marks_before
        mask[marked == INCLUDED] = True
        mask[marked == EXCLUDED] = False
        return self._put(window, mask, before, marked, marks_before)

    def _propagate(self, mark: Mark) -> None:
        window = mark.reached(self.propagation.reach_mm, self.ct.geometry)
        seeds = np.zeros(window.size_ijk[::-1], dtype=np.uint8)
        _say(mark, seeds, window)
        task = Task(self.ct, self.probability, self._mask, self._marks, window, seeds, mark.kind)
        found = self.propagation(task)
        self._mask[window.slices_zyx] = found

    def outline_anew(self, probability: Volume) -> Change:
        """Outline the organ by another probability, of a model that has learnt the marks; they stay as they are.

        Later marks are carried by this probability. Unlike a mark, this may change the mask anywhere.

        Parameters
        ----------
        probability : Volume
            Foreground probability, 0 to 1, as `PancreasSegLib.adaptation.PatientLearner.learn` gives it.

        Raises
        ------
        MarkError
            If there is neither a mask nor a mark.
        """
        if not (self._mask.any() or self._marks.any()):
            raise MarkError("There is nothing to outline.", "Segment first, or mark the organ.")
        box, found = outlined_anew(self.ct, probability, self._mask, self._marks)
        before, marks = self._cut(box)
        found[marks == INCLUDED] = True
        found[marks == EXCLUDED] = False
        self.probability = probability
        return self._put(box, found, before, marks, marks)

    def edit(self, box: Box, voxels: NDArray) -> Change:
        """Take what the user changed by other means: voxels that differ are truth from now on.

        Parameters
        ----------
        box : Box
            Where, on the CT's grid.
        voxels : ndarray, shape (z, y, x)
            The mask inside `box`.
        """
        before, marks_before = self._cut(box)
        mask = np.asarray(voxels) != 0
        marked = marks_before.copy()
        marked[mask & ~before] = INCLUDED
        marked[before & ~mask] = EXCLUDED
        return self._put(box, mask, before, marked, marks_before)

    def put(self, box: Box, voxels: NDArray, marks: NDArray) -> None:
        """Set mask and marks inside a box to what the owner of the state has there.

        Parameters
        ----------
        box : Box
            Where, on the CT's grid.
        voxels, marks : ndarray, shape (z, y, x)
            The mask and the map of marks inside `box`.

        Raises
        ------
        MarkError
            If the box does not lie on the CT, or an array does not fill it.
        """
        if box.clipped(self.ct.geometry) != box:
            raise MarkError("The state of a correction does not lie on this CT.", "Open the CT it was made on.")
        shape = box.size_ijk[::-1]
        self._mask[box.slices_zyx] = _of_shape(voxels, shape) != 0
        self._marks[box.slices_zyx] = _of_shape(marks, shape)

    def _cut(self, box: Box) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        return self._mask[box.slices_zyx].copy(), self._marks[box.slices_zyx].copy()

    def _put(
        self,
        box: Box,
        mask: NDArray[np.bool_],
        before: NDArray[np.bool_],
        marked: NDArray[np.uint8],
        marks_before: NDArray[np.uint8],
    ) -> Change:
        """Write a change, and return it cut to what did change."""
        self._mask[box.slices_zyx], self._marks[box.slices_zyx] = mask, marked
        inner = Box.of_mask((mask != before) | (marked != marks_before)) or Box((0, 0, 0), (1, 1, 1))
        part = inner.slices_zyx
        voxel_ml = self.ct.geometry.voxel_volume_ml
        return Change(box.part(inner), mask[part].copy(), before[part].copy(), marked[part].copy(), voxel_ml)


def _of_shape(array: NDArray, shape: tuple[int, int, int]) -> NDArray:
    if tuple(array.shape) != shape:
        raise MarkError(f"An array of shape {tuple(array.shape)} does not fit a grid of shape {shape} (z, y, x).")
    return array


def _around(boxes: Sequence[Box]) -> Box:
    whole = boxes[0]
    for box in boxes[1:]:
        whole = whole.union(box)
    return whole


def _say(mark: Mark, marks: NDArray[np.uint8], window: Box) -> None:
    """Write what a mark says into a map of marks that is cut to `window`."""
    values = mark.values
    part = marks[mark.box.slices_in(window)]
    part[values != UNMARKED] = values[values != UNMARKED]
