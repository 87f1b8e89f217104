"""The batch over a folder: read, segment and write beside the scene, which stays as it is."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.errors import CancelledError, NoPancreasError, UnreadableFileError
from PancreasSegLib.worker import Scan
from PancreasSegPanel.scene.measurement import Measurement, as_csv
from PancreasSegPanel.translation import translator

if TYPE_CHECKING:
    from PancreasSegLib.worker import Request, SegmentReply
    from PancreasSegPanel.batch.batch import OnTaskDone
    from PancreasSegPanel.work.background import BackgroundJob
    from PancreasSegPanel.work.worker_jobs import WorkerJobs

_ = translator(__name__)

OUTPUT_FOLDER = "pancreasseg"
SUMMARY = "summary.csv"
_ENDING = "_pancreas.seg.nrrd"


def plan_folder(folder: Path) -> list[tuple[str, Path, Path]]:
    """Return name, scan and mask of every CT under a folder; to be called in the background.

    Raises
    ------
    UnreadableFileError
        If the folder cannot be read or holds no scan.
    """
    from PancreasSegLib.io import find_scans
    from PancreasSegLib.io.formats import extension_of

    results = folder / OUTPUT_FOLDER
    scans = [scan for scan in find_scans(folder) if results not in scan.parents]
    if not scans:
        raise UnreadableFileError(
            _("{folder} holds no scan.").format(folder=folder),
            _("Choose a folder with NIfTI, NRRD or DICOM files."),
        )
    stems = []
    for scan in scans:
        ending = "" if scan.is_dir() else extension_of(scan)
        stems.append((scan.parent, scan.name[: len(scan.name) - len(ending)] or scan.name))
    plan = []
    for scan, (place, stem) in zip(scans, stems, strict=True):
        twin = stems.count((place, stem)) > 1  # a.nii.gz beside a.nrrd keep their extensions
        inside = results / place.relative_to(folder) if scan != folder else results
        name = scan.relative_to(folder).as_posix() if scan != folder else folder.name
        plan.append((name, scan, inside / f"{scan.name if twin else stem}{_ENDING}"))
    return plan


class FolderTask:
    """One scan of a folder.

    Parameters
    ----------
    jobs : WorkerJobs
        Asks the worker and the other thread.
    name : str
        The scan's path inside the folder.
    scan, mask, summary : Path
        What is read; what is written, with a line in the summary.
    model, device : str
        As the worker takes them.
    """

    def __init__(
        self, jobs: WorkerJobs, name: str, scan: Path, mask: Path, summary: Path, model: str, device: str
    ) -> None:
        self._jobs, self.name, self._path, self._mask = jobs, name, scan, mask
        self._summary, self._model, self._device = summary, model, device
        self._request: Request | None = None
        self._on_done: OnTaskDone | None = None
        self._noted: list[str] = []  # what the reader repaired or chose, such as one of several series

    def finished_before(self) -> bool:
        """Whether the mask is there: it is written under another name first, so it is whole."""
        return self._mask.is_file()

    def measured_before(self) -> Measurement | None:
        """Say nothing: the figures of earlier runs are in the summary."""
        return None

    def start(self, on_progress: Callable[[float], None], on_done: OnTaskDone) -> None:
        """Read the scan in the background, then segment it."""
        self._on_done = on_done
        self._jobs.do(self._read, lambda job: self._segment(job, on_progress))

    def cancel(self) -> None:
        """Stop at once; what is being read or written ends unheard, and a half-written mask is not kept."""
        if self._request is not None:
            self._jobs.cancel(self._request)
        self._answer(None, CancelledError())

    def _answer(self, measured: Measurement | None, error: Any) -> None:
        told, self._on_done = self._on_done, None
        if told is not None:
            told(measured, error)

    def _read(self) -> Any:
        from PancreasSegLib.io import read_volume

        return read_volume(self._path)

    def _segment(self, job: BackgroundJob, on_progress: Callable[[float], None]) -> None:
        if self._on_done is None:
            return
        if job.error is not None:
            self._answer(None, job.error)
            return
        ct = job.result
        self._noted = [warning["sentence"] for warning in ct.source.get("warnings", [])]
        key = f"file {self._path} {id(ct)}"
        self._request = self._jobs.segment(
            Scan(ct.voxels, ct.geometry, key),
            self._model,
            self._device,
            "auto",
            lambda request: self._segmented(request, key),
            lambda event: on_progress(event.fraction),
            probability=False,
        )

    def _segmented(self, request: Request, key: str) -> None:
        self._jobs.client.release(key)
        if self._on_done is None:
            return
        if request.error is not None:
            self._answer(None, request.error)
            return
        reply = request.result
        self._jobs.do(lambda: self._write(reply), lambda job: self._answer(job.result, job.error))

    def _write(self, reply: SegmentReply) -> Measurement:
        from PancreasSegLib.io import write_mask

        if reply.box_ijk is None:
            raise NoPancreasError(next((w.sentence for w in reply.warnings), _("No pancreas was found.")))
        whole = np.zeros(reply.geometry.shape_zyx, np.uint8)
        whole[reply.box_ijk.slices_zyx] = reply.mask
        self._mask.parent.mkdir(parents=True, exist_ok=True)
        write_mask(self._mask, whole, reply.geometry, labels=dict(reply.labels))
        measured = _measured(self.name, reply, self._model, self._device)
        measured = replace(measured, notes=[*self._noted, *measured.notes])
        add_to_summary(self._summary, measured)
        return measured


def _measured(name: str, reply: SegmentReply, model: str, device: str) -> Measurement:
    label = "pancreas" if "pancreas" in reply.labels else next(iter(reply.labels))
    figures = reply.statistics.get(label, {})
    return Measurement(
        ct=name,
        label=label,
        volume_ml=float(figures.get("volume_ml") or 0.0),
        mean_hu=figures.get("mean_hu"),
        sd_hu=figures.get("sd_hu"),
        extent_mm=tuple(figures["extent_mm"]) if figures.get("extent_mm") else None,
        centre_lps=tuple(figures["centre_lps"]) if figures.get("centre_lps") else None,
        confidence=figures.get("confidence"),
        seconds=sum(reply.timings.values()),
        model=str(reply.provenance.get("model", {}).get("name", model)),
        device=str(reply.provenance.get("device", device)),
        notes=[warning.sentence for warning in reply.warnings],
    )


def add_to_summary(path: Path, measured: Measurement) -> None:
    """Add or replace a scan's line; the file is replaced as a whole."""
    from PancreasSegLib.io.atomic import atomic_path

    header, line = csv.reader(io.StringIO(as_csv([measured])))
    rows: list[Sequence[str]] = []
    with contextlib.suppress(OSError, UnicodeDecodeError, csv.Error):
        rows = [row for row in csv.reader(io.StringIO(path.read_text("utf-8"))) if row and row != header]
    rows = [row for row in rows if row[0] != measured.ct]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows, line])
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
