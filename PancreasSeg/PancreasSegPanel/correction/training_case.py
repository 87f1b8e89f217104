"""A segment of the scene as a training case: what is taken from the nodes, and the writing in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from PancreasSegLib.data import ACCEPTED, REJECTED, SavedCase, TrainingCase, save_training_case
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.volume import Geometry, Volume
from PancreasSegPanel.scene.ct_node import geometry_of, voxels_of
from PancreasSegPanel.scene.measurement import find_measurement
from PancreasSegPanel.scene.pancreas_segment import find_own_segment, label_of
from PancreasSegPanel.scene.segment_on_ct import read_segment
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegPanel.correction.session import CorrectionSession
    from PancreasSegPanel.correction.sessions import OpenCorrections
    from PancreasSegPanel.work.background import BackgroundJob
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

_ = translator(__name__)

ORGAN = "pancreas"
SNOMED_PANCREAS = "SCT^15776009^"
INSTANCES = "DICOM.instanceUIDs"
DICOM = "DICOM"


def training_case_of(
    corrections: OpenCorrections,
    segmentation: Any,
    segment_id: str | None = None,
    ct: Any | None = None,
    *,
    reader: str = "",
    accepted: bool = True,
) -> TrainingCase:
    """Take a case from the scene: copies, so that it can be written while the user works on.

    No name of a node goes into it; the series and study identifiers are hashed when it is saved.

    Parameters
    ----------
    corrections : OpenCorrections
        Has the correction of the segment, and so the marks.
    segmentation : vtkMRMLSegmentationNode
        Where the segment is.
    segment_id : str, optional
        The segment; the pancreas that PancreasSeg made by default.
    ct : vtkMRMLScalarVolumeNode, optional
        The CT; by default the one whose grid the segmentation has.
    reader : str
        Who read it.
    accepted : bool
        Whether it may be learnt from.

    Raises
    ------
    PancreasSegError
        If there is no such segment or CT, or a correction is under way.
    """
    ct = ct or segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
    if ct is None or not ct.IsA("vtkMRMLScalarVolumeNode"):
        raise PancreasSegError(
            _("It is not known on which CT {name} lies.").format(name=segmentation.GetName()), _("Choose the CT.")
        )
    segment_id = segment_id or find_own_segment(segmentation, ORGAN)
    segment = segmentation.GetSegmentation().GetSegment(segment_id) if segment_id else None
    if segment is None or segment_id is None:
        raise PancreasSegError(_("There is no segment to save."), _("Segment first, or choose one under Correct."))
    _check_organ(segment, segment_id)
    session = corrections.correct(slicer.mrmlScene, segmentation, segment_id, ct)
    _check_settled(session)
    geometry = geometry_of(ct)
    found = read_segment(segmentation, segment_id, geometry)
    mask = np.zeros(geometry.shape_zyx, np.uint8)
    if found.box is not None:
        mask[found.box.slices_zyx] = found.mask
    model, version = _began_from(segmentation, segment)
    series, study, is_dicom = _dicom_identifiers(ct)
    return TrainingCase(
        ct=Volume(voxels_of(ct).copy(), geometry),
        mask=mask,
        labels={ORGAN: 1},
        marks=_marks(session, geometry),
        state=ACCEPTED if accepted else REJECTED,
        reader=reader,
        model=model,
        model_version=version,
        kind="dicom" if is_dicom else "scene",
        series_uid=series,
        study_uid=study,
    )


def save_in_background(
    jobs: WorkerJobs,
    case: TrainingCase,
    folder: Path,
    on_done: Callable[[BackgroundJob], None] | None = None,
    *,
    overwrite: bool = False,
) -> BackgroundJob:
    """Write a case; returns at once, the job's result is a `SavedCase`. A closed scene does not stop it.

    Its error is a `CaseExistsError` where the CT is in the folder already and `overwrite` is off.
    """

    def write() -> SavedCase:
        return save_training_case(folder, case, overwrite=overwrite)

    return jobs.do(write, on_done, keep=True)


def fine_tuning_command(folder: Path, model: str = "") -> str:
    """Return what a person types to let a model learn from a folder.

    Examples
    --------
    >>> fine_tuning_command(Path("cases"))
    'pancreasseg train --finetune default "cases"'
    """
    return f'pancreasseg train --finetune {model or "default"} "{folder}"'


def _check_organ(segment: Any, segment_id: str) -> None:
    """Refuse a segment that says it is something else: every case in the folder is read for the pancreas."""
    own = label_of(segment)
    entry = vtk.mutable("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), entry)
    name = segment.GetName() or segment_id
    named = any(word in name.lower() for word in ("pancrea", "pankrea", "páncreas", "pâncreas"))
    if own != ORGAN and (own or not (named or SNOMED_PANCREAS in str(entry))):
        raise PancreasSegError(
            _("The segment {name} is not said to be the pancreas, and only that is kept here.").format(name=name),
            _("Choose another segment under Correct, or name it Pancreas if that is what it outlines."),
        )


def _check_settled(session: CorrectionSession) -> None:
    """Refuse what is neither the mask of before nor that of after."""
    if session.has_preview:
        raise PancreasSegError(_("A correction is shown as a preview."), _("Accept or reject it, then save."))
    if session.busy or session.queued:
        raise PancreasSegError(_("A correction is under way or waits for Update."), _("Let it end, then save."))


def _marks(session: CorrectionSession, geometry: Geometry) -> NDArray[np.uint8] | None:
    """Return what the reader marked on the CT's grid, None without marks."""
    part = session.marks_volume()
    if part is None:
        return None
    first = np.round(geometry.lps_to_index(part.geometry.origin_lps)).astype(int)
    whole = np.zeros(geometry.shape_zyx, np.uint8)
    z, y, x = (slice(int(a), int(a) + n) for a, n in zip(first[::-1], part.voxels.shape, strict=True))
    whole[z, y, x] = part.voxels
    return whole


def _began_from(segmentation: Any, segment: Any) -> tuple[str, str]:
    """Return name and version of the model that made the segment, empty for one that it did not make."""
    measured = find_measurement(segmentation) if label_of(segment) else None
    name, _space, version = (measured.model if measured is not None else "").rpartition(" ")
    return (name, version) if name else (version, "")


def _dicom_identifiers(ct: Any) -> tuple[str, str, bool]:
    """Return the DICOM series and study identifiers that the subject hierarchy has of a CT, and if it is DICOM."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(ct) if hierarchy is not None else 0
    series = hierarchy.GetItemUID(item, DICOM) if item else ""
    study = hierarchy.GetItemUID(hierarchy.GetItemParent(item), DICOM) if item else ""
    return series or "", study or "", bool(series or ct.GetAttribute(INSTANCES))
