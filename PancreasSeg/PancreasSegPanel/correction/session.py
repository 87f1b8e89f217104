"""One segment under correction, without any Qt: the form and scripts call the same methods.

A script::

    session = logic.correct(segmentation, "Pancreas", ct)
    stroke = Mark.stroke(points_lps, session.geometry, include=True, radius_mm=3)
    session.add([stroke])
    session.wait()                                    # until the segment shows it
    session.undo()                                    # exact to the voxel
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.correction.confirmed_slice import seen_slice
from PancreasSegPanel.correction.learning import PatientLearning
from PancreasSegPanel.correction.measurement import CorrectedMeasurement
from PancreasSegPanel.correction.probability import CorrectionProbability
from PancreasSegPanel.correction.queue import CorrectionQueue, Item, Smoothing, check_marks
from PancreasSegPanel.correction.sender import CorrectionSender, OnAnswer
from PancreasSegPanel.correction.state import SegmentCorrection
from PancreasSegPanel.correction.status import CorrectionStatus
from PancreasSegPanel.correction.step import CorrectionStep, DoubtfulPlace
from PancreasSegPanel.correction.turn import CorrectionTurn
from PancreasSegPanel.drawing.brush_marks import voxels_to_change
from PancreasSegPanel.scene.corrected_segment import CorrectionTarget
from PancreasSegPanel.scene.marks_node import MarksNode
from PancreasSegPanel.scene.pancreas_segment import label_of
from PancreasSegPanel.work.problem import sentence_of

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry, Volume
    from PancreasSegLib.worker import CorrectionChange
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

OnStep = Callable[[CorrectionStep], None]


class CorrectionSession(CorrectionStatus):
    """The correction of one segment on one CT; :meth:`PanelLogic.correct` gives it.

    The session owns what was marked and knows the segment as it left it; the worker only computes. So nothing is
    lost when the worker dies: what was recorded is sent again to the next one.

    Nothing here blocks but :meth:`wait`. Methods that do something raise a :class:`PancreasSegError` with a
    sentence when the session has ended or the mark cannot be used.

    Attributes
    ----------
    auto_update : bool
        Whether :meth:`add` corrects at once; else strokes wait for :meth:`apply`.
    preview : bool
        Whether a correction is shown as the segment Preview until :meth:`accept` or :meth:`reject`.
    learning : PatientLearning
        Which model :meth:`learn` takes, and how far it is.
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
        super().__init__(segmentation, segment_id, ct)
        self.auto_update, self.preview = True, False
        self._jobs = jobs
        self.target = CorrectionTarget(scene, segmentation, segment_id, ct)
        self._marks_node = MarksNode(scene, segmentation, segment_id, ct)
        self._segment = SegmentCorrection(self.target, self._marks_node, self.geometry)
        self._probability = CorrectionProbability(ct, network)
        self._sender = CorrectionSender(jobs, ct, self._probability)
        self._turn = CorrectionTurn(self._segment, self._sender)
        self._queue = CorrectionQueue(self._send, self._sender.let_go, self._take, self._changed)
        organ = label_of(segmentation.GetSegmentation().GetSegment(segment_id))
        self.learning = PatientLearning(
            self._segment, self._queue, self._tell, organ, lambda: self.geometry.voxel_volume_ml
        )
        self._figures = CorrectedMeasurement(segmentation, segment_id, ct, jobs.do, self._tell)
        self._figures.begin(self._segment.state)

    # ------------------------------------------------------------------ marks

    def prepare(self) -> None:
        """Let the worker start and take the CT, so that the first stroke is answered quickly; returns at once."""
        self._alive()
        if not self.busy:
            self._sender.prepare(self._segment.current)

    def add(self, marks: Sequence[Mark], on_done: OnStep | None = None) -> None:
        """Record marks that were made together: one correction, one step of undo.

        They are seen in the marks node at once, and sent to the worker if ``auto_update`` is on.

        Parameters
        ----------
        marks : sequence of Mark
            On this session's CT.
        on_done : callable, optional
            Receives the :class:`CorrectionStep` once the segment (or the preview) shows it.

        Raises
        ------
        MarkError
            If a mark does not lie on the CT; nothing was recorded.
        """
        geometry = self._alive()
        check_marks(marks, geometry)
        item = Item(tuple(marks), on_done=[on_done] if on_done is not None else [])
        self._record(item, hold=not self.auto_update)

    def confirm_slice(self, axis: int, index: int, on_done: OnStep | None = None) -> None:
        """Take a slice of the CT as right, as the segment shows it now: the slices beside it follow. One step.

        It waits in turn with the strokes. What was seen counts: where one of them, or a hand, changes the slice
        before its turn comes, it is not taken, and ``sentence`` says so.

        Parameters
        ----------
        axis, index : int
            The CT's axis (0 i, 1 j, 2 k) across the slice, and which slice it is.
        on_done : callable, optional
            As in :meth:`add`.

        Raises
        ------
        MarkError
            As :func:`PancreasSegPanel.correction.confirmed_slice.seen_slice` says.
        """
        geometry = self._alive()
        self._segment.notice(geometry)
        self.add([seen_slice(self._segment, self._queue.waiting_marks, axis, index, geometry)], on_done)

    def apply(self) -> None:
        """Correct by all strokes that wait, together, as one step."""
        self._alive()
        self._queue.apply()
        self._changed()

    def retry(self) -> None:
        """Send again what could not be applied."""
        self._alive()
        self.sentence = ""
        self._queue.retry()
        self._changed()

    def erase_marks(self, mark: Mark) -> None:
        """Forget what was marked inside a mark; the segment stays as it is. One step."""
        self._segment.erase_marks(mark.box, mark.values != 0, self._begin())
        self._changed()

    def clear_marks(self) -> None:
        """Forget all marks, those that wait too; the segment stays as it is. One step."""
        geometry = self._begin()
        self._queue.clear()
        self._segment.drop_draft()
        self._segment.clear_marks(geometry)
        self.sentence = "The marks were cleared; the segment stays as it is."
        self._changed()

    # ------------------------------------------------------------------ plain editing

    def direct(self, mark: Mark, hu_range: tuple[float, float] | None = None) -> CorrectionStep | None:
        """Paint (``mark.include``) or erase exactly the mark's voxels, at once and without the worker. One step.

        Parameters
        ----------
        mark : Mark
            Of any kind; its voxels are meant as they are.
        hu_range : tuple of 2 float, optional
            Only voxels whose HU lie in this closed range change.

        Returns
        -------
        CorrectionStep or None
            None if there was nothing to change.
        """
        geometry = self._begin()
        check_marks([mark], geometry)
        voxels = voxels_to_change(mark, self.ct, hu_range)
        return self._written(self._segment.paint(mark.box, voxels, mark.include, geometry))

    def smooth(self, within: Mark | None = None, radius_mm: float = 1.5) -> None:
        """Smooth the segment, or its part under a mark; what was marked stays. One step.

        It is computed in the background, in turn with the strokes.
        """
        self._alive()
        self._record(Item(smoothing=Smoothing(within, radius_mm)))

    def learn(self, on_done: OnStep | None = None) -> None:
        """Let a copy of the model learn this patient from all marks, and outline the organ anew. One step.

        It waits in turn with the strokes and takes some seconds. What it has learnt serves later strokes.

        Raises
        ------
        MarkError
            If nothing is marked.
        """
        self._alive()
        self._record(self.learning.item(on_done))

    def cancel_learning(self) -> None:
        """Give up what :meth:`learn` has begun; nothing has changed, and what waits behind it goes on."""
        if self.learning.drop():
            self.sentence = "Learning was cancelled; segment and marks stay as they are."
            self._changed()

    # ------------------------------------------------------------------ preview, undo

    def accept(self) -> CorrectionStep | None:
        """Write the previewed correction into the segment, as one step."""
        return self._written(self._segment.accept(self._begin()))

    def reject(self) -> None:
        """Drop the previewed correction and its marks."""
        self._alive()
        self._queue.clear()
        self._segment.drop_draft()
        self.sentence = "The correction was dropped."
        self._changed()

    def undo(self) -> bool:
        """Take the last step back, to the voxel, marks included; a stroke that is not applied yet goes first.

        Voxels that were changed by other means since keep what the user gave them.
        """
        geometry = self._alive()
        self._segment.notice(geometry)
        done = self._queue.take_back() or self._segment.undo(geometry)
        if done:
            self.sentence = "The last correction was taken back."
        self._changed()
        return done

    def redo(self) -> bool:
        """Do again what was undone last."""
        geometry = self._alive()
        self._segment.notice(geometry)
        done = self._segment.redo(geometry) or self._queue.bring_back()
        if done:
            self.sentence = "The correction was done again."
        self._changed()
        return done

    # ------------------------------------------------------------------ doubt, waiting

    def doubtful_slices(self) -> list[DoubtfulPlace]:
        """Return where the network is in doubt, most doubtful first, without what was marked already.

        Empty where no probability is known (a segment that the model did not make, a reopened scene).
        """
        self._alive()
        return self._probability.doubtful_places(self._segment.current, self.marks_volume())

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

    # ------------------------------------------------------------------ what the logic calls

    def end(self, reason: str) -> None:
        """End for good: what is awaited is given up, the segment stays as it is."""
        if not self.ended:
            self.ended = self.sentence = reason
            self._queue.clear()
            self._sender.end()
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
        self._segment.restart(self.geometry)
        self._figures.begin(self._segment.state)
        self.sentence = reason
        self._sender.renew()
        self._changed()

    def worker_ended(self) -> None:
        """The worker was ended on purpose; strokes that it had are sent to the next one with the next stroke."""
        self._sender.renew()
        self._figures.dropped()
        self._queue.worker_ended()

    # ------------------------------------------------------------------ inside

    def _alive(self) -> Geometry:
        """Return the CT's grid, or raise where there is nothing left to correct."""
        if not self.ended and (problem := self.target.problem()):
            self.end(problem)
        if self.ended:
            raise PancreasSegError(self.ended, "Choose the segment again.")
        return self.geometry

    def _begin(self) -> Geometry:
        """Take what was edited elsewhere; something new is done now."""
        geometry = self._alive()
        self._segment.notice(geometry)
        self._segment.forget_redo()
        self._queue.forget_taken_back()
        return geometry

    def _record(self, item: Item, *, hold: bool = False) -> None:
        self._segment.forget_redo()
        self._queue.add(item, hold=hold)
        self._changed()

    def _send(self, item: Item, on_done: OnAnswer) -> Any:
        return self._turn.send(item, self._alive(), on_done)

    def _take(self, item: Item, change: CorrectionChange) -> None:
        self.last = self._turn.take(item, change, self._alive(), preview=self.preview)
        self.sentence = self.last.sentence

    def _written(self, step: CorrectionStep | None) -> CorrectionStep | None:
        self.sentence = "There was nothing to change." if step is None else step.sentence
        self.last = step or self.last
        self._changed()
        return step

    def _changed(self) -> None:
        """Show what there is, and tell whoever listens."""
        if self.ended:
            return
        if self.error is not None:
            self.sentence = sentence_of(self.error)
        geometry = self.geometry
        self._segment.show(self._queue.waiting_marks, geometry)
        self._figures.renew(self._segment.state, geometry)
        self._tell()
