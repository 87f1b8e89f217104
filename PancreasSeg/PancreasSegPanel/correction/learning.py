"""A copy of a model that learns one patient from the marks of a correction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from PancreasSegLib.adaptation.settings import enough
from PancreasSegLib.errors import MarkError, TooLittleMarkedError
from PancreasSegPanel.correction.queue import CorrectionQueue, Item

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegPanel.correction.state import SegmentCorrection
    from PancreasSegPanel.correction.step import CorrectionStep

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
    voxel_ml : callable
        Returns the volume of a voxel of the CT in mL.

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
        self,
        segment: SegmentCorrection,
        queue: CorrectionQueue,
        tell: Callable[[], None],
        organ: str,
        voxel_ml: Callable[[], float],
    ) -> None:
        self._segment, self._queue, self._tell, self._voxel_ml = segment, queue, tell, voxel_ml
        self.model, self.device = "default", "auto"
        self.label = organ if organ not in ("", MAIN_ORGAN) else None
        self.progress: ProgressEvent | None = None

    @property
    def possible(self) -> bool:
        """Whether there are marks to learn from, be they applied or waiting."""
        return any(item.marks for item in self._queue.items) or bool(self._segment.current.marks.any())

    @property
    def wanted(self) -> bool:
        """Whether it waits for its turn, is under way, or has failed and waits for a retry."""
        return any(item.learning is not None for item in self._queue.items)

    @property
    def under_way(self) -> bool:
        """Whether the worker is at it."""
        return self._queue.sent is not None and self._queue.sent.learning is not None

    def item(self, on_done: Callable[[CorrectionStep], None] | None) -> Item:
        """Return what takes its turn among the strokes.

        Raises
        ------
        MarkError
            If nothing is marked, or too little.
        """
        if not self.possible:
            raise MarkError(
                "Nothing is marked to learn from.", "Draw, or take a slice as right, where you are sure."
            )
        if not enough(self._marked_ml()):
            raise TooLittleMarkedError
        return Item(learning=self, on_done=[on_done] if on_done is not None else [])

    def _marked_ml(self) -> float:
        """Return how much is marked, what waits for its turn included."""
        waiting = sum(np.count_nonzero(mark.values) for item in self._queue.items for mark in item.marks)
        return float(np.count_nonzero(self._segment.current.marks) + waiting) * self._voxel_ml()

    def begin(self) -> None:
        """Its turn has come, be it for another time."""
        self.progress = None

    def heard(self, event: ProgressEvent) -> None:
        """The worker has told how far it is."""
        self.progress = event
        self._tell()

    def drop(self) -> bool:
        """Give it up, and let what waits behind it go on; False if there is nothing to give up."""
        dropped = [item for item in self._queue.items if item.learning is not None]
        for item in dropped:
            self._queue.drop(item)
        return bool(dropped)
