"""One segment under correction, without any Qt: the form and scripts call the same methods.

A script::

    session = logic.correct(segmentation, "Pancreas", ct)
    stroke = Mark.stroke(points_lps, session.geometry, include=True, radius_mm=3)
    session.add([stroke])
    session.wait()                                    # until the segment shows it
    session.undo()                                    # exact to the voxel
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import MarkError, PancreasSegError
from PancreasSegLib.volume import Volume
from PancreasSegLib.worker import CorrectionState
from PancreasSegPanel.correction import confirmed_slice
from PancreasSegPanel.correction.channel import Channel
from PancreasSegPanel.correction.item import Item, Marking, Smoothing
from PancreasSegPanel.correction.learning import PatientLearning
from PancreasSegPanel.correction.measurement import CorrectedMeasurement
from PancreasSegPanel.correction.probability import CorrectionProbability
from PancreasSegPanel.correction.queue import CorrectionQueue
from PancreasSegPanel.correction.state import SegmentCorrection
from PancreasSegPanel.correction.step import CorrectionStep, DoubtfulPlace
from PancreasSegPanel.scene.corrected_segment import CorrectionTarget
from PancreasSegPanel.scene.ct_node import geometry_of
from PancreasSegPanel.scene.mark_map import plain
from PancreasSegPanel.scene.marks_node import MarksNode
from PancreasSegPanel.scene.pancreas_segment import label_of
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import sentence_of

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry
    from PancreasSegLib.worker import CorrectionChange
    from PancreasSegPanel.correction.channel import GiveUp, OnAnswer
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

_ = translator(__name__)

OnStep = Callable[[CorrectionStep], None]

log = logging.getLogger(__name__)


class CorrectionSession:
    """The correction of one segment on one CT; `PanelLogic.correct` gives it.

    The session owns what was marked and knows the segment as it left it; the worker only computes. So nothing is
    lost when the worker dies: what was recorded is sent again to the next one.

    Nothing here blocks but `wait`. Methods that do something raise a `PancreasSegError` with a
    sentence when the session has ended or the mark cannot be used.

    Attributes
    ----------
    segmentation, segment_id, ct
        What is corrected, and on which CT.
    auto_update : bool
        Whether `add` corrects at once; else strokes wait for `apply`.
    preview : bool
        Whether a correction is shown as the segment Preview until `accept` or `reject`.
    learning : PatientLearning
        Which model `learn` takes, and how far it is.
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

    def __init__(
        self,
        scene: Any,
        jobs: WorkerJobs,
        segmentation: Any,
        segment_id: str,
        ct: Any,
        network: Callable[[], Volume | None],
    ) -> None:
        self.segmentation, self.segment_id, self.ct = segmentation, segment_id, ct
        self.auto_update, self.preview = True, False
        self.on_change: list[Callable[[], None]] = []
        self.ended = self.sentence = ""
        self.last: CorrectionStep | None = None
        self._jobs = jobs
        self.target = CorrectionTarget(scene, segmentation, segment_id, ct)
        self._marks_node = MarksNode(scene, segmentation, segment_id, ct)
        self._segment = SegmentCorrection(self.target, self._marks_node, ct)
        self._probability = CorrectionProbability(ct, network)
        self._channel = Channel(jobs, ct, self._probability)
        self._queue = CorrectionQueue(self._send, self._take, self._show)
        self._base = CorrectionState.empty()
        organ = label_of(segmentation.GetSegmentation().GetSegment(segment_id))
        self.learning = PatientLearning(self._segment, self._queue, self._tell, organ)
        self._figures = CorrectedMeasurement(segmentation, segment_id, ct, jobs.do, self._tell)
        self._figures.begin(self._segment.state)

    # ------------------------------------------------------------------ how it stands

    @property
    def geometry(self) -> Geometry:
        """The CT's grid in the world, LPS: what `Mark.stroke` wants."""
        return geometry_of(self.ct)

    @property
    def error(self) -> PancreasSegError | None:
        """Why something that was marked could not be applied."""
        return self._queue.error

    @property
    def can_retry(self) -> bool:
        """Whether it is still recorded, and `retry` sends it again."""
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
        """Whether a correction waits for `accept` or `reject`."""
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
        return None if box is None else Volume(plain(marks), box.geometry(self.geometry))

    def doubtful_slices(self) -> list[DoubtfulPlace]:
        """Return where the network is in doubt, most doubtful first, without what was marked already.

        Empty where no probability is known (a segment that the model did not make, a reopened scene).
        """
        self._check()
        return self._probability.doubtful_places(self._segment.current, self.marks_volume())

    # ------------------------------------------------------------------ marks

    def prepare(self) -> None:
        """Let the worker start and take the CT, so that the first stroke is answered quickly; returns at once."""
        self._check()
        if not self.busy:
            self._channel.prepare(self._segment.current)

    def add(self, marks: Sequence[Mark], on_done: OnStep | None = None) -> None:
        """Record marks that were made together: one correction, one step of undo.

        They are seen in the marks node at once, and sent to the worker if ``auto_update`` is on.

        Parameters
        ----------
        marks : sequence of Mark
            On this session's CT.
        on_done : callable, optional
            Receives the `CorrectionStep` once the segment (or the preview) shows it.

        Raises
        ------
        MarkError
            If there is no mark, or one does not lie on the CT; nothing was recorded.
        """
        self._check()
        if not marks:
            raise MarkError(_("Nothing is marked."), _("Draw inside the CT."))
        if any(mark.box.clipped(self.geometry) != mark.box for mark in marks):
            raise MarkError(_("A mark does not lie on this CT."), _("Choose the CT it was made on."))
        marking = Marking(tuple(marks), on_done=_as_list(on_done))
        if self.auto_update:
            self._record(marking)
        else:
            self._segment.forget_redo()
            self._queue.hold(marking)
            self._show()

    def confirm_slice(self, axis: int, index: int, on_done: OnStep | None = None) -> None:
        """Confirm a slice of the CT as the segment shows it now: the slices beside it follow. One step.

        It waits in turn with the strokes. What was seen counts: where one of them, or a hand, changes the slice
        before its turn comes, it is not taken, and ``sentence`` says so.

        Parameters
        ----------
        axis, index : int
            The CT's axis (0 i, 1 j, 2 k) across the slice, and which slice it is.
        on_done : callable, optional
            As in `add`.

        Raises
        ------
        MarkError
            As `PancreasSegPanel.correction.confirmed_slice.confirm` says.
        """
        self.notice()
        waiting = self._queue.waiting_marks
        self.add([confirmed_slice.confirm(self._segment, waiting, axis, index, self.geometry)], on_done)

    def apply(self) -> None:
        """Correct by all strokes that wait, together, as one step."""
        self._check()
        self._queue.apply()
        self._show()

    def retry(self) -> None:
        """Send again what could not be applied."""
        self._check()
        self.sentence = ""
        self._queue.retry()
        self._show()

    def clear_marks(self) -> None:
        """Forget all marks, those that wait too; the segment stays as it is. One step."""
        self.notice()
        self._queue.clear()
        self._segment.forget_redo()
        self._segment.drop_draft()
        self._segment.clear_marks()
        self.sentence = _("The marks were cleared; the segment stays as it is.")
        self._show()

    # ------------------------------------------------------------------ the segment as a whole

    def notice(self) -> bool:
        """Take what was edited in the Segment Editor: it is truth, and a step; whether there was any."""
        self._check()
        noticed = self._segment.notice()
        if noticed:
            self._show()
        return noticed

    def smooth(self, radius_mm: float = 1.5) -> None:
        """Smooth the segment in the background, in turn with the strokes; what was marked stays. One step."""
        self._check()
        self._record(Smoothing(radius_mm))

    def learn(self, on_done: OnStep | None = None) -> None:
        """Let a copy of the model learn this patient from all marks, and outline the organ anew. One step.

        It waits in turn with the strokes and takes some seconds. What it has learnt serves later strokes.

        Raises
        ------
        MarkError
            If nothing is marked.
        """
        self._check()
        self._record(self.learning.item(self.geometry.voxel_volume_ml, _as_list(on_done)))

    def cancel_learning(self) -> None:
        """Give up what `learn` has begun; nothing has changed, and what waits behind it goes on."""
        if self.learning.cancel():
            self.sentence = _("Learning was cancelled; segment and marks stay as they are.")
            self._show()

    # ------------------------------------------------------------------ preview, undo

    def accept(self) -> None:
        """Write the previewed correction into the segment, as one step."""
        self.notice()
        self._segment.forget_redo()
        self._queue.forget_taken_back()
        step = self._segment.accept()
        self.sentence = _("There was nothing to change.") if step is None else step.sentence
        self.last = step or self.last
        self._show()

    def reject(self) -> None:
        """Drop the previewed correction and its marks."""
        self._check()
        self._queue.clear()
        self._segment.drop_draft()
        self.sentence = _("The correction was dropped.")
        self._show()

    def undo(self) -> bool:
        """Take the last step back, to the voxel, marks included; a stroke that is not applied yet goes first.

        What was edited elsewhere is a step like any other.
        """
        self.notice()
        done = self._queue.take_back() or self._segment.undo()
        if done:
            self.sentence = _("The last correction was taken back.")
        self._show()
        return done

    def redo(self) -> bool:
        """Do again what was undone last."""
        self.notice()
        done = self._segment.redo() or self._queue.bring_back()
        if done:
            self.sentence = _("The correction was done again.")
        self._show()
        return done

    def wait(self) -> CorrectionStep | None:
        """Wait until nothing is awaited, and return the last step; for scripts. The application stays alive.

        Raises
        ------
        PancreasSegError
            Why something could not be applied; strokes stay recorded.
        """
        while self.busy and not self.ended:
            self._jobs.turn()
        if self.ended:
            raise PancreasSegError(self.ended)
        if self.error is not None:
            raise self.error
        return self.last

    # ------------------------------------------------------------------ what all corrections are told

    def end(self, reason: str) -> None:
        """End for good: what is awaited is given up, the segment stays as it is."""
        if not self.ended:
            self.ended = self.sentence = reason
            self._queue.clear()
            self._channel.close()
            self._tell()

    def remove_marks(self) -> None:
        """Take the marks out of the scene with the segment that they belong to."""
        self._marks_node.remove()

    def restart(self, reason: str) -> None:
        """The segment was made anew: marks, preview and steps end, the session goes on if there is a segment."""
        self._queue.clear()
        if self.target.problem():
            self.end(reason)
            self.remove_marks()
            return
        self._segment.restart()
        self._figures.begin(self._segment.state)
        self.sentence = reason
        self._channel.renew()
        self._show()

    def worker_ended(self) -> None:
        """The worker was ended on purpose; strokes that it had are sent to the next one with the next stroke."""
        self._channel.renew()
        self._figures.begin_again()
        self._queue.worker_ended()

    # ------------------------------------------------------------------ inside

    def _check(self) -> None:
        """Raise where there is nothing left to correct."""
        if not self.ended and (problem := self.target.problem()):
            self.end(problem)
        if self.ended:
            raise PancreasSegError(self.ended, _("Choose the segment again."))

    def _record(self, item: Item) -> None:
        self._segment.forget_redo()
        self._queue.add(item)
        self._show()

    def _send(self, item: Item, on_answer: OnAnswer) -> GiveUp:
        """Send an item from the segment as it is now."""
        self._check()
        self._segment.notice()
        self._base = self._segment.current
        return item.send(self._base, self._channel, on_answer)

    def _take(self, item: Item, change: CorrectionChange) -> None:
        """Take what came back, and tell whoever waits for this item."""
        self._check()
        found = self._segment.take(self._base, change, item.since, item.drawn, preview=self.preview)
        self.last = step = item.describe(found, self.geometry)
        self.sentence = step.sentence
        for callback in item.on_done:
            try:
                callback(step)
            except Exception:
                log.exception("A callback of a correction failed.")

    def _show(self) -> None:
        """Show what there is, and tell whoever listens."""
        if self.ended:
            return
        if self.error is not None:
            self.sentence = sentence_of(self.error)
        self._segment.show(self._queue.waiting_marks)
        self._figures.renew(self._segment.state, self.geometry)
        self._tell()

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()


def _as_list(on_done: OnStep | None) -> list[OnStep]:
    return [] if on_done is None else [on_done]
