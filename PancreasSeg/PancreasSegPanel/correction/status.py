"""What is seen of a correction: what is awaited, waiting and possible, without doing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PancreasSegLib.volume import Volume
from PancreasSegPanel.scene.ct_node import geometry_of

if TYPE_CHECKING:
    from PancreasSegLib.errors import PancreasSegError
    from PancreasSegLib.volume import Geometry
    from PancreasSegPanel.correction.queue import CorrectionQueue
    from PancreasSegPanel.correction.state import SegmentCorrection
    from PancreasSegPanel.correction.step import CorrectionStep
    from PancreasSegPanel.scene.marks_node import MarksNode


class CorrectionStatus:
    """How a correction stands; :class:`CorrectionSession` is one, and changes it.

    Attributes
    ----------
    segmentation, segment_id, ct
        What is corrected, and on which CT.
    on_change : list of callable
        Called without arguments after anything that the form shows has changed: a stroke recorded, an answer, an
        undo, an error, the end of the session.
    ended : str
        Why the session has ended, empty while it lives.
    last : CorrectionStep or None
        What the last correction did.
    sentence : str
        What happened last, for the status line.
    """

    _marks_node: MarksNode
    _segment: SegmentCorrection
    _queue: CorrectionQueue

    def __init__(self, segmentation: Any, segment_id: str, ct: Any) -> None:
        self.segmentation, self.segment_id, self.ct = segmentation, segment_id, ct
        self.on_change: list[Callable[[], None]] = []
        self.ended = self.sentence = ""
        self.last: CorrectionStep | None = None

    @property
    def geometry(self) -> Geometry:
        """The CT's grid in the world, LPS: what :meth:`Mark.stroke` wants."""
        return geometry_of(self.ct)

    @property
    def error(self) -> PancreasSegError | None:
        """Why something that was marked could not be applied."""
        return self._queue.error

    @property
    def can_retry(self) -> bool:
        """Whether it is still recorded, and :meth:`retry` sends it again."""
        return self._queue.blocked

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._queue.busy

    @property
    def queued(self) -> int:
        """How many strokes are recorded and not applied yet."""
        return len(self._queue.items)

    @property
    def has_preview(self) -> bool:
        """Whether a correction waits for :meth:`accept` or :meth:`reject`."""
        return self._segment.draft is not None

    @property
    def can_undo(self) -> bool:
        """Whether there is a step, or a stroke that is not applied yet, to take back."""
        return self._queue.can_take_back or self._segment.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a step can be done again."""
        return self._queue.can_bring_back or self._segment.can_redo

    @property
    def marks_node(self) -> Any | None:
        """The segmentation node with the segments Include, Exclude and Preview; None before the first mark."""
        return self._marks_node.node

    def marks_volume(self) -> Volume | None:
        """Return what was marked, 0 none, 1 included, 2 excluded, cut to where it lies; None without a mark."""
        box, marks = self._segment.marks_with(self._queue.waiting_marks)
        return None if box is None else Volume(marks & 3, box.geometry(self.geometry))

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()
