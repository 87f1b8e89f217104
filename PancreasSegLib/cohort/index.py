"""The index: one row a series, one chosen scan a study; read once, kept as it goes."""

from __future__ import annotations

import itertools
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

from PancreasSegLib.cohort.choice import ChoiceRule, choose
from PancreasSegLib.cohort.folder import Cohort, write_json
from PancreasSegLib.cohort.series import SeriesRow, rows_of
from PancreasSegLib.cohort.source import Unit, units_of
from PancreasSegLib.cohort.table import Parts, read_table, write_table
from PancreasSegLib.errors import CohortError

_log = logging.getLogger(__name__)

Row = dict[str, Any]
_PRIVATE = ("urls", "series")
_BATCH = 64
_THREADS = 8
_INDEX_COLUMNS = [
    *(field.name for field in fields(SeriesRow) if field.name not in (*_PRIVATE, "problem", "bottom_mm")),
    "chosen",
    "code",
    "why",
]


@dataclass(frozen=True)
class Index:
    """What an index holds, counted.

    Attributes
    ----------
    series, studies, patients, chosen : int
    by_code : dict of str to int
        Series by why they were chosen or left out.
    """

    series: int
    studies: int
    patients: int
    chosen: int
    by_code: dict[str, int]


def make_index(
    source: str,
    cohort: Cohort,
    rule: ChoiceRule,
    by_hand: Mapping[str, bool] | None = None,
    progress: Callable[[int, int], None] = lambda units, series: None,
) -> Index:
    """Index a source into a cohort; what an earlier call read is not read again.

    Parameters
    ----------
    source : str
        As `units_of` takes it.
    cohort : Cohort
    rule : ChoiceRule
        Which scan of a study is taken.
    by_hand : mapping of str to bool, optional
        Choices by the user.
    progress : callable
        Called with units and series read so far.

    Raises
    ------
    UnreadableFileError
        If the source is not there.
    CohortError
        If it holds no series, or the cohort is that of another source.
    """
    _check_source(source, cohort)
    parts = Parts(cohort.private / "headers", 1)
    known = {row["signature"]: row for row in parts.rows()}
    current: list[str] = []
    found = 0
    with ThreadPoolExecutor(_THREADS) as threads:
        for units in _batches(units_of(source)):
            new = [unit for unit in units if _sign(unit) not in known]
            read = threads.map(partial(rows_of, cohort=cohort), new)
            fresh = [_kept(unit, rows) for unit, rows in zip(new, read, strict=True)]
            if fresh:
                parts.append(fresh)
                parts.flush()
            known |= {row["signature"]: row for row in fresh}
            current += [_sign(unit) for unit in units]
            found += sum(len(json.loads(known[_sign(unit)]["rows"])) for unit in units)
            progress(len(current), found)
    rows = [row for signature in current for row in json.loads(known[signature]["rows"])]
    if not rows:
        raise CohortError(f"{source!r} holds no series.", "Give a folder, a list or a URL with scans.")
    rows = sorted(_united(rows, cohort), key=lambda row: row["scan"])
    choose(rows, rule, by_hand)
    write_table(cohort.locations_file, [{k: row[k] for k in ("scan", "kind", *_PRIVATE)} for row in rows])
    write_table(cohort.index_file, rows, _INDEX_COLUMNS)
    write_json(cohort.path / "choice.json", {"rule": asdict(rule), "sentence": rule.sentence})
    return summarise(rows)


def read_index(cohort: Cohort) -> list[Row]:
    """Read the index.

    Raises
    ------
    CohortError
        If there is none yet.
    """
    if not cohort.index_file.is_file():
        raise CohortError(
            "The cohort has no index yet.", f"Make it: pancreasseg cohort index SOURCE {cohort.path}."
        )
    return read_table(cohort.index_file)


def summarise(rows: Iterable[Row]) -> Index:
    """Count what an index holds."""
    rows = list(rows)
    return Index(
        len(rows),
        len({row["study"] for row in rows}),
        len({row["patient"] for row in rows}),
        sum(row["chosen"] for row in rows),
        dict(Counter(row["code"] for row in rows).most_common()),
    )


def _check_source(source: str, cohort: Cohort) -> None:
    place = cohort.private / "source.json"
    if not place.is_file():
        write_json(place, source)
        return
    before = json.loads(place.read_text("utf-8"))
    if before != source:
        raise CohortError(
            f"{str(cohort.path)!r} is the cohort of another source ({before!r}).",
            "Give another folder for this one.",
        )


def _batches(units: Iterable[Unit]) -> Iterable[list[Unit]]:
    stream = iter(units)
    while batch := list(itertools.islice(stream, _BATCH)):
        yield batch


def _sign(unit: Unit) -> str:
    return f"{unit.kind}|{unit.name}|{unit.signature}"


def _kept(unit: Unit, rows: list[SeriesRow]) -> Row:
    return {"signature": _sign(unit), "rows": json.dumps([row.as_row() for row in rows])}


def _united(rows: list[Row], cohort: Cohort) -> list[Row]:
    """Return one row a series: one that lies in several folders is put together, a copy is counted once."""
    by_scan: dict[str, list[Row]] = {}
    for row in rows:
        by_scan.setdefault(row["scan"], []).append(row)
    united: list[Row] = []
    for same in by_scan.values():
        if len(same) == 1:
            united += same
            continue
        places = {(row["slices"], round(row["height_mm"], 1), round(row["bottom_mm"], 1)) for row in same}
        if len(places) == 1 or same[0]["kind"] != "dicom":
            united.append(same[0])
            continue
        urls = sorted({url for row in same for url in row["urls"]})
        whole = [row.as_row() for row in rows_of(Unit("dicom", tuple(urls), "", ""), cohort)]
        _log.info("a series lies in %d folders; it was put together", len(same))
        united += [row | {name: same[0][name] for name in ("study", "patient")} for row in whole]
    return united
