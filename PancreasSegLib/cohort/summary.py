"""What a run over a cohort found: the flow of its scans, their measurements, outliers, and what is least sure."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.index import read_index, summarise
from PancreasSegLib.cohort.outliers import Outlier, find_outliers
from PancreasSegLib.cohort.table import read_table
from PancreasSegLib.cohort.task import DONE, PICTURE_FILE, scan_folder
from PancreasSegLib.errors import CohortError

Row = dict[str, Any]

LEAST_SURE = 20
_IDS = ("scan", "study", "patient")


@dataclass(frozen=True)
class CohortSummary:
    """What a page about a run shows.

    Attributes
    ----------
    name : str
        The cohort's.
    about : dict
        Model, software, settings and rule of choice, as the run recorded them.
    flow : list of (str, int)
        From the series that were found to the organs that were measured.
    left_out : dict of str to int
        Series that were not chosen, by the sentence that says why.
    unfinished : dict of str to int
        Scans without measurements, by the sentence that says why.
    rows : list of dict
        Scans with measurements, each with its covariates.
    covariates : list of str
        Columns of `rows` that the user's file added.
    outliers : list of Outlier
        The furthest first.
    least_sure : list of dict
        Rows by rising confidence.
    pictures : dict of str to Path
        Pictures of the least sure and of the outliers, by scan.
    """

    name: str
    about: dict[str, Any]
    flow: list[tuple[str, int]]
    left_out: dict[str, int]
    unfinished: dict[str, int]
    rows: list[Row]
    covariates: list[str]
    outliers: list[Outlier]
    least_sure: list[Row]
    pictures: dict[str, Path]


def summarise_results(cohort: Cohort, model: str = "", covariates: Path | None = None) -> CohortSummary:
    """Summarise the results of a model on a cohort.

    Parameters
    ----------
    cohort : Cohort
    model : str
        The key of the results, or the start of one; by default those that were made last.
    covariates : Path, optional
        CSV with a column ``scan``, ``study`` or ``patient`` that holds ids of the index, and any others.

    Raises
    ------
    CohortError
        If there are no results, or the covariates fit no scan.
    """
    if not model and not cohort.models():
        raise CohortError("The cohort has no results yet.", f"Make them: pancreasseg cohort run {cohort.path}.")
    folder = cohort.results(model or cohort.models()[-1])
    if not (folder / "table.parquet").is_file():
        raise CohortError("The run was not finished.", f"Go on: pancreasseg cohort run {cohort.path}.")
    index, table = read_index(cohort), read_table(folder / "table.parquet")
    done = [row for row in table if row["outcome"] == DONE]
    names = _join(done, read_covariates(covariates)) if covariates else []
    outliers = find_outliers(done)
    least_sure = sorted(done, key=lambda row: row.get("confidence") or 0.0)[:LEAST_SURE]
    shown = {row["scan"] for row in least_sure} | {found.scan for found in outliers}
    pictures = {scan: scan_folder(folder, scan) / PICTURE_FILE for scan in sorted(shown)}
    counted, outcomes = summarise(index), Counter(row["outcome"] for row in table)
    return CohortSummary(
        cohort.path.resolve().name,
        json.loads((folder / "run.json").read_text("utf-8")),
        [
            ("patients", counted.patients),
            ("studies", counted.studies),
            ("series found", counted.series),
            ("scans chosen", counted.chosen),
            ("scans run", len(table)),
            *((f"of these: {outcome}", count) for outcome, count in outcomes.most_common()),
        ],
        dict(Counter(row["why"] for row in index if not row["chosen"]).most_common()),
        dict(
            Counter(f"{row['outcome']}: {row['reason']}" for row in table if row["outcome"] != DONE).most_common()
        ),
        done,
        names,
        outliers,
        least_sure,
        {scan: path for scan, path in pictures.items() if path.is_file()},
    )


def read_covariates(path: Path) -> tuple[str, dict[str, Row]]:
    """Read a CSV of covariates.

    Returns
    -------
    key : str
        ``scan``, ``study`` or ``patient``.
    rows : dict of str to dict
        By that id; a column whose every value is a number holds numbers.

    Raises
    ------
    CohortError
        If it cannot be read, or has no column of ids or none besides.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows: list[Row] = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise CohortError(f"{str(path)!r} cannot be read as CSV.", "Save the table as CSV in UTF-8.") from error
    columns = list(rows[0]) if rows else []
    key = next((name for name in _IDS if name in columns), None)
    if key is None or len(columns) < 2:
        raise CohortError(
            f"{str(path)!r} has no column {', '.join(_IDS)}, or nothing besides.",
            "Give a CSV with the ids of index.parquet in a column named so, and covariates in others.",
        )
    for name in columns:
        numbers = [_number(row[name]) for row in rows if row[name]]
        if name not in _IDS and numbers and None not in numbers:
            for row in rows:
                row[name] = _number(row[name]) if row[name] else None
    return key, {row[key]: {name: row[name] for name in columns if name not in _IDS} for row in rows}


def _join(rows: Sequence[Row], covariates: tuple[str, Mapping[str, Row]]) -> list[str]:
    """Add the covariates to the rows, and return their names."""
    key, known = covariates
    names = list(next(iter(known.values())))
    if not any(row[key] in known for row in rows):
        raise CohortError(
            f"No {key} of the covariates is one of the cohort's.",
            f"The ids are those in the column {key!r} of index.parquet, not names or accession numbers.",
        )
    for row in rows:
        row.update({f"given: {name}": known.get(row[key], {}).get(name) for name in names})
    return [f"given: {name}" for name in names]


def _number(said: str | None) -> float | None:
    try:
        value = float(said or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None
