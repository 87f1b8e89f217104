"""Bring a downloaded dataset into the one form that everything here reads, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from PancreasSegLib._version import __version__
from PancreasSegLib.data.adapters.source_case import SourceCase
from PancreasSegLib.data.adapters.survey import LeftOut, Survey
from PancreasSegLib.data.case_files import remove_stale, renamed, staged
from PancreasSegLib.data.case_quality import CaseQuality
from PancreasSegLib.data.case_work import Failure, work_on
from PancreasSegLib.data.composed_case import compose
from PancreasSegLib.data.dataset import QUALITY_FOLDER, case_stem, labels_of
from PancreasSegLib.data.folder_lock import folder_lock
from PancreasSegLib.data.index import inside, new_index, read_index, write_index
from PancreasSegLib.data.inspection import divide
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.measured_cases import files_fingerprint, measure_and_keep
from PancreasSegLib.data.prepared_files import write_prepared
from PancreasSegLib.data.provenance import ACCEPTED, CaseRecord, read_provenance, write_provenance
from PancreasSegLib.data.training_folder import check_folder
from PancreasSegLib.errors import DatasetError, OutputError
from PancreasSegLib.progress import CancelToken, ProgressCallback


@dataclass(frozen=True)
class Preparation:
    """What a preparation did.

    Attributes
    ----------
    folder : Path
    written, kept : tuple of str
        Cases that were written now, and those that were there.
    left_out, failed : tuple of LeftOut
        Cases that are not there, not wanted or empty; cases that could not be read.
    """

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    failed: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _Written:
    """A case in its hidden folder."""

    staging: Path
    files: dict[str, dict[str, str]]
    quality: CaseQuality


@dataclass(frozen=True)
class _Prepare:
    """Read, merge, measure and write one case; run in any process."""

    target: Path
    staging: Path
    selection: LabelSelection
    values: Mapping[str, int]
    keep_empty: bool
    assume_ct: bool

    def __call__(self, case: SourceCase) -> _Written | LeftOut:
        composed = compose(case, self.selection, self.values, assume_ct=self.assume_ct)
        if not composed.mask.any() and not self.keep_empty:
            return LeftOut(case.name, "empty", f"It holds no voxel of {', '.join(composed.values)}.")
        staging = self.staging / case.name
        try:
            staging.mkdir()
        except OSError as error:
            raise OutputError(
                f"{self.target} cannot be written: {error.strerror or error}.", "Free some space."
            ) from error
        files = write_prepared(staging, case.name, composed, case.image)
        report = self.target / QUALITY_FOLDER
        quality = measure_and_keep(report, case.name, case.patient, composed, files["label"]["sha256"])
        return _Written(staging, files, quality)


def prepare_dataset(
    found: Survey,
    target: Path,
    selection: LabelSelection,
    *,
    keep_empty: bool = False,
    assume_ct: bool = False,
    workers: int = 1,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Preparation:
    """Write the cases of a dataset into a folder with ``dataset.json`` and ``provenance.json``.

    Each case is whole or not there; a second call goes on where the first one ended, and does again what has
    changed at the source or is asked for with other labels. Several datasets may go into one folder, if their
    labels agree.

    Parameters
    ----------
    found : Survey
        Of the source.
    target : Path
        New or empty, or a folder that was prepared with the same labels.
    selection : LabelSelection
    keep_empty : bool
        Whether cases without a voxel of any label are kept.
    assume_ct : bool
        Take the voxels as HU even if they do not look like it.
    workers : int
        Processes; each holds one case in memory.
    progress, cancel : optional

    Returns
    -------
    Preparation

    Raises
    ------
    DatasetError
        If a label is not known, or the folder holds something else.
    OutputError
        If the folder cannot be written; the cases so far are whole.
    CancelledError
        When cancelled; likewise.
    """
    selection.check(found.structures, found.title)
    _refuse_source(target, found)
    check_folder(target, selection.values)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be made: {error.strerror or error}.", "Choose another folder."
        ) from error
    with folder_lock(target, patience_s=3.0), staged(target) as staging:
        folder = _PreparedFolder(target, found, selection)
        todo, kept, left_out = folder.todo()
        work = _Prepare(target, staging, selection, folder.values, keep_empty, assume_ct)
        written: list[str] = []
        failed: list[LeftOut] = []
        for case, result in work_on(
            todo, work, stage="prepare", workers=workers, progress=progress, cancel=cancel
        ):
            if isinstance(result, Failure):
                failed.append(LeftOut(case.name, result.code, result.sentence))
            elif isinstance(result, LeftOut):
                left_out.append(result)
            else:
                folder.take(case, result)
                written.append(case.name)
    return Preparation(target, tuple(sorted(written)), tuple(kept), (*found.left_out, *left_out), tuple(failed))


class _PreparedFolder:
    """The folder that is filled: its indexes, and which cases are there."""

    def __init__(self, target: Path, found: Survey, selection: LabelSelection) -> None:
        self._target, self._found, self._selection = target, found, selection
        self._records = read_provenance(target) or {}
        index = read_index(target)
        self._index = _described(new_index(selection.values) if index is None else index, found, index is None)
        there = labels_of(self._index["labels"])
        self.values = {name: there[name] for name in selection.values}
        if self._records:  # a run that was killed between the two indexes has left the second one behind
            write_index(target, self._index, self._records)

    def todo(self) -> tuple[list[SourceCase], list[str], list[LeftOut]]:
        """Return the cases to write, the names of those that are there, and those that were not read."""
        read, unread = divide(self._found.cases, self._selection)
        listed = {case_stem(entry["image"]) for entry in self._index.get("training", [])} - self._records.keys()
        todo, kept = [], []
        for case in read:
            record = self._records.get(case.name)
            origin = "" if record is None else record.source.get("dataset", "")
            if case.name in listed or (record is not None and origin != self._found.title):
                whose = f" ({origin})" if origin else ""
                raise DatasetError(
                    f"{self._target} holds a case {case.name} of another dataset{whose}.",
                    "Prepare this dataset into a folder of its own.",
                )
            if record is not None and self._is_done(record, case):
                kept.append(case.name)
            else:
                todo.append(case)
        return todo, kept, unread

    def _is_done(self, record: CaseRecord, case: SourceCase) -> bool:
        there = all(inside(self._target, file["path"]).is_file() for file in record.files.values())
        return there and record.source.get("fingerprint") == self._fingerprint(case)

    def _fingerprint(self, case: SourceCase) -> str:
        return files_fingerprint(case.files, repr(self._selection.sources), case.patient, case.settings)

    def take(self, case: SourceCase, written: _Written) -> None:
        """Move the files of a case to their places and list it; all of that or nothing."""
        former = self._records.get(case.name)
        record = _record(case, written, self._found, self._fingerprint(case))
        after = {**self._records, case.name: record}
        with renamed(written.staging, self._target, written.files):
            write_provenance(self._target, after)
            write_index(self._target, self._index, after)
        for backup in written.staging.iterdir():
            backup.unlink()
        if former is not None:
            remove_stale(self._target, former, record)
        self._records = after


def _refuse_source(target: Path, found: Survey) -> None:
    """Refuse to write over what is read."""
    place = target.resolve()
    for case in found.cases:
        if any(file.resolve().is_relative_to(place) for file in case.files[:2]):
            raise DatasetError(
                f"{target} holds the dataset that is to be read, which would be written over.",
                "Name another folder.",
            )


def _described(index: dict[str, Any], found: Survey, is_new: bool) -> dict[str, Any]:
    """Return the description with the names and terms of all datasets that went in."""

    def joined(old: str, new: str) -> str:
        parts = [] if is_new else [part for part in old.split("; ") if part]
        return "; ".join(dict.fromkeys([*parts, new] if new else parts))

    said = {"name": found.title, "reference": found.reference, "licence": found.licence}
    merged = {key: joined(str(index.get(key, "")), text) for key, text in said.items()}
    return {
        **index,
        **merged,
        "description": "Prepared by PancreasSeg; provenance.json says where each case is from",
    }


def _record(case: SourceCase, written: _Written, found: Survey, fingerprint: str) -> CaseRecord:
    quality = written.quality
    source = {
        "kind": "dataset",
        "dataset": found.title,
        "reference": found.reference,
        "patient": case.patient,
        "fingerprint": fingerprint,
        **quality.facts,
    }
    return CaseRecord(
        state=ACCEPTED,
        labels_present=tuple(quality.labels),
        source={key: text for key, text in source.items() if text},
        content_sha256=quality.content_sha256,
        files=written.files,
        volume_ml={name: label.volume_ml for name, label in quality.labels.items()},
        licence=found.licence,
        saved=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        software=f"PancreasSeg {__version__}",
    )
