"""A segment with its marks, a correction that is only previewed, and the steps that led there; knows no worker.

What is known of the segment is what was read or written last. Where it differs from that, someone else has edited
it meanwhile: that is truth, is marked as such, and no correction overwrites it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker import CorrectionChange, CorrectionState
from PancreasSegPanel.correction.history import Entry, History
from PancreasSegPanel.correction.step import CorrectionStep
from PancreasSegPanel.scene.corrected_segment import CorrectionTarget, PartWritten
from PancreasSegPanel.scene.marks_node import ERASED, PAINTED, MarksNode, put_on

Waiting = Sequence[tuple[Box, np.ndarray, int]]
"""Marks that are not applied yet: where, which voxels, and the mark's value."""

_VOXEL = Box((0, 0, 0), (1, 1, 1))


class SegmentCorrection:
    """The state of a correction in the scene.

    Parameters
    ----------
    target : CorrectionTarget
        The segment.
    marks_node : MarksNode
        Where the marks are kept; what it holds already is taken up.
    geometry : Geometry
        The CT's grid in the world.

    Attributes
    ----------
    state : CorrectionState
        The segment, its marks, and the probability that was learnt from them, if any; marks made voxel by voxel
        carry a flag.
    draft : CorrectionState or None
        What a previewed correction would make of them.
    """

    def __init__(self, target: CorrectionTarget, marks_node: MarksNode, geometry: Geometry) -> None:
        self._target, self._marks_node = target, marks_node
        self._history, self._previewed = History(), History()
        self._edited_elsewhere = False
        self.draft: CorrectionState | None = None
        self.state = target.read(geometry)
        box, marks = marks_node.read(geometry)
        if box is not None:
            whole = box if self.state.box is None else self.state.box.union(box)
            mask, known = self.state.within(whole)
            known[box.slices_in(whole)] = marks
            self.state = CorrectionState(whole, mask, known)
        preview = marks_node.read_preview(geometry)
        if preview.box is not None:  # a scene that was saved before it was decided
            whole = preview.box if self.state.box is None else self.state.box.union(preview.box)
            mask, known = self.state.within(whole)
            mask[:] = 0
            mask[preview.box.slices_in(whole)] = preview.mask
            self.draft = CorrectionState(whole, mask, known)

    @property
    def current(self) -> CorrectionState:
        """What the next correction begins from."""
        return self.state if self.draft is None else self.draft

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._previewed.can_undo or self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._previewed.can_redo or self._history.can_redo

    def forget_redo(self) -> None:
        """Something new is done."""
        self._history.forget_redo()
        self._previewed.forget_redo()

    # ------------------------------------------------------------------ what others did

    def notice(self, geometry: Geometry) -> bool:
        """Take what was changed by other means since; whether there was anything."""
        present = self._target.read_if_changed(geometry)
        if present is None:
            return False
        unmarked = CorrectionState(self.state.box, self.state.mask, np.zeros_like(self.state.marks))
        change = present.change_from(unmarked)
        if change.box is None:
            return False
        recognised = self._history.recognised(self.state, present)
        if recognised is not None:
            self.state = recognised
            return True
        self._edited_elsewhere = True
        known = self.state.within(change.box)[0]
        different = change.mask != known
        said = np.where(change.mask > 0, PAINTED, ERASED).astype(np.uint8)
        self.state = _overwritten(self.state, change.box, change.mask, said, different)
        if self.draft is not None:
            self.draft = _overwritten(self.draft, change.box, change.mask, said, different)
        return True

    # ------------------------------------------------------------------ steps

    def take(
        self,
        base: CorrectionState,
        change: CorrectionChange,
        geometry: Geometry,
        since: float,
        *,
        drawn: Waiting = (),
        preview: bool,
    ) -> CorrectionStep:
        """Take an answer that was computed from `base`; what was edited since stays as it was edited.

        Parameters
        ----------
        base : CorrectionState
            What was given, marks with their flags.
        change : CorrectionChange
            What came back, marks without flags.
        geometry : Geometry
            The CT's grid in the world.
        since : float
            When the stroke was made, on the monotonic clock.
        drawn : sequence of (Box, ndarray of bool, int)
            What was marked: it is seen as such, also where the user had painted the same before.
        preview : bool
            Whether it is only shown.
        """
        self.notice(geometry)
        boxes = [box for box, _, _ in drawn] + ([change.box] if change.box is not None else [])
        if not boxes and change.probability is not None:
            boxes = [_a_voxel_of(base)]
        if not boxes:
            return CorrectionStep(0.0, 0.0, time.monotonic() - since)
        box = reduce(Box.union, boxes)
        given, given_marks = base.within(box)
        answered, answered_marks = given.copy(), given_marks & 3
        if change.box is not None:
            inner = change.box.slices_in(box)
            answered[inner], answered_marks[inner] = change.mask, change.marks
        mask, marks = self.current.within(box)
        before = marks.copy()
        newer = (marks != given_marks) & (marks != 0)  # said since, also where it was so already
        here = (answered != given) & (mask == given) & ~newer
        mask[here] = answered[here]
        said = (answered_marks != given_marks & 3) & (marks == given_marks)
        marks[said] = answered_marks[said]
        for place, voxels, value in drawn:
            inner = place.slices_in(box)
            drawn_here = voxels & (marks[inner] & 3 == value & 3)
            put_on(marks[inner], drawn_here, value, before[inner])
            before[inner][drawn_here] = marks[inner][drawn_here]
        merged = CorrectionChange(box, mask, marks, probability=change.probability)
        if not preview and self.draft is None:
            return self.write(merged, geometry, since) or CorrectionStep(0.0, 0.0, time.monotonic() - since)
        entry = _entry(self.current, merged, geometry, since)
        self.draft = self.current.changed(merged)
        if entry is None:
            return CorrectionStep(0.0, 0.0, time.monotonic() - since)
        self._previewed.push(entry)
        return entry.step

    def paint(self, box: Box, voxels: np.ndarray, include: bool, geometry: Geometry) -> CorrectionStep | None:
        """Set exactly these voxels, also of the preview, as one step; None if there is nothing to change."""
        since = time.monotonic()
        value = np.uint8(1 if include else 0)
        said = np.full(voxels.shape, PAINTED if include else ERASED, np.uint8)
        if self.draft is not None:
            self.draft = _overwritten(self.draft, box, np.full(voxels.shape, value), said, voxels)
        mask, marks = self.state.within(box)
        mask[voxels], marks[voxels] = value, said[voxels]
        return self.write(CorrectionChange(box, mask, marks), geometry, since)

    def erase_marks(self, box: Box, voxels: np.ndarray, geometry: Geometry) -> None:
        """Forget what was marked in these voxels, as one step."""
        mask, marks = self.state.within(box)
        marks[voxels] = 0
        self.write(CorrectionChange(box, mask, marks), geometry, time.monotonic())

    def clear_marks(self, geometry: Geometry) -> None:
        """Forget all marks, as one step."""
        state = self.state
        cleared = CorrectionChange(state.box, (state.mask != 0).astype(np.uint8), np.zeros_like(state.marks))
        self.write(cleared, geometry, time.monotonic())

    def write(self, change: CorrectionChange, geometry: Geometry, since: float) -> CorrectionStep | None:
        """Write a change into the segment, as one step; None if it changes nothing."""
        entry = _entry(self.state, change, geometry, since)
        if entry is None:
            return None
        part = self._target.write(geometry, entry.box, entry.mask, entry.mask_before)
        written = CorrectionChange(entry.box, part.mask, entry.marks, probability=change.probability)
        done = _entry(self.state, written, geometry, since, part)
        if done is None:
            return replace(
                entry.step,
                added_ml=0.0,
                removed_ml=0.0,
                reasons=part.reasons,
                left_out_ml=part.left_out * geometry.voxel_volume_ml,
            )
        self._history.push(done)
        self.state = self.state.changed(written)
        return done.step

    def accept(self, geometry: Geometry) -> CorrectionStep | None:
        """Write the preview, as one step."""
        if self.draft is None:
            return None
        since, draft = time.monotonic(), self.draft
        self.drop_draft()
        change = draft.change_from(self.state)
        if change.box is None:
            box = _a_voxel_of(draft)
            change = CorrectionChange(box, *draft.within(box))
        return self.write(replace(change, probability=draft.probability), geometry, since)

    def drop_draft(self) -> None:
        """Drop the preview with its marks."""
        self.draft = None
        self._previewed.clear()

    def undo(self, geometry: Geometry) -> bool:
        """Take the last step back, of the preview first; False without any."""
        if self._previewed.can_undo:
            entry = self._previewed.undo()
            assert entry is not None
            self.draft = entry.on(self.current) if self._previewed.can_undo else None
            return True
        return self._step(self._history.undo(), geometry)

    def redo(self, geometry: Geometry) -> bool:
        """Do again what was undone last; False if there is nothing."""
        if self._history.can_redo:
            return self._step(self._history.redo(), geometry)
        entry = self._previewed.redo()
        if entry is None:
            return False
        self.draft = entry.on(self.current)
        return True

    def _step(self, entry: Entry | None, geometry: Geometry) -> bool:
        if entry is None:
            return False
        after = entry.on(self.state)
        changed = not np.array_equal(after.within(entry.box)[0], self.state.within(entry.box)[0])
        self.state = after
        back_to_its_grid = entry.original is not None and not (self._history.can_undo or self._edited_elsewhere)
        if changed or back_to_its_grid:
            original = entry.original if back_to_its_grid else None
            self._target.put_back(geometry, entry.box, after.within(entry.box)[0], original)
        return True

    def restart(self, geometry: Geometry) -> None:
        """The segment was made anew: marks, preview and steps end."""
        self.drop_draft()
        self._history.clear()
        self._edited_elsewhere = False
        self.state = self._target.read(geometry)

    # ------------------------------------------------------------------ what is seen

    def show(self, waiting: Waiting, geometry: Geometry) -> None:
        """Show the marks, those that wait on top, and the preview.

        Parameters
        ----------
        waiting : sequence of (Box, ndarray of bool, int)
            Where, which voxels, and the mark's value.
        geometry : Geometry
            The CT's grid in the world.
        """
        box, marks = self.marks_with(waiting)
        self._marks_node.show_marks(box, marks, geometry)
        self._marks_node.show_preview(self.draft, geometry)

    def marks_with(self, waiting: Waiting) -> tuple[Box | None, np.ndarray]:
        """Return the map of all marks, those that wait on top, and the box that it is cut to; flags included."""
        state = self.current
        inner = Box.of_mask(state.marks) if state.box is not None else None
        boxes = [place for place, _, _ in waiting]
        if inner is not None and state.box is not None:
            boxes.append(state.box.part(inner))
        if not boxes:
            return None, np.zeros((0, 0, 0), np.uint8)
        box = reduce(Box.union, boxes)
        marks = state.within(box)[1]
        for place, voxels, value in waiting:
            part = marks[place.slices_in(box)]
            put_on(part, voxels, value, part.copy())
        return box, marks


