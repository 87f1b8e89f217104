"""Readers' answers to the masks of a cohort: each in a folder of its own, which nobody writes again."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.outliers import Outlier, find_outliers
from PancreasSegLib.cohort.table import read_table, write_csv
from PancreasSegLib.cohort.task import DONE, PARTS_FILE, PROBABILITY_FILE, ROW_FILE, scan_folder
from PancreasSegLib.errors import CohortError
from PancreasSegLib.io import read_labels, write_mask
from PancreasSegLib.io.image_file import read_values
from PancreasSegLib.measure import MEASURES
from PancreasSegLib.storage.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from PancreasSegLib.volume import Volume

Row = dict[str, Any]

ACCEPTED, CORRECTED, FAILED = "accepted", "corrected", "failed"
ANSWERS = (ACCEPTED, CORRECTED, FAILED)
DOUBTFUL_DICE = 0.8
"""A mask whose expected Dice is below it is looked at."""
_ANSWER_FILE, _MASK_FILE = "answer.json", "mask.nii.gz"
_ORGAN = "pancreas"
_COLUMNS = ("scan", "model", "answer", "reader", "remark", "answered")


@dataclass(frozen=True)
class Answer:
    """What a reader said of a mask.

    Attributes
    ----------
    scan, model : str
        Whose mask; the model by the key of its results.
    answer : {"accepted", "corrected", "failed"}
    reader, remark : str
    answered : str
        When, UTC, ISO 8601.
    mask : Path or None
        The corrected mask.
    """

    scan: str
    model: str
    answer: str
    reader: str = ""
    remark: str = ""
    answered: str = ""
    mask: Path | None = None


@dataclass(frozen=True)
class Doubt:
    """A scan that a reader should look at.

    Attributes
    ----------
    row : dict
        Of the table of results.
    reasons : tuple of str
        Why.
    answers : tuple of Answer
        What was said of this model's mask, the latest last; nothing yet where it is empty.
    """

    row: Row
    reasons: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def scan(self) -> str:
        """Its id."""
        return str(self.row["scan"])


@dataclass(frozen=True, eq=False)
class OpenedScan:
    """A scan with what a model found on it.

    Attributes
    ----------
    ct : Volume
        HU.
    parts : ndarray of uint8, shape (z, y, x)
        Head 1, body 2, tail 3; all 0 where no pancreas was found.
    probability : Volume or None
        Of the pancreas, on a crop's grid.
    """

    ct: Volume
    parts: NDArray[np.uint8]
    probability: Volume | None


def doubts_of(cohort: Cohort, model: str) -> list[Doubt]:
    """Return what should be looked at: first what has more reasons, then what is less sure; last what has no mask.

    Parameters
    ----------
    cohort : Cohort
    model : str
        The key of the results that are reviewed.

    Raises
    ------
    CohortError
        If there are none of it, or its run was not finished.
    """
    place = cohort.results(model) / "table.parquet"
    if not place.is_file():
        raise CohortError("The run was not finished.", f"Go on: pancreasseg cohort run {cohort.path}.")
    rows = read_table(place)
    answers: dict[str, list[Answer]] = {}
    for answer in read_answers(cohort):
        if answer.model == model:
            answers.setdefault(answer.scan, []).append(answer)
    outliers: dict[str, list[Outlier]] = {}
    for outlier in find_outliers([row for row in rows if row["outcome"] == DONE]):
        outliers.setdefault(outlier.scan, []).append(outlier)
    reasons = {row["scan"]: _reasons(row, outliers.get(row["scan"], [])) for row in rows}
    found = [
        Doubt(row, reasons[row["scan"]], tuple(answers.get(row["scan"], ())))
        for row in rows
        if reasons[row["scan"]]
    ]
    return sorted(found, key=_urgency)


def open_scan(cohort: Cohort, model: str, scan: str) -> OpenedScan:
    """Read a scan with what a model found on it.

    Raises
    ------
    PancreasSegError
        If the scan cannot be read or is none of the cohort's.
    """
    from PancreasSegLib.cohort.scan_files import local_files, read_scan

    place = next((row for row in read_table(cohort.locations_file) if row["scan"] == scan), None)
    if place is None:
        raise CohortError(f"There is no scan {scan!r} in the cohort.", "Its ids are in index.parquet.")
    with local_files(place["urls"]) as files:
        ct = read_scan(place, files)
    folder = scan_folder(cohort.results(model), scan)
    has_parts, has_probability = (folder / PARTS_FILE).is_file(), (folder / PROBABILITY_FILE).is_file()
    parts = read_labels(folder / PARTS_FILE).voxels if has_parts else np.zeros(ct.geometry.shape_zyx, np.uint8)
    return OpenedScan(ct, parts, read_values(folder / PROBABILITY_FILE) if has_probability else None)


def give_answer(
    cohort: Cohort, answer: Answer, corrected: tuple[Volume, NDArray[np.bool_]] | None = None
) -> Answer:
    """Keep an answer; a correction becomes a training case too.

    Parameters
    ----------
    cohort : Cohort
    answer : Answer
        ``answered`` and ``mask`` are set here.
    corrected : tuple of Volume and ndarray of bool, shape (z, y, x), optional
        CT and mask, for a correction.

    Returns
    -------
    Answer
        As it was kept.

    Raises
    ------
    CohortError
        If the answer is none of `ANSWERS`, a correction has no mask, or the model has no such scan.
    """
    if answer.answer not in ANSWERS or (answer.answer == CORRECTED) != (corrected is not None):
        raise CohortError(
            f"{answer.answer!r} is no whole answer.", f"Say {', '.join(ANSWERS)}; a correction with its mask."
        )
    if not (scan_folder(cohort.results(answer.model), answer.scan) / ROW_FILE).is_file():
        raise CohortError(f"{answer.model} has no result for the scan {answer.scan!r}.", "Run it first.")
    answer = replace(answer, answered=datetime.now(timezone.utc).isoformat(timespec="microseconds"))
    target = _reviews(cohort) / answer.scan / f"{answer.answered[:26].replace(':', '')}-{secrets.token_hex(4)}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(_reviews(cohort)) as folder:
        if corrected is not None:
            ct, mask = corrected
            write_mask(folder / _MASK_FILE, mask.astype(np.uint8), ct.geometry, labels={_ORGAN: 1}, source=ct)
        said = {name: getattr(answer, name) for name in _COLUMNS}
        (folder / _ANSWER_FILE).write_text(json.dumps(said), encoding="utf-8")
        folder.rename(target)
    if corrected is not None:
        _learn_from(cohort, answer, *corrected)
        answer = replace(answer, mask=target / _MASK_FILE)
    return answer


def read_answers(cohort: Cohort) -> list[Answer]:
    """Return all answers, the earliest first."""
    found = []
    for path in _reviews(cohort).glob(f"*/*/{_ANSWER_FILE}"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            mask = path.with_name(_MASK_FILE)
            found.append(Answer(**json.loads(path.read_text("utf-8")), mask=mask if mask.is_file() else None))
    return sorted(found, key=lambda answer: answer.answered)


def write_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Write answers as CSV, a row each."""
    write_csv(path, [vars(answer) for answer in answers], _COLUMNS)


