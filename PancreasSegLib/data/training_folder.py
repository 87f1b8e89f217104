"""Save corrected cases into a dataset folder, so that neither a crash nor a second writer leaves half a case.

The files of a case are written to a hidden folder first and renamed; then ``provenance.json`` is exchanged, and
``dataset.json`` last. Its list is made from provenance each time, so a crash between the two mends itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from PancreasSegLib._version import __version__
from PancreasSegLib.data.case_files import (
    IMAGES,
    LABELS,
    MARKS,
    REJECTED_FOLDER,
    remove_stale,
    renamed,
    staged,
    write_files,
)
from PancreasSegLib.data.dataset import DATASET_FILE, QUALITY_FOLDER, labels_of
from PancreasSegLib.data.folder_lock import LOCK_FILE, folder_lock
from PancreasSegLib.data.index import new_index, read_index, write_index
from PancreasSegLib.data.provenance import (
    PROVENANCE_FILE,
    CaseRecord,
    read_provenance,
    write_provenance,
)
from PancreasSegLib.data.splits import SPLITS_FILE
from PancreasSegLib.data.training_case import TrainingCase, case_name, content_sha256, identifier_sha256
from PancreasSegLib.errors import CaseExistsError, DatasetError, OutputError
from PancreasSegLib.storage.temporary_folder import HIDDEN

_OWN_NAMES = {IMAGES, LABELS, MARKS, REJECTED_FOLDER, LOCK_FILE, PROVENANCE_FILE, QUALITY_FOLDER, SPLITS_FILE}
_IGNORED = {".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class SavedCase:
    """What a save did.

    Attributes
    ----------
    name : str
        The case.
    folder : Path
        The dataset's folder.
    record : CaseRecord
        As it stands in ``provenance.json``.
    replaced : bool
        Whether it took the place of an earlier save.
    accepted, rejected : int
        Cases in the folder now; `accepted` is what training sees.
    """

    name: str
    folder: Path
    record: CaseRecord
    replaced: bool
    accepted: int
    rejected: int


def save_training_case(folder: str | Path, case: TrainingCase, *, overwrite: bool = False) -> SavedCase:
    """Save a case into a dataset folder, which is made if it is not there.

    Parameters
    ----------
    folder : str or Path
        New or empty, or one that holds cases with the same labels.
    case : TrainingCase
        What to save.
    overwrite : bool
        Whether an earlier save of the same CT is replaced.

    Returns
    -------
    SavedCase

    Raises
    ------
    CaseExistsError
        If this CT was saved there before and `overwrite` is off.
    DatasetError
        If the folder holds something else, or the case does not hold together.
    OutputError
        If the folder cannot be written; nothing of the case is in it then.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from PancreasSegLib.volume import Geometry, Volume
    >>> grid = Geometry((16, 12, 10), (0.8, 0.8, 2.5))
    >>> mask = np.zeros(grid.shape_zyx, np.uint8)
    >>> mask[4:6, 3:8, 5:11] = 1
    >>> ct = Volume(np.full(grid.shape_zyx, 40, np.int16), grid)
    >>> saved = save_training_case(Path(tempfile.mkdtemp()) / "cases", TrainingCase(ct, mask, reader="AB"))
    >>> saved.accepted, saved.record.labels_present
    (1, ('pancreas',))
    """
    target = Path(folder).expanduser()
    case = case.checked()
    check_folder(target, case.labels)
    content = content_sha256(case.ct)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {target} cannot be made: {error.strerror or error}.", "Choose another folder."
        ) from error
    with folder_lock(target):
        index, records = _opened(target, case)
        name, former = _place(records, content)
        if former is not None and not overwrite:
            raise CaseExistsError(
                f"This CT was saved in {target} before ({name}, {former.state}, {former.saved[:10]}"
                f"{', by ' + former.reader if former.reader else ''}).",
                "Replace it, or keep it as it is.",
            )
        values = labels_of(index["labels"])
        with staged(target) as staging:
            files = write_files(staging, target, name, case, values, former)
            record = replace(_record(case, content), files=files)
            after = {**records, name: record}
            with renamed(staging, target, files):
                _write_indexes(target, index, records, after)
        if former is not None:
            remove_stale(target, former, record)
    accepted = sum(entry.accepted for entry in after.values())
    return SavedCase(name, target, record, former is not None, accepted, len(after) - accepted)


def count_cases(folder: str | Path) -> tuple[int, int]:
    """Return how many accepted and rejected cases of ours a folder holds; (0, 0) where there are none.

    Raises
    ------
    DatasetError
        If its ``provenance.json`` is damaged.
    """
    records = read_provenance(Path(folder).expanduser()) or {}
    accepted = sum(record.accepted for record in records.values())
    return accepted, len(records) - accepted


def check_folder(folder: str | Path, labels: Mapping[str, int] | None = None) -> None:
    """Refuse a folder in which cases with these labels cannot be kept, before anything is written.

    Parameters
    ----------
    folder : str or Path
        May be missing.
    labels : mapping of str to int, optional
        ``{"pancreas": 1}`` by default.

    Raises
    ------
    DatasetError
        If it holds another kind of dataset, or something that is none.
    """
    target = Path(folder).expanduser()
    wanted = set(labels or {"pancreas": 1})
    if not target.exists():
        return
    if not target.is_dir():
        raise DatasetError(f"{target} is a file.", "Choose a folder.")
    index = read_index(target)
    if index is None:
        others = [
            entry.name
            for entry in target.iterdir()
            if entry.name not in _OWN_NAMES | _IGNORED and not entry.name.startswith(HIDDEN)
        ]
        if others:
            raise DatasetError(
                f"{target} is not empty and holds no {DATASET_FILE} (there is {min(others)!r}, for instance).",
                "Choose a new or empty folder, or one that holds training cases.",
            )
        return
    have = set(labels_of(index["labels"])) - {"background"}
    ours = (target / PROVENANCE_FILE).is_file()
    if not (wanted <= have if ours else wanted == have):
        raise DatasetError(
            f"{target} holds another kind of dataset: its labels are {', '.join(sorted(have))}, "
            f"the case's {', '.join(sorted(wanted))}.",
            "Choose another folder for these cases.",
        )


def _opened(target: Path, case: TrainingCase) -> tuple[dict[str, Any], dict[str, CaseRecord]]:
    """Return the folder's description and records, new ones where there are none."""
    check_folder(target, case.labels)
    index = read_index(target)
    return (new_index(case.labels) if index is None else index), read_provenance(target) or {}


