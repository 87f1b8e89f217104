"""What the panel can do, without any Qt: the form and scripts call the same functions.

A script::

    logic = slicer.util.getModuleLogic("PancreasSeg")
    segmentation = logic.segment(volumeNode)          # waits, the application stays alive
    print(logic.measurement(segmentation).volume_ml)
    session = logic.correct(segmentation)             # see PancreasSegPanel.correction.session
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import slicer

from PancreasSegLib.errors import CancelledError, PancreasSegError
from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.correction.sessions import OpenCorrections
from PancreasSegPanel.scene import pancreas_segment, segment_writing
from PancreasSegPanel.scene.ct_node import check_node
from PancreasSegPanel.scene.measurement import Measurement, find_measurement
from PancreasSegPanel.scene.region_node import CT_ROLE, show_region
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.segmentation_run import Job, Run
from PancreasSegPanel.work.worker_jobs import WorkerJobs, roi_of

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.worker import Request, WorkerClient
    from PancreasSegPanel.correction.session import CorrectionSession

_ = translator(__name__)


class PanelLogic:
    """Segments, corrects, and writes what comes back into the scene.

    Parameters
    ----------
    make_client, process_events
        As for `WorkerJobs`.

    Attributes
    ----------
    jobs : WorkerJobs
        The worker and the other thread.
    runs : list of Run
        What is being segmented.
    corrections : OpenCorrections
        What is being corrected.
    on_result : callable
        Called after a result was written.
    """

    def __init__(
        self, make_client: Callable[[], WorkerClient], process_events: Callable[[], None] | None = None
    ) -> None:
        self.jobs = WorkerJobs(make_client, process_events)
        self._undo: list[pancreas_segment.Snapshot] = []
        self.runs: list[Run] = []
        self.corrections = OpenCorrections(self.jobs)
        self.on_result: Callable[[], None] = lambda: None

    # ------------------------------------------------------------------ answers

    @property
    def pending(self) -> bool:
        """Whether something is awaited: the timer runs as long."""
        return self.jobs.pending

    def poll(self) -> None:
        """Take what has arrived; called by the timer, never blocks."""
        self.jobs.poll()

    def turn(self) -> None:
        """Wait a moment while the application stays alive, as scripts do."""
        self.jobs.turn()

    def close(self) -> None:
        """Cancel everything and end the worker; the next job starts a new one, which sees new packages."""
        self.corrections.worker_ended()
        self._end_all(CancelledError())
        self.jobs.close()

    def show_proposal(self, ct: Any, answer: dict[str, Any], region: Any | None = None) -> Any:
        """Show a proposal as a ROI; `region` is moved if it is one of this CT, else a new one is made."""
        geometry = Geometry.from_json(answer["geometry"])
        own = region is not None and region.GetNodeReferenceID(CT_ROLE) == ct.GetID()
        return show_region(
            slicer.mrmlScene, ct, Box.from_json(answer["box_ijk"]), geometry, region if own else None
        )

    # ------------------------------------------------------------------ segmenting

    def start(
        self,
        job: Job,
        on_done: Callable[[Run], None] | None = None,
        on_progress: Callable[[ProgressEvent], None] | None = None,
    ) -> Run:
        """Start a run and return at once.

        Raises
        ------
        PancreasSegError
            If the CT is none, the region lies outside it, or the output cannot take a mask.
        """
        check = check_node(job.ct)
        if not check.usable:
            raise PancreasSegError(check.sentence)
        if job.output is not None:
            segment_writing.check_output(job.output)
            _import_early()
        scan = self.jobs.scan(job.ct)
        roi = roi_of(job.region, scan.geometry)
        run = Run(job, scan.geometry, on_done, on_progress)
        self.runs.append(run)
        run.request = self.jobs.segment(
            scan, job.model, job.device, roi, lambda request: self._finish(run, request), on_progress
        )
        return run

    def cancel(self, run: Run) -> None:
        """Give up a run at once; nothing is written."""
        self._end(run, CancelledError())

    def _end_all(self, reason: PancreasSegError) -> None:
        for run in list(self.runs):
            self._end(run, reason)

    def _end(self, run: Run, reason: PancreasSegError) -> None:
        run.give_up(reason)
        if run.request is not None:
            self.jobs.cancel(run.request)
        self._report(run)

    def _finish(self, run: Run, request: Request) -> None:
        if run.done:
            return  # it was given up; the worker's answer is late
        run.finish(slicer.mrmlScene, request)
        if run.undo is not None:
            self._undo.append(run.undo)
            self.corrections.result_written(run)
            self.on_result()
        self._report(run)

    def _report(self, run: Run) -> None:
        if run in self.runs:
            self.runs.remove(run)
            if run.on_done is not None:
                run.on_done(run)

    def segment(
        self,
        volume_node: Any,
        segmentation_node: Any | None = None,
        *,
        model: str = "default",
        device: str = "auto",
        region_node: Any | None = None,
        confidence_map: bool = False,
    ) -> Any:
        """Segment a CT and wait for it; the application stays alive meanwhile.

        Parameters
        ----------
        volume_node : vtkMRMLScalarVolumeNode
            The CT.
        segmentation_node : vtkMRMLSegmentationNode, optional
            Where to write; a new one by default.
        model, device : str
            A model's name or folder; ``auto``, ``cpu``, ``cuda:0``, ``mps``.
        region_node : vtkMRMLMarkupsROINode, optional
            Where to look.
        confidence_map : bool
            Whether to add the probability as a volume.

        Returns
        -------
        vtkMRMLSegmentationNode
            With the segment Pancreas; `measurement` gives its figures.

        Raises
        ------
        PancreasSegError
            What happened and what to do; `CancelledError` if it was cancelled.
        """
        run = self.start(Job(volume_node, segmentation_node, model, device, region_node, confidence_map))
        while not run.done:
            self.jobs.turn()
        if run.error is not None:
            raise run.error
        return run.segmentation

    def measurement(self, segmentation_node: Any) -> Measurement | None:
        """Return what was measured of the result in a segmentation."""
        return find_measurement(segmentation_node)

    # ------------------------------------------------------------------ correcting

    def correct(
        self, segmentation: Any, segment_id: str | None = None, ct: Any | None = None
    ) -> CorrectionSession:
        """Return the correction of a segment, any segment; nothing starts before it is used.

        Parameters
        ----------
        segmentation : vtkMRMLSegmentationNode
        segment_id : str, optional
            The segment; the pancreas that PancreasSeg made by default.
        ct : vtkMRMLScalarVolumeNode, optional
            The CT; by default the one whose grid the segmentation has.

        Raises
        ------
        PancreasSegError
            If there is no such segment, or it cannot be corrected.
        """
        return self.corrections.correct(slicer.mrmlScene, segmentation, segment_id, ct)

    # ------------------------------------------------------------------ one step back

    @property
    def can_undo(self) -> bool:
        """Whether a result can be taken back."""
        return bool(self._undo)

    def undo(self) -> bool:
        """Take back the last result, or a correction that was made on it since; False if their node is gone."""
        while self._undo:
            taken = self._undo[-1]
            if self.corrections.undo_on(taken.node_id, list(taken.before)):
                return True
            self._undo.pop()
            if pancreas_segment.restore(slicer.mrmlScene, taken):
                self.corrections.result_taken_back(taken.node_id, list(taken.before))
                return True
        return False

    # ------------------------------------------------------------------ the scene changes

    def node_removed(self, node: Any) -> None:
        """A node left the scene: runs on it end, and the worker forgets it."""
        for run in [run for run in self.runs if run.ct_id == node.GetID()]:
            self._end(run, CancelledError(_("The CT was removed while it was segmented; nothing was written.")))
        self._undo = [taken for taken in self._undo if taken.node_id != node.GetID()]
        self.corrections.node_removed(node)
        self.jobs.forget(node.GetID() or "")

    def scene_closing(self) -> None:
        """The scene is being closed: everything ends, the warm worker stays."""
        self.corrections.scene_closing()
        self._end_all(CancelledError(_("The scene was closed; nothing was written.")))
        self.jobs.cancel_all()
        self.jobs.background.drop()
        self._undo.clear()
        self.jobs.forget_all()


def _import_early() -> None:
    """Import in a thread what measures a masked result: it brings scipy, a fifth of a second."""
    threading.Thread(target=import_module, args=("PancreasSegLib.postprocess.statistics",), daemon=True).start()