def _reviews(cohort: Cohort) -> Path:
    return cohort.path / "reviews"


def _reasons(row: Row, outliers: Sequence[Outlier]) -> tuple[str, ...]:
    if row["outcome"] != DONE:
        return (f"{row['outcome']}: {row['reason']}",)
    sure = row.get("confidence")
    reasons = [f"expected Dice {sure:.2f}"] if sure is not None and sure < DOUBTFUL_DICE else []
    return (*reasons, *(_far(found) for found in outliers))


def _far(found: Outlier) -> str:
    measure = MEASURES[found.measure]
    value = f"{found.value:.4g} {measure.unit}".strip()
    return f"{measure.heading.lower()} {value} (score {found.score:+.1f})"


def _urgency(doubt: Doubt) -> tuple[bool, int, float, str]:
    sure = doubt.row.get("confidence")
    return doubt.row["outcome"] != DONE, -len(doubt.reasons), 1.0 if sure is None else sure, doubt.scan


def _learn_from(cohort: Cohort, answer: Answer, ct: Volume, mask: NDArray[np.bool_]) -> None:
    from PancreasSegLib.cohort.index import read_index
    from PancreasSegLib.data import TrainingCase, save_training_case

    row = next(row for row in read_index(cohort) if row["scan"] == answer.scan)
    case = TrainingCase(
        ct, mask.astype(np.uint8), {_ORGAN: 1}, reader=answer.reader, model=answer.model, patient=row["patient"]
    )
    save_training_case(cohort.training_folder, case, overwrite=True)  # every reader's mask stays beside the answer
