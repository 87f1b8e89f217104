"""One CT on its way from the click to the segment: asked for, awaited, written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.errors import CancelledError, NoPancreasError, PancreasSegError
from PancreasSegLib.volume import Volume
from PancreasSegPanel.messages import left_out_text
from PancreasSegPanel.scene.confidence_map import write_confidence_map
from PancreasSegPanel.scene.ct_node import crop_of, same_grid
from PancreasSegPanel.scene.measurement import Measurement, store_measurement
from PancreasSegPanel.scene.pancreas_segment import Snapshot
from PancreasSegPanel.scene.segment_editor_history import save_state
from PancreasSegPanel.scene.segment_writing import Written, new_segmentation, write_segments
from PancreasSegPanel.translation import translator
from PancreasSegPanel.work.problem import problem_of

if TYPE_CHECKING:
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegLib.worker import Request, SegmentReply

_ = translator(__name__)


@dataclass(frozen=True)
class Job:
    """What is to be segmented, and how.

    Attributes
    ----------
    ct : vtkMRMLScalarVolumeNode
        The CT.
    output : vtkMRMLSegmentationNode or None
        Where the segment goes; None makes a new segmentation when there is a result.
    model, device : str
        As the worker takes them.
    region : vtkMRMLMarkupsROINode or None
        Where to look; None leaves it to the HU thresholds.
    confidence_map : bool
        Whether the probability becomes a volume.
    """

    ct: Any
    output: Any | None = None
    model: str = "default"
    device: str = "auto"
    region: Any | None = None
    confidence_map: bool = False


@dataclass
class Run:
    """A job under way; when ``done``, exactly one of `segmentation` and `error` is set.

    Attributes
    ----------
    job : Job
        What was asked.
    ct_id, output_id : str
        Ids, which outlive the nodes.
    request : Request or None
        The worker's request.
    done, cancelled : bool
        How it ended.
    segmentation : vtkMRMLSegmentationNode or None
        Where the result is.
    measurement : Measurement or None
        What was measured.
    error : PancreasSegError or None
        Why there is no result.
    undo : Snapshot or None
        The way back.
    segment_ids : dict of str to str
        Segment id by label.
    probability : dict of str to Volume
        Foreground probability by label, on the crop's own grid.
    """

    job: Job
    geometry: Any
    on_done: Callable[[Run], None] | None = None
    on_progress: Callable[[ProgressEvent], None] | None = None
    request: Request | None = None
    done: bool = False
    cancelled: bool = False
    segmentation: Any | None = None
    confidence_map: Any | None = None
    measurement: Measurement | None = None
    error: PancreasSegError | None = None
    undo: Snapshot | None = None
    segment_ids: dict[str, str] = field(default_factory=dict)
    probability: dict[str, Volume] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    ct_id: str = ""
    output_id: str = ""

    def __post_init__(self) -> None:
        self.ct_id = self.job.ct.GetID()
        self.output_id = self.job.output.GetID() if self.job.output is not None else ""

    def finish(self, scene: Any, request: Request) -> None:
        """Take the worker's answer; whatever goes wrong becomes `error`."""
        if self.done:
            return
        try:
            if request.error is not None:
                raise request.error
            self._write(scene, request.result)
        except CancelledError as error:
            self.cancelled, self.error = True, error
        except Exception as error:
            self.error = problem_of(error)
        self.done = True

    def give_up(self, error: PancreasSegError) -> None:
        """End the run without waiting for the worker."""
        if not self.done:
            self.done = self.cancelled = True
            self.error = error

    def _write(self, scene: Any, reply: SegmentReply) -> None:
        ct = scene.GetNodeByID(self.ct_id)
        if ct is not self.job.ct:
            raise CancelledError(_("The CT was removed while it was segmented; nothing was written."))
        if not same_grid(ct, self.geometry):
            raise PancreasSegError(
                _("{name} was moved or changed while it was segmented, so the result does not fit.").format(
                    name=ct.GetName()
                ),
                _("Segment again."),
            )
        if reply.box_ijk is None or not np.any(reply.mask):
            sentence = next((w.sentence for w in reply.warnings), _("No pancreas was found."))
            raise NoPancreasError(sentence, _("A region around it can be given by hand."))
        node = scene.GetNodeByID(self.output_id) if self.output_id else None
        if self.output_id and node is not self.job.output:
            node = None  # the chosen segmentation was deleted meanwhile: the result is kept in a new one
        fresh = node is None
        node = new_segmentation(scene, ct) if fresh else node
        save_state(scene, node)
        try:
            written = self._write_labels(scene, ct, node, reply)
        except Exception:
            if fresh:
                scene.RemoveNode(node)
            raise
        if self.job.confidence_map and reply.probability:
            organ = "pancreas" if "pancreas" in reply.probability else next(iter(reply.probability))
            self.confidence_map = write_confidence_map(scene, ct, reply.probability[organ])
        self.measurement = self._measured(ct, reply, written)
        store_measurement(node, self.measurement)
        self.segment_ids, self.probability = dict(written.segment_ids), dict(reply.probability)
        self.segmentation, self.undo = node, replace(written.undo, fresh=fresh)

    def _write_labels(self, scene: Any, ct: Any, node: Any, reply: SegmentReply) -> Written:
        box = reply.box_ijk
        assert box is not None
        return write_segments(
            scene, ct, node, reply.mask, box, self.geometry, reply.labels, crop_of(ct, box.slices_zyx)
        )

    def _measured(self, ct: Any, reply: SegmentReply, written: Written) -> Measurement:
        label = "pancreas" if "pancreas" in reply.labels else next(iter(reply.labels))
        figures = dict(reply.statistics.get(label, {}))
        notes = [warning.sentence for warning in reply.warnings]
        if written.left_out:
            figures |= self._measured_again(ct, reply, written, label)
            ml = written.left_out * self.geometry.voxel_volume_ml
            notes.append(left_out_text(f"{ml:.1f} mL", written.reasons))
        model = reply.provenance.get("model", {})
        name = f"{model.get('name', self.job.model)} {model.get('version', '')}".strip()
        extent, centre = figures.get("extent_mm"), figures.get("centre_lps")
        return Measurement(
            ct=ct.GetName(),
            label=label,
            volume_ml=float(figures.get("volume_ml") or 0.0),
            mean_hu=figures.get("mean_hu"),
            sd_hu=figures.get("sd_hu"),
            extent_mm=(float(extent[0]), float(extent[1]), float(extent[2])) if extent else None,
            centre_lps=(float(centre[0]), float(centre[1]), float(centre[2])) if centre else None,
            confidence=figures.get("confidence"),
            seconds=time.monotonic() - self.started,
            model=name,
            device=str(reply.provenance.get("device", self.job.device)),
            notes=notes,
        )

    def _measured_again(self, ct: Any, reply: SegmentReply, written: Written, label: str) -> dict[str, Any]:
        """Measure what was written, where it is less than what the worker found."""
        from PancreasSegLib.postprocess.statistics import label_statistics

        box = reply.box_ijk
        assert box is not None
        crop = Volume(crop_of(ct, box.slices_zyx), box.geometry(self.geometry))
        return label_statistics(written.mask == reply.labels[label], crop)