def _write_indexes(
    target: Path, index: dict[str, Any], before: Mapping[str, CaseRecord], after: Mapping[str, CaseRecord]
) -> None:
    """Write provenance, then the list that is made from it; take the first back if the second fails."""
    write_provenance(target, after)
    try:
        write_index(target, index, after)
    except BaseException:
        with contextlib.suppress(OutputError):
            write_provenance(target, before)
        raise


def _place(records: Mapping[str, CaseRecord], content: str) -> tuple[str, CaseRecord | None]:
    """Return the name of a CT in the folder, and its earlier record."""
    for name, record in records.items():
        if record.content_sha256 == content:
            return name, record
    return case_name(content), None


def _record(case: TrainingCase, content: str) -> CaseRecord:
    source = {
        "kind": case.kind,
        "series_sha256": identifier_sha256(case.series_uid),
        "study_sha256": identifier_sha256(case.study_uid),
        "patient": case.patient.strip(),
    }
    marks: dict[str, int] = {}
    if case.marks is not None:
        marks = {"include": int((case.marks == 1).sum()), "exclude": int((case.marks == 2).sum())}
    ml = case.ct.geometry.voxel_volume_ml
    return CaseRecord(
        state=case.state,
        reader=" ".join(case.reader.split()),
        labels_present=tuple(case.labels),
        source={key: text for key, text in source.items() if text},
        content_sha256=content,
        marks=marks,
        model={"name": case.model, "version": case.model_version} if case.model else {},
        volume_ml={name: round(int((case.mask == v).sum()) * ml, 3) for name, v in case.labels.items()},
        licence=case.licence.strip(),
        saved=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        software=f"PancreasSeg {__version__}",
    )
