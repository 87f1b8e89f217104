"""How a correction learns from its marks: with which model, whether it can, how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from PancreasSegLib.adaptation.settings import enough
from PancreasSegLib.errors import MarkError, TooLittleMarkedError
from PancreasSegPanel.correction.item import Learning
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegPanel.correction.queue import CorrectionQueue
    from PancreasSegPanel.correction.state import SegmentCorrection
    from PancreasSegPanel.correction.step import CorrectionStep

_ = translator(__name__)

MAIN_ORGAN = "pancreas"


class PatientLearning:
    """What one correction learns from its marks.

    Parameters
    ----------
    segment : SegmentCorrection
        Knows the marks that were applied.
    queue : CorrectionQueue
        Knows those that were not, and what waits for its turn.
    tell : callable
        Called when it got on.
    organ : str
        Label of the segment, empty for one that PancreasSeg did not make.

    Attributes
    ----------
    model, device : str
        What learns, and where, as the worker takes them; read when its turn comes.
    label : str or None
        What it outlines. None is a model's main organ: it stands for the pancreas, whatever the model calls it.
    progress : ProgressEvent or None
        How far it is; None until the worker has told.
    """

    def __init__(
        self, segment: SegmentCorrection, queue: CorrectionQueue, tell: Callable[[], None], organ: str
    ) -> None:
        self._segment, self._queue, self._tell = segment, queue, tell
        self.model, self.device = "default", "auto"
        self.label = organ if organ not in ("", MAIN_ORGAN) else None
        self.progress: ProgressEvent | None = None

    @property
    def possible(self) -> bool:
        """Whether there are marks to learn from, be they applied or waiting."""
        return bool(self._queue.waiting_marks) or bool(self._segment.current.marks.any())

    @property
    def wanted(self) -> bool:
        """Whether it waits for its turn, is under way, or has failed and waits for a retry."""
        return any(isinstance(item, Learning) for item in self._queue.items)

    @property
    def under_way(self) -> bool:
        """Whether the worker is at it."""
        return isinstance(self._queue.sent, Learning)

    def item(self, voxel_ml: float, on_done: list[Callable[[CorrectionStep], None]]) -> Learning:
        """Return what takes its turn among the strokes.

        Parameters
        ----------
        voxel_ml : float
            Volume of a voxel of the CT.
        on_done : list of callable
            Receive the step.

        Raises
        ------
        MarkError
            If nothing is marked, or too little.
        """
        if not self.possible:
            raise MarkError(
                _("Nothing is marked to learn from."), _("Draw, or confirm a slice, where you are sure.")
            )
        waiting = sum(np.count_nonzero(voxels) for _box, voxels, _value in self._queue.waiting_marks)
        marked = np.count_nonzero(self._segment.current.marks) + waiting
        if not enough(float(marked) * voxel_ml):
            raise TooLittleMarkedError
        return Learning(lambda: (self.model, self.device), self.label, self._take_progress, on_done=on_done)

    def cancel(self) -> bool:
        """Give it up, and let what waits behind it go on; False if there is nothing to give up."""
        dropped = [item for item in self._queue.items if isinstance(item, Learning)]
        for item in dropped:
            self._queue.drop(item)
        return bool(dropped)

    def _take_progress(self, event: ProgressEvent | None) -> None:
        self.progress = event
        if event is not None:
            self._tell()
