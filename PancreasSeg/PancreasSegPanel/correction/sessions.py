"""All corrections of a scene: one a segment, each ends with what it corrects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import PancreasSegError
from PancreasSegPanel.correction.probability import FoundProbabilities
from PancreasSegPanel.correction.session import CorrectionSession
from PancreasSegPanel.scene.ct_node import geometry_of
from PancreasSegPanel.scene.pancreas_segment import find_own_segment
from PancreasSegPanel.scene.segment_writing import check_output
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.volume import Volume
    from PancreasSegPanel.work.segmentation_run import Run
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

_ = translator(__name__)


class OpenCorrections:
    """The corrections, and the probabilities that they work from.

    Parameters
    ----------
    jobs : WorkerJobs
        Asks the worker.
    """

    def __init__(self, jobs: WorkerJobs) -> None:
        self._jobs = jobs
        self._open: dict[tuple[str, str, str], CorrectionSession] = {}
        self._probabilities = FoundProbabilities()

    def correct(
        self, scene: Any, segmentation: Any, segment_id: str | None = None, ct: Any | None = None
    ) -> CorrectionSession:
        """Return the correction of a segment, a new one if there is none yet; see `PanelLogic.correct`."""
        check_output(segmentation)
        ct = ct or segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
        if ct is None or not ct.IsA("vtkMRMLScalarVolumeNode"):
            raise PancreasSegError(
                _("It is not known on which CT {name} lies.").format(name=segmentation.GetName()),
                _("Choose the CT."),
            )
        segment_id = segment_id or find_own_segment(segmentation, "pancreas")
        if segment_id is None or segmentation.GetSegmentation().GetSegment(segment_id) is None:
            raise PancreasSegError(
                _("There is no such segment in {name}.").format(name=segmentation.GetName()),
                _("Segment first, or choose a segment."),
            )
        key = (segmentation.GetID(), segment_id, ct.GetID())
        session = self._open.get(key)
        if session is None or session.ended:
            found = self._probabilities
            session = CorrectionSession(
                scene,
                self._jobs,
                segmentation,
                segment_id,
                ct,
                lambda: found.find(scene, segmentation, segment_id, ct),
            )
            self._open[key] = session
        return session

    @property
    def alive(self) -> list[CorrectionSession]:
        """The corrections that have not ended."""
        self._open = {key: session for key, session in self._open.items() if not session.ended}
        return list(self._open.values())

    def result_written(self, run: Run) -> None:
        """A run has filled segments: their corrections begin anew, their probabilities are kept."""
        node = run.segmentation
        if node is None:
            return
        for label, segment_id in run.segment_ids.items():
            if label in run.probability:
                self._probabilities.put(node, segment_id, run.job.ct, run.geometry, run.probability[label])
            else:
                self._probabilities.forget(node.GetID(), segment_id)
        for session in self._sessions_of(node.GetID(), list(run.segment_ids.values())):
            session.restart(_("The segment was made anew, so the marks on it have ended."))

    def take_probability(self, node: Any, segment_id: str, ct: Any, probability: Volume) -> None:
        """Keep a probability that was found elsewhere, on the same CT."""
        self._probabilities.put(node, segment_id, ct, geometry_of(ct), probability)

    def undo_on(self, node_id: str, segment_ids: list[str]) -> bool:
        """Take back the last correction of one of these segments; False if they were not corrected."""
        return any(session.can_undo and session.undo() for session in self._sessions_of(node_id, segment_ids))

    def result_taken_back(self, node_id: str, segment_ids: list[str]) -> None:
        """A result was taken back: its segments are what they were before it."""
        for segment_id in segment_ids:
            self._probabilities.forget(node_id, segment_id)
        for session in self._sessions_of(node_id, segment_ids):
            session.restart(_("The result was taken back, so the marks on it have ended."))

    def _sessions_of(self, node_id: str, segment_ids: list[str]) -> list[CorrectionSession]:
        return [s for s in self.alive if s.segmentation.GetID() == node_id and s.segment_id in segment_ids]

    def node_removed(self, node: Any) -> None:
        """A node left the scene: corrections of it end; marks leave with their segmentation."""
        self._probabilities.forget(node.GetID() or "")
        for session in self.alive:
            if session.segmentation is node:
                session.end(_("The segmentation was removed; its correction has ended."))
                session.remove_marks()
            elif session.ct is node:
                session.end(_("The CT was removed; the correction has ended."))

    def scene_closing(self) -> None:
        """The scene is being closed: everything ends."""
        for session in self.alive:
            session.end(_("The scene was closed; the correction has ended."))
        self._open.clear()
        self._probabilities.clear()

    def worker_ended(self) -> None:
        """The worker was ended on purpose: what it was asked waits for the next one."""
        for session in self.alive:
            session.worker_ended()
