"""The one owner of what is corrected: a segment with its marks, a preview, and the steps that led there.

Nobody else keeps a state of its own: the scene shows this one, and the worker is told what differs from the last.
What is known of the segment is what was read or written last. Where it differs from that, someone else has edited
it meanwhile: that is truth, is marked as such, is a step like any other, and no correction overwrites it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker import CorrectionChange, CorrectionState
from PancreasSegPanel.correction.history import Entry, History
from PancreasSegPanel.correction.step import CorrectionStep
from PancreasSegPanel.scene.corrected_segment import CorrectionTarget, PartWritten
from PancreasSegPanel.scene.ct_node import geometry_of
from PancreasSegPanel.scene.mark_map import ERASED, MEANING, PAINTED, Drawn, plain, put_on
from PancreasSegPanel.scene.marks_node import MarksNode

_VOXEL = Box((0, 0, 0), (1, 1, 1))


class SegmentCorrection:
    """The state of a correction; knows no worker.

    Parameters
    ----------
    target : CorrectionTarget
        The segment.
    marks_node : MarksNode
        Where the marks are kept; what it holds already is taken up.
    ct : vtkMRMLScalarVolumeNode
        What is corrected on.

    Attributes
    ----------
    state : CorrectionState
        The segment, its marks as `PancreasSegPanel.scene.mark_map` has them, and the probability learnt from
        them, if any.
    draft : CorrectionState or None
        What a previewed correction would make of them.
    """

    def __init__(self, target: CorrectionTarget, marks_node: MarksNode, ct: Any) -> None:
        self._target, self._marks_node, self._ct = target, marks_node, ct
        self._history = History()
        self._edited_off_grid = self._writing = False
        self.draft: CorrectionState | None = None
        geometry = self.geometry
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
    def geometry(self) -> Geometry:
        """The CT's grid in the world."""
        return geometry_of(self._ct)

    @property
    def current(self) -> CorrectionState:
        """What the next correction begins from."""
        return self.state if self.draft is None else self.draft

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._history.can_redo

    def forget_redo(self) -> None:
        """Something new is done."""
        self._history.forget_redo()

    # ------------------------------------------------------------------ what others did

    def notice(self) -> bool:
        """Take what was changed by other means since, as one step; whether there was anything."""
        geometry = self.geometry
        present = None if self._writing else self._target.read_if_changed(geometry)
        if present is None:
            return False
        unmarked = CorrectionState(self.state.box, self.state.mask, np.zeros_like(self.state.marks))
        change = present.change_from(unmarked)
        if change.box is None:
            return False
        recognised = self._history.recognise(self.state, present)
        if recognised is not None:
            self.state = recognised
            return True
        mask, marks = self.state.within(change.box)
        different = change.mask != mask
        marks[different] = np.where(change.mask > 0, PAINTED, ERASED)[different]
        edit = CorrectionChange(change.box, change.mask, marks)
        if self._target.lies_on(geometry):
            entry = _entry(self.state, edit, geometry, time.monotonic())
            assert entry is not None
            self._history.push(entry)
        else:  # to take it back would bring the segment onto another grid
            self._edited_off_grid = True
        self.state = self.state.changed(edit)
        if self.draft is not None:
            mask, marks_shown = self.draft.within(change.box)
            mask[different], marks_shown[different] = change.mask[different], marks[different]
            self.draft = self.draft.changed(CorrectionChange(change.box, mask, marks_shown))
        return True

    # ------------------------------------------------------------------ steps

    def take(
        self, base: CorrectionState, change: CorrectionChange, since: float, drawn: Drawn, *, preview: bool
    ) -> CorrectionStep:
        """Take an answer that was computed from `base`; what was edited since stays as it was edited.

        Parameters
        ----------
        base : CorrectionState
            What was given.
        change : CorrectionChange
            What came back, its marks plain.
        since : float
            When the stroke was made, on the monotonic clock.
        drawn : sequence of (Box, ndarray of bool, int)
            What was marked: it is seen as such, also where the user had painted the same before.
        preview : bool
            Whether it is only shown.
        """
        self.notice()
        merged = self._merge(base, change, drawn)
        step: CorrectionStep | None = None
        if merged is not None and not preview and self.draft is None:
            step = self._write(merged, since)
        elif merged is not None and (entry := _entry(self.current, merged, self.geometry, since)) is not None:
            self._history.push(replace(entry, previewed=True))
            self.draft = self.current.changed(merged)
            step = entry.step
        return step or CorrectionStep(0.0, 0.0, time.monotonic() - since)

    def _merge(self, base: CorrectionState, change: CorrectionChange, drawn: Drawn) -> CorrectionChange | None:
        """Return the change that an answer means by now; None if it says nothing."""
        boxes = [box for box, _, _ in drawn] + ([change.box] if change.box is not None else [])
        if not boxes and change.probability is not None:
            boxes = [_a_voxel_of(base)]
        if not boxes:
            return None
        box = reduce(Box.union, boxes)
        given, given_marks = base.within(box)
        answered, answered_marks = given.copy(), plain(given_marks)
        if change.box is not None:
            inner = change.box.slices_in(box)
            answered[inner], answered_marks[inner] = change.mask, change.marks
        mask, marks = self.current.within(box)
        before = marks.copy()
        newer = (marks != given_marks) & (marks != 0)  # said since, also where it was so already
        here = (answered != given) & (mask == given) & ~newer
        mask[here] = answered[here]
        said = (answered_marks != plain(given_marks)) & (marks == given_marks)
        marks[said] = answered_marks[said]
        for place, voxels, value in drawn:
            inner = place.slices_in(box)
            drawn_here = voxels & (plain(marks[inner]) == value & MEANING)
            put_on(marks[inner], drawn_here, value, before[inner])
            before[inner][drawn_here] = marks[inner][drawn_here]
        return CorrectionChange(box, mask, marks, probability=change.probability)

    def clear_marks(self) -> None:
        """Forget all marks, as one step."""
        state = self.state
        cleared = CorrectionChange(state.box, (state.mask != 0).astype(np.uint8), np.zeros_like(state.marks))
        self._write(cleared, time.monotonic())

    def _write(self, change: CorrectionChange, since: float) -> CorrectionStep | None:
        """Write a change into the segment, as one step; None if it changes nothing."""
        geometry = self.geometry
        entry = _entry(self.state, change, geometry, since)
        if entry is None:
            return None
        with self._written_here():
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

    @contextmanager
    def _written_here(self) -> Iterator[None]:
        """While the segment is being written, whoever hears of it must not take it for someone else's edit."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def accept(self) -> CorrectionStep | None:
        """Write the preview, as one step."""
        if self.draft is None:
            return None
        since, draft = time.monotonic(), self.draft
        self.drop_draft()
        change = draft.change_from(self.state)
        if change.box is None:
            box = _a_voxel_of(draft)
            change = CorrectionChange(box, *draft.within(box))
        return self._write(replace(change, probability=draft.probability), since)

    def drop_draft(self) -> None:
        """Drop the preview with its marks."""
        self.draft = None
        self._history.drop_previewed()

    def undo(self) -> bool:
        """Take the last step back; False without any."""
        return self._step(self._history.undo())

    def redo(self) -> bool:
        """Do again what was undone last; False if there is nothing."""
        return self._step(self._history.redo())

    def _step(self, entry: Entry | None) -> bool:
        if entry is None:
            return False
        if self.draft is not None or entry.previewed:
            self.draft = entry.on(self.current)
        if entry.previewed:
            self.draft = self.draft if self._history.has_previewed else None
            return True
        after = entry.on(self.state)
        changed = not np.array_equal(after.within(entry.box)[0], self.state.within(entry.box)[0])
        self.state = after
        back_to_its_grid = entry.original is not None and not (self._history.can_undo or self._edited_off_grid)
        if changed or back_to_its_grid:
            original = entry.original if back_to_its_grid else None
            with self._written_here():
                self._target.put_back(self.geometry, entry.box, after.within(entry.box)[0], original)
        return True

    def restart(self) -> None:
        """The segment was made anew: marks, preview and steps end."""
        self.draft = None
        self._history.clear()
        self._edited_off_grid = False
        self.state = self._target.read(self.geometry)

    # ------------------------------------------------------------------ what is seen

    def show(self, waiting: Drawn) -> None:
        """Show the marks, those that wait on top, and the preview."""
        geometry = self.geometry
        self._marks_node.show_marks(*self.marks_with(waiting), geometry)
        self._marks_node.show_preview(self.draft, geometry)

    def marks_with(self, waiting: Drawn) -> tuple[Box | None, np.ndarray]:
        """Return the map of all marks, those that wait on top, and the box that it is cut to."""
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
    mask, mask_before, marks, marks_before = (
        np.ascontiguousarray(array[inner.slices_zyx])
        for array in (change.mask, mask_before, change.marks, marks_before)
    )
    ml = geometry.voxel_volume_ml
    step = CorrectionStep(
        float(np.count_nonzero(mask > mask_before)) * ml,
        float(np.count_nonzero(mask < mask_before)) * ml,
        time.monotonic() - since,
        part.left_out * ml if part is not None else 0.0,
        list(part.reasons) if part is not None else [],
    )
    original = part.original if part is not None else None
    place = change.box.part(inner)
    return Entry(step, place, mask, mask_before, marks, marks_before, original, probability, before.probability)
