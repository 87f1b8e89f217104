"""What the panel can do, without any Qt: the form and scripts call the same functions.

A script::

    logic = slicer.util.getModuleLogic("PancreasSeg")
    segmentation = logic.segment(volumeNode)          # waits, the application stays alive
    print(logic.measurement(segmentation).volume_ml)
    session = logic.correct(segmentation)             # see PancreasSegPanel.correction.session
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import slicer

from PancreasSegLib.errors import CancelledError, PancreasSegError
from PancreasSegLib.volume import Box, Geometry
from PancreasSegPanel.correction.sessions import OpenCorrections
from PancreasSegPanel.scene import pancreas_segment, segment_writing
from PancreasSegPanel.scene.ct_node import check_node, scan_of
from PancreasSegPanel.scene.measurement import Measurement, kept
from PancreasSegPanel.scene.region_node import CT_ROLE, box_of_region, show_region
from PancreasSegPanel.work.background import Background
from PancreasSegPanel.work.segmentation_run import Job, Run

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegPanel.correction.session import CorrectionSession
    from PancreasSegPanel.work.worker_protocol import ClientLike, RequestLike

POLL_S = 0.01


class PanelLogic:
    """Runs jobs through one worker and writes what comes back into the scene.

    Parameters
    ----------
    make_client : callable
        Gives the worker's client, asked for at the first job and again after :meth:`close`.
    process_events : callable, optional
        Keeps the application alive while a script waits.
    """

    def __init__(
        self, make_client: Callable[[], ClientLike], process_events: Callable[[], None] | None = None
    ) -> None:
        self._make_client = make_client
        self._process_events = process_events or (lambda: None)
        self._client: ClientLike | None = None
        self._open: list[RequestLike] = []
        self._keys: dict[str, str] = {}
        self._undo: list[pancreas_segment.Snapshot] = []
        self.runs: list[Run] = []
        self.background = Background()
        self.corrections = OpenCorrections(self)
        self.on_work: Callable[[], None] = lambda: None
        self.on_result: Callable[[], None] = lambda: None

    # ------------------------------------------------------------------ the worker

    @property
    def client(self) -> ClientLike:
        """The worker's client; nothing starts before its first request."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    @property
    def pending(self) -> bool:
        """Whether answers are awaited: the timer runs as long."""
        return bool(self._open or self.background.open or self.corrections.pending)

    def poll(self) -> None:
        """Take what has arrived; called by the timer, never blocks."""
        self.background.poll()
        self.corrections.poll()
        if self._client is not None and self._open:
            self._client.poll()
            self._open = [request for request in self._open if not request.done]

    def close(self) -> None:
        """Cancel everything and end the worker; the next job starts a new one."""
        self.corrections.worker_ended()
        self.cancel_all(CancelledError())
        self.background.drop()
        client, self._client = self._client, None
        self._open.clear()
        self._keys.clear()
        if client is not None:
            client.close()

    def restart_worker(self) -> None:
        """End the worker when nothing runs, so that the next job sees newly installed packages."""
        self.close()

    def work(
        self, job: Callable[[], Any], on_done: Callable[[Any], None] | None = None, *, keep: bool = False
    ) -> Any:
        """Queue file work; `on_done` is called with the finished :class:`BackgroundJob`.

        What is to be kept is done to its end even if the scene is closed meanwhile.
        """
        queued = self.background.submit(job, on_done, keep=keep)
        self.on_work()
        return queued

    def asked(self, request: RequestLike) -> RequestLike:
        """Await the answer to what the worker was asked."""
        self._open.append(request)
        self.on_work()
        return request

    # ------------------------------------------------------------------ questions to the worker

    def devices(self, on_done: Callable[[RequestLike], None]) -> RequestLike:
        """Ask for the devices."""
        return self.asked(self.client.devices(on_done=on_done))

    def forecast(
        self, ct: Any, model: str, device: str, region: Any | None, on_done: Callable[[RequestLike], None]
    ) -> RequestLike:
        """Ask what a run will take; the model is loaded on the way, so that the first click is a warm one.

        Raises
        ------
        PancreasSegError
            If the CT or the region cannot be used.
        """
        scan = self.scan(ct)
        roi: Box | str = box_of_region(region, scan.geometry) if region is not None else "auto"
        return self.asked(self.client.forecast(scan, model, device, roi, on_done=on_done))

    def propose_region(
        self,
        ct: Any,
        on_done: Callable[[RequestLike], None],
        on_progress: Callable[[ProgressEvent], None] | None = None,
    ) -> RequestLike:
        """Ask for the region from HU thresholds; :meth:`show_proposal` puts the answer into the scene."""
        return self.asked(self.client.propose_roi(self.scan(ct), on_done=on_done, on_progress=on_progress))

    def show_proposal(self, ct: Any, answer: dict[str, Any], region: Any | None = None) -> Any:
        """Show a proposal as a ROI; `region` is moved if it is one of this CT, else a new one is made."""
        geometry = Geometry.from_json(answer["geometry"])
        own = region is not None and region.GetNodeReferenceID(CT_ROLE) == ct.GetID()
        return show_region(
            slicer.mrmlScene, ct, Box.from_json(answer["box_ijk"]), geometry, region if own else None
        )

    def scan(self, ct: Any) -> Any:
        """Return a CT as the worker takes it; the former content of the same node is forgotten there."""
        scan = scan_of(ct)
        former = self._keys.get(ct.GetID())
        if former not in (None, scan.key) and self._client is not None:
            self._client.release(former)
        self._keys[ct.GetID()] = scan.key
        return scan

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
        scan = self.scan(job.ct)
        roi: Box | str = box_of_region(job.region, scan.geometry) if job.region is not None else "auto"
        run = Run(job, scan.geometry, on_done, on_progress)
        self.runs.append(run)
        request = self.client.segment(
            scan,
            job.model,
            job.device,
            roi,
            on_done=lambda request: self._finish(run, request),
            on_progress=on_progress,
        )
        run.request = request
        self.asked(request)
        return run

    def segment_scan(
        self,
        scan: Any,
        model: str,
        device: str,
        on_done: Callable[[RequestLike], None],
        on_progress: Callable[[ProgressEvent], None] | None = None,
    ) -> RequestLike:
        """Segment a CT that is not in the scene; the reply goes to `on_done` as it is."""
        return self.asked(
            self.client.segment(
                scan, model, device, "auto", probability=False, on_done=on_done, on_progress=on_progress
            )
        )

    def cancel(self, run: Run) -> None:
        """Give up a run at once; nothing is written."""
        self._end(run, CancelledError())

    def cancel_request(self, request: RequestLike) -> None:
        """Give up another request."""
        if not request.done and self._client is not None:
            self._client.cancel(request)

    def cancel_all(self, reason: PancreasSegError) -> None:
        """Give up everything, as when the scene is closed."""
        for run in list(self.runs):
            self._end(run, reason)
        for request in self._open:
            self.cancel_request(request)
        self.on_work()

    def _end(self, run: Run, reason: PancreasSegError) -> None:
        run.give_up(reason)
        if run.request is not None:
            self.cancel_request(run.request)
        self._report(run)

    def _finish(self, run: Run, request: RequestLike) -> None:
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
            With the segment Pancreas; :meth:`measurement` gives its figures.

        Raises
        ------
        PancreasSegError
            What happened and what to do; :class:`CancelledError` if it was cancelled.
        """
        run = self.start(Job(volume_node, segmentation_node, model, device, region_node, confidence_map))
        while not run.done:
            self.turn()
        if run.error is not None:
            raise run.error
        return run.segmentation

    def turn(self) -> None:
        """Wait a moment while the application stays alive: what scripts do until an answer is there."""
        self._process_events()
        self.poll()
        time.sleep(POLL_S)

    def measurement(self, segmentation_node: Any) -> Measurement | None:
        """Return what was measured of the result in a segmentation."""
        return kept(segmentation_node)

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

    def end_correction(self, name: str) -> None:
        """Let the worker forget a correction."""
        if self._client is not None:
            self._client.end_correction(name)

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
        key = self._keys.pop(node.GetID(), None) if node.GetID() else None
        for run in [run for run in self.runs if run.ct_id == node.GetID()]:
            self._end(run, CancelledError("The CT was removed while it was segmented; nothing was written."))
        self._undo = [taken for taken in self._undo if taken.node_id != node.GetID()]
        self.corrections.node_removed(node)
        if key is not None and self._client is not None:
            self._client.release(key)

    def scene_closing(self) -> None:
        """The scene is being closed: everything ends, the warm worker stays."""
        self.corrections.scene_closing()
        self.cancel_all(CancelledError("The scene was closed; nothing was written."))
        self.background.drop()
        self._undo.clear()
        keys, self._keys = list(self._keys.values()), {}
        if self._client is not None:
            for key in keys:
                self._client.release(key)


def is_candidate(node: Any) -> bool:
    """Whether a volume node may be offered as a CT at all: no labelmap, no confidence map of ours."""
    from PancreasSegPanel.scene.confidence_map import CT_ROLE as MAP_ROLE

    return not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetNodeReferenceID(MAP_ROLE)


def _import_early() -> None:
    """Import in a thread what measures a masked result: it brings scipy, a fifth of a second."""
    threading.Thread(target=import_module, args=("PancreasSegLib.postprocess.statistics",), daemon=True).start()
