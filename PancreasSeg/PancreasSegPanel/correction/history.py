"""The steps of a correction, and the way back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Box, Volume
from PancreasSegLib.worker import CorrectionChange, CorrectionState
from PancreasSegPanel.correction.step import CorrectionStep

_MOST_STEPS = 200
_MOST_BYTES = 1 << 26
_LOOKED_BACK = 5


@dataclass(frozen=True, eq=False)
class Entry:
    """One step inside its box.

    Attributes
    ----------
    step : CorrectionStep
        What is told of it.
    box : Box
        Outside it nothing changed.
    mask, mask_before, marks, marks_before : ndarray of uint8, shape (z, y, x)
        After the step and before it.
    original : object or None
        The segment as it was on a grid of its own, before the first step brought it onto the CT's.
    probability, probability_before : Volume or None
        What was learnt from the marks, after the step and before it; None stands for the network's.
    previewed : bool
        Whether only the preview shows it.
    """

    step: CorrectionStep
    box: Box
    mask: NDArray[np.uint8]
    mask_before: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    marks_before: NDArray[np.uint8]
    original: Any | None = None
    probability: Volume | None = None
    probability_before: Volume | None = None
    previewed: bool = False

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        learnt = self.probability if self.probability is not self.probability_before else None
        return 4 * int(self.mask.size) + (int(learnt.voxels.nbytes) if learnt is not None else 0)

    def reversed(self) -> Entry:
        """Return the step that leads back."""
        return replace(
            self,
            mask=self.mask_before,
            mask_before=self.mask,
            marks=self.marks_before,
            marks_before=self.marks,
            probability=self.probability_before,
            probability_before=self.probability,
        )

    def on(self, state: CorrectionState) -> CorrectionState:
        """Return a state with this step done: only what it changed, where nobody has changed it since."""
        mask, marks = state.within(self.box)
        for now, before, after in ((mask, self.mask_before, self.mask), (marks, self.marks_before, self.marks)):
            here = (before != after) & (now == before)
            now[here] = after[here]
        changed = state.changed(CorrectionChange(self.box, mask, marks))
        same = state.probability is self.probability_before
        return replace(changed, probability=self.probability) if same else changed


class History:
    """The steps that can be taken back and done again, in the order in which they were made; the oldest go."""

    def __init__(self) -> None:
        self._done: deque[Entry] = deque()
        self._undone: list[Entry] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._undone)

    @property
    def has_previewed(self) -> bool:
        """Whether a step is only previewed."""
        return any(entry.previewed for entry in self._done)

    def push(self, entry: Entry) -> None:
        """Keep a new step; what was undone before cannot be done again."""
        self._done.append(entry)
        self._undone.clear()
        while len(self._done) > _MOST_STEPS or (
            len(self._done) > 1 and sum(kept.size for kept in self._done) > _MOST_BYTES
        ):
            self._done.popleft()

    def undo(self) -> Entry | None:
        """Return the step that leads back from the last one, None without any."""
        if not self._done:
            return None
        entry = self._done.pop()
        self._undone.append(entry)
        return entry.reversed()

    def redo(self) -> Entry | None:
        """Return the step that was undone last, None without any."""
        if not self._undone:
            return None
        entry = self._undone.pop()
        self._done.append(entry)
        return entry

    def drop_previewed(self) -> None:
        """Forget what is only previewed, and what was undone."""
        self._done = deque(entry for entry in self._done if not entry.previewed)
        self._undone = [entry for entry in self._undone if not entry.previewed]

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()

    def forget_redo(self) -> None:
        """Something else was done: what was undone cannot be done again."""
        self._undone.clear()

    def recognise(self, known: CorrectionState, present: CorrectionState) -> CorrectionState | None:
        """Take another editor's undo or redo of written steps for what it is.

        Parameters
        ----------
        known : CorrectionState
            As the last step left it.
        present : CorrectionState
            Its mask as it is now; its marks are not looked at.

        Returns
        -------
        CorrectionState or None
            The state with the marks of that moment, whose mask is the present one; None if it is none of ours.
        """
        for back in (True, False):
            source = self._done if back else self._undone
            written = [entry for entry in reversed(source) if not entry.previewed][:_LOOKED_BACK]
            state = known
            for number, entry in enumerate(written, 1):
                state = (entry.reversed() if back else entry).on(state)
                if state.same_mask(present):
                    for moved in written[:number]:
                        source.remove(moved)
                        (self._undone if back else self._done).append(moved)
                    return state
        return None
