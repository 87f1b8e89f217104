"""The batch over all CTs of the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PancreasSegPanel.logic import PanelLogic
from PancreasSegPanel.scene.confidence_map import may_be_ct
from PancreasSegPanel.scene.ct_node import check_node
from PancreasSegPanel.scene.measurement import Measurement, find_measurement
from PancreasSegPanel.scene.pancreas_segment import find_own_segment
from PancreasSegPanel.work.segmentation_run import Job, Run

if TYPE_CHECKING:
    from PancreasSegPanel.batch.batch import OnTaskDone


def loaded_cts(scene: Any) -> list[Any]:
    """Return the volumes of the scene that look like CTs."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = (scene.GetNthNodeByClass(number, "vtkMRMLScalarVolumeNode") for number in range(count))
    return [node for node in nodes if may_be_ct(node) and check_node(node).usable]


def segmentation_of(scene: Any, ct: Any) -> Any | None:
    """Return the segmentation that has PancreasSeg's segment of a CT, None without one."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    for number in range(count):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        reference = node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole())
        if reference == ct.GetID() and find_own_segment(node, "pancreas") is not None:
            return node
    return None


class LoadedTask:
    """One CT of the scene.

    Parameters
    ----------
    logic : PanelLogic
        Runs it.
    scene : vtkMRMLScene
        Where its result is looked for.
    job : Job
        What is the same for all; `ct` is this one.
    """

    def __init__(self, logic: PanelLogic, scene: Any, job: Job) -> None:
        self._logic, self._scene, self._job = logic, scene, job
        self._run: Run | None = None
        self.name = str(job.ct.GetName())

    def finished_before(self) -> bool:
        """Whether the CT has a segment of ours."""
        return segmentation_of(self._scene, self._job.ct) is not None

    def measured_before(self) -> Measurement | None:
        """Return what its segmentation carries."""
        return find_measurement(segmentation_of(self._scene, self._job.ct))

    def start(self, on_progress: Callable[[float], None], on_done: OnTaskDone) -> None:
        """Segment it into a new segmentation."""
        self._run = self._logic.start(
            replace(self._job, output=None, region=None),
            lambda run: on_done(run.measurement, run.error),
            lambda event: on_progress(event.fraction),
        )

    def cancel(self) -> None:
        """Stop at once."""
        if self._run is not None:
            self._logic.cancel(self._run)