def _a_voxel_of(state: CorrectionState) -> Box:
    """Return a place for a change that lies nowhere: only the probability is another one."""
    return _VOXEL if state.box is None else state.box.part(_VOXEL)


def _overwritten(
    state: CorrectionState, box: Box, mask: np.ndarray, marks: np.ndarray, where: np.ndarray
) -> CorrectionState:
    """Return a state with other voxels and marks where that is said."""
    new_mask, new_marks = state.within(box)
    new_mask[where], new_marks[where] = mask[where], marks[where]
    return state.changed(CorrectionChange(box, new_mask, new_marks))


def _entry(
    before: CorrectionState,
    change: CorrectionChange,
    geometry: Geometry,
    since: float,
    part: PartWritten | None = None,
) -> Entry | None:
    """Return the step that a change is, cut to what differs; None if nothing does."""
    if change.box is None:
        return None
    mask_before, marks_before = before.within(change.box)
    probability = before.probability if change.probability is None else change.probability
    inner = Box.of_mask((change.mask != mask_before) | (change.marks != marks_before))
    if inner is None and probability is before.probability:
        return None
    inner = inner if inner is not None else _VOXEL
    arrays = [
        np.ascontiguousarray(array[inner.slices_zyx])
        for array in (change.mask, mask_before, change.marks, marks_before)
    ]
    ml = geometry.voxel_volume_ml
    step = CorrectionStep(
        float(np.count_nonzero(arrays[0] > arrays[1])) * ml,
        float(np.count_nonzero(arrays[0] < arrays[1])) * ml,
        time.monotonic() - since,
        part.left_out * ml if part is not None else 0.0,
        list(part.reasons) if part is not None else [],
    )
    original = part.original if part is not None else None
    return Entry(step, change.box.part(inner), *arrays, original, probability, before.probability)
