"""Run a model over the chosen scans of a cohort; whatever is killed when, the next call goes on."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.cohort.folder import Cohort, write_json
from PancreasSegLib.cohort.index import read_index
from PancreasSegLib.cohort.table import Parts, read_table, write_csv, write_table
from PancreasSegLib.cohort.task import DONE, NONE_FOUND, TaskSettings, run_task, scan_folder
from PancreasSegLib.errors import CohortError

Row = dict[str, Any]
ABOUT_THE_RUN = ("seconds", "memory_mb", "bytes")
"""Columns of the parts that differ from run to run; they are not in the table."""
_FROM_INDEX = ("scan", "study", "patient", "slices", "spacing_z_mm", "kernel", "manufacturer")
_PART_ROWS, _PART_S = 200, 30.0
_CT_FACTOR, _BASE_MB = 2.0, 600.0  # what segmenting takes, beside the CT itself


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    done, total : int
        Scans.
    seconds : float
        Since it began.
    fresh : int
        Scans done since then.
    workers : int
    """

    done: int
    total: int
    seconds: float
    fresh: int
    workers: int

    @property
    def rate(self) -> float:
        """Scans an hour."""
        return 3600 * self.fresh / max(self.seconds, 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None before the first."""
        return (self.total - self.done) * self.seconds / self.fresh if self.fresh else None


def model_key(model: str, threads: int = 1) -> str:
    """Return what a model's results are kept under: name, version, a digest of its weights and settings."""
    import hashlib

    from PancreasSegLib.models import find_package, read_checksums

    package = find_package(model)
    said = {"sums": read_checksums(package.path), "settings": package.settings, "labels": package.labels}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return f"{package.name}-{package.version}-{digest}{f'-t{threads}' if threads != 1 else ''}"


def memory_for(rows: Sequence[Row]) -> float:
    """Return the memory in MB that a worker should have for the largest of some scans."""
    voxels = max((row["slices"] * row["rows"] * row["columns"] for row in rows), default=0)
    return _BASE_MB + _CT_FACTOR * voxels * 2 / 2**20 + 400


def open_results(cohort: Cohort, settings: TaskSettings) -> Path:
    """Return the folder of a run's results, made if it is not there, with what ran in ``run.json``."""
    from PancreasSegLib._version import __version__
    from PancreasSegLib.models import find_package

    folder = Path(settings.results)
    package = find_package(settings.model)
    choice = json.loads((cohort.path / "choice.json").read_text("utf-8"))
    private = ("results", "model", "memory_mb", "limit_s")
    said = {
        "model": {"name": package.name, "version": package.version, "description": package.description},
        "software": f"PancreasSeg {__version__}",
        "settings": {k: v for k, v in asdict(settings).items() if k not in private},
        "choice": choice["sentence"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", said)
    return folder


def run_cohort(
    cohort: Cohort,
    client: Any,
    settings: TaskSettings,
    *,
    scans: Sequence[str] | None = None,
    retry: bool = False,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> list[Row]:
    """Segment and measure the chosen scans that are not done yet.

    Parameters
    ----------
    cohort : Cohort
    client : distributed.Client
        Whose workers do it.
    settings : TaskSettings
    scans : sequence of str, optional
        Only these.
    retry : bool
        Do those again that failed or were set aside.
    progress : callable
        Called after each scan.

    Returns
    -------
    list of dict
        A row a scan, all that are done by now; they are in ``table.parquet`` and ``table.csv`` too.

    Raises
    ------
    CohortError
        If there is nothing to do, somebody else runs the same, or the scheduler is lost.
    """
    from PancreasSegLib.data.folder_lock import folder_lock
    from PancreasSegLib.errors import DatasetError

    index = {row["scan"]: row for row in read_index(cohort) if row["chosen"]}
    if not index:
        raise CohortError("No scan of the cohort is chosen.", "See why in index.parquet, column why.")
    folder = open_results(cohort, settings)
    wanted = [scan for scan in (scans if scans is not None else index) if scan in index]
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(folder_lock(folder, patience_s=1.0))
        except DatasetError as error:
            raise CohortError("Somebody else runs this model on this cohort.", "Wait until it is done.") from error
        parts = Parts(folder / "parts", _PART_ROWS)
        known = {row["scan"]: row for row in parts.rows()}
        if retry:
            for scan in [s for s, row in known.items() if row["outcome"] not in (DONE, NONE_FOUND)]:
                _forget(folder, scan)
                del known[scan]
        places = {row["scan"]: row for row in read_table(cohort.locations_file)}
        todo = [places[scan] for scan in wanted if scan not in known]
        start = flushed = time.monotonic()
        done = len(wanted) - len(todo)
        try:
            for fresh, row in enumerate(_completed(client, todo, settings), 1):
                known[row["scan"]] = row
                parts.append([row])
                if time.monotonic() - flushed > _PART_S:
                    parts.flush()
                    flushed = time.monotonic()
                workers = len(client.scheduler_info(n_workers=-1)["workers"])
                progress(Progress(done + fresh, len(wanted), time.monotonic() - start, fresh, workers))
        except KeyboardInterrupt:  # that its worker was stopped by the user is no fault of a scan
            for place in todo:
                if place["scan"] not in known:
                    (folder / "begun" / place["scan"]).unlink(missing_ok=True)
            raise
        finally:
            parts.flush()
        rows = [known[scan] for scan in sorted(index) if scan in known]
        _write_tables(folder, rows, index)
    return rows


def count_outcomes(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many scans ended how, the most frequent first."""
    return dict(Counter(row["outcome"] for row in rows).most_common())


def _completed(client: Any, places: Sequence[Row], settings: TaskSettings) -> Iterator[Row]:
    """Give the rows as they are done; no more scans wait in the scheduler than its workers can take soon."""
    from distributed import as_completed

    waiting = iter(places)
    running = as_completed(with_results=False)

    def submit(count: int) -> None:
        for place in itertools.islice(waiting, count):
            key = f"{Path(settings.results).name}-{place['scan']}"
            running.add(client.submit(run_task, place, settings, key=key, pure=False))

    submit(_window(client))
    for future in running:
        if future.status != "finished":
            raise CohortError(
                f"The workers could not do it: {_why(future)}.",
                "What is done is kept: run the same command again to go on.",
            )
        yield future.result()
        future.release()
        submit(max(1, _window(client) - running.count()))


def _window(client: Any) -> int:
    return 8 + 2 * len(client.scheduler_info(n_workers=-1)["workers"])


def _why(future: Any) -> str:
    if future.status != "error":
        return "the scheduler is gone"
    error = future.exception()
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _forget(folder: Path, scan: str) -> None:
    """Take the result of a scan away, which failed, so that it is done again."""
    shutil.rmtree(scan_folder(folder, scan), ignore_errors=True)
    (folder / "begun" / scan).unlink(missing_ok=True)


def _write_tables(folder: Path, rows: Sequence[Row], index: dict[str, Row]) -> None:
    from PancreasSegLib.measure import MEASURES

    table = [{**{name: index[row["scan"]].get(name) for name in _FROM_INDEX}, **row} for row in rows]
    found = dict.fromkeys(name for row in table for name in row if name not in ABOUT_THE_RUN)
    first = [*_FROM_INDEX, "outcome", "code", "reason", "confidence", *MEASURES]
    columns = [*(name for name in first if name in found), *sorted(name for name in found if name not in first)]
    write_table(folder / "table.parquet", table, columns)
    write_csv(folder / "table.csv", table, columns)
