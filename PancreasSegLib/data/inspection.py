"""Look at every case of a dataset, as it was downloaded or as it was prepared, and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from PancreasSegLib.data.adapters.source_case import SourceCase
from PancreasSegLib.data.adapters.survey import LeftOut, Survey
from PancreasSegLib.data.case_quality import CaseQuality
from PancreasSegLib.data.case_work import Failure, work_on
from PancreasSegLib.data.composed_case import ComposedCase, compose
from PancreasSegLib.data.dataset import DATASET_FILE, QUALITY_FOLDER, Case, read_dataset
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.measured_cases import files_fingerprint, measure_and_keep, measured, pictures_of
from PancreasSegLib.data.provenance import read_provenance
from PancreasSegLib.data.quality_cohort import Overlap, overlaps
from PancreasSegLib.data.quality_files import QUALITY_FILE, read_qualities, write_quality
from PancreasSegLib.data.quality_measures import measure_case
from PancreasSegLib.data.quality_report import QualityReport
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io import read_volume
from PancreasSegLib.progress import CancelToken, ProgressCallback


@dataclass(frozen=True)
class Inspect:
    """Measure one case, unless it was measured before.

    Attributes
    ----------
    folder : Path
        Of the report.
    selection : LabelSelection
    assume_ct : bool
    label_hashes : mapping of str to str
        Of a prepared dataset, whose cases were measured while they were written: SHA-256 of the label files.
    """

    folder: Path
    selection: LabelSelection
    assume_ct: bool = False
    label_hashes: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, case: SourceCase) -> CaseQuality:
        """Return the measurement."""
        key = self.label_hashes.get(case.name)
        if key is None:
            key = files_fingerprint(case.files, repr(self.selection.sources), case.patient, case.settings)
        known = measured(self.folder, case.name, key)
        if known is not None:
            return known
        composed = compose(case, self.selection, self.selection.values, assume_ct=self.assume_ct)
        return measure_and_keep(self.folder, case.name, case.patient, composed, key)


def inspect_dataset(
    found: Survey,
    folder: Path,
    *,
    selection: LabelSelection | None = None,
    against: Sequence[Path] = (),
    left_out: Iterable[LeftOut] = (),
    failed: Iterable[LeftOut] = (),
    assume_ct: bool = False,
    label_hashes: Mapping[str, str] | None = None,
    workers: int = 1,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> QualityReport:
    """Measure every case and write the quality report; cases that were measured before are not read again.

    Parameters
    ----------
    found : Survey
    folder : Path
        Where ``report.html``, ``quality.json``, ``cases.csv`` and the measurements go.
    selection : LabelSelection, optional
        All labels, each by itself, if omitted.
    against : sequence of Path
        Datasets (or their ``quality.json``) in which the same scans are looked for.
    left_out, failed : iterable of LeftOut
        Further cases to report.
    assume_ct : bool
    label_hashes : mapping of str to str, optional
        See `Inspect`.
    workers : int
    progress, cancel : optional

    Returns
    -------
    QualityReport

    Raises
    ------
    DatasetError
        If a label is not known, or a dataset to compare with is none.
    OutputError
        If the report cannot be written.
    CancelledError
        When cancelled; what was measured is kept for the next time.
    """
    selection = selection or LabelSelection.all_of(found.structures)
    selection.check(found.structures, found.title)
    wanted, unread = divide(found.cases, selection)
    others = {str(path): _scans_of(path) for path in against}
    qualities, broken = [], list(failed)
    work = Inspect(folder, selection, assume_ct, label_hashes or {})
    for case, result in work_on(wanted, work, stage="inspect", workers=workers, progress=progress, cancel=cancel):
        if isinstance(result, Failure):
            broken.append(LeftOut(case.name, result.code, result.sentence))
        else:
            qualities.append(result)
    qualities.sort(key=lambda quality: quality.name)
    twice: list[Overlap] = []
    for name, scans in others.items():
        twice += overlaps(qualities, scans, Path(name).name)
    report = QualityReport(
        found.title,
        found.licence,
        found.reference,
        found.kin,
        tuple(selection.sources),
        tuple(qualities),
        (*found.left_out, *unread, *left_out),
        tuple(sorted(broken, key=lambda case: case.name)),
        tuple(twice),
        tuple(others),
    )
    write_quality(folder, report, pictures_of(folder, [quality.name for quality in qualities]))
    return report


def divide(cases: Sequence[SourceCase], selection: LabelSelection) -> tuple[list[SourceCase], list[LeftOut]]:
    """Return the cases that were read for one of the labels at least, and the others."""
    read = [case for case in cases if selection.of_case(case.structures)]
    names = {case.name for case in read}
    wanted = ", ".join(selection.sources)
    unread = [
        LeftOut(case.name, "not-read", f"It was not read for {wanted}.")
        for case in cases
        if case.name not in names
    ]
    return read, unread


def _scans_of(path: Path) -> list[CaseQuality]:
    """Return what is known of another dataset's scans; they are read where nobody has inspected it."""
    path = path.expanduser()
    for file in (path, path / QUALITY_FILE, path / QUALITY_FOLDER / QUALITY_FILE):
        if file.is_file():
            return read_qualities(file)
    if not (path / DATASET_FILE).is_file():
        raise DatasetError(
            f"{path} is neither a dataset folder nor a quality report.",
            "Inspect or prepare it first, and give the folder of the report.",
        )
    return [_scan_of(case) for case in read_dataset(path).cases]


def _scan_of(case: Case) -> CaseQuality:
    ct = read_volume(case.image, assume_ct=True)
    composed = ComposedCase(ct, np.zeros(ct.geometry.shape_zyx, np.uint8), {}, (), {})
    return measure_case(case.name, case.patient, composed)


def report_prepared(
    target: Path,
    *,
    kin: str = "",
    against: Sequence[Path] = (),
    left_out: Iterable[LeftOut] = (),
    failed: Iterable[LeftOut] = (),
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> QualityReport:
    """Write the quality report of a prepared dataset into its folder ``quality``.

    What was measured while the cases were written is not measured again.

    Parameters
    ----------
    target : Path
    kin : str
        Which other datasets hold the same patients.
    against, left_out, failed, progress, cancel
        See `inspect_dataset`.

    Raises
    ------
    DatasetError
        If it is no dataset, or holds no case.
    OutputError
        If the report cannot be written.
    """
    from PancreasSegLib.data.adapters import survey

    records = read_provenance(target) or {}
    return inspect_dataset(
        replace(survey("msd", target), kin=kin),
        target / QUALITY_FOLDER,
        against=against,
        left_out=left_out,
        failed=failed,
        assume_ct=True,
        label_hashes={name: record.files["label"]["sha256"] for name, record in records.items()},
        progress=progress,
        cancel=cancel,
    )
