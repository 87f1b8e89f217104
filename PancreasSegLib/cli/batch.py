"""A folder of scans: the model is loaded once, one bad scan does not stop the rest, a second run goes on."""

from __future__ import annotations

import contextlib
import csv
import io
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.cli.output_files import MASK_EXTENSION, OutputFiles, scan_name
from PancreasSegLib.cli.problem import problem_of
from PancreasSegLib.cli.progress_bar import ProgressBar
from PancreasSegLib.cli.scan import RunSettings, load_early, result_name, segment_scan
from PancreasSegLib.cli.terminal import note, printable, show, verbosity
from PancreasSegLib.errors import CancelledError, OutputError, PancreasSegError, UnreadableFileError
from PancreasSegLib.io import atomic_path

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmenter

SUMMARY_NAME = "summary.csv"
COLUMNS = ("scan", "outcome", "volume_ml", "mean_hu", "sd_hu", "confidence", "seconds", "sentence")
SHOWN = {"volume_ml": 1, "mean_hu": 0, "confidence": 2, "seconds": 1}
"""Columns of the printed table, with their digits."""
OUTCOMES = {0: "done", 2: "failed", 3: "no pancreas"}
WORST_FIRST = (2, 3)


@dataclass
class Outcome:
    """What became of one scan.

    Attributes
    ----------
    name : str
        The scan's path inside the folder.
    status : int
        Exit status that it would have had alone.
    outcome : str
        ``"done"``, ``"skipped"`` (there already), ``"no pancreas"``, ``"failed"``.
    sentence : str
        The error or the warnings.
    figures : dict
        Statistics of the pancreas.
    """

    name: str
    status: int = 0
    outcome: str = "done"
    sentence: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, str]:
        """Return the line of the summary."""
        figures = {key: f"{value:.6g}" for key, value in self.figures.items() if key in COLUMNS}
        texts = {"scan": printable(self.name), "outcome": self.outcome, "sentence": printable(self.sentence)}
        return {**{key: _no_formula(text) for key, text in texts.items()}, **figures}

    def said(self) -> str:
        """Return the outcome as a few words."""
        if "volume_ml" in self.figures:
            return f"{self.figures['volume_ml']:.1f} mL in {self.figures['seconds']:.1f} s"
        return f"{self.outcome}. {self.sentence}".strip()


def segment_folder(
    source: Path,
    output: Path | None,
    wanted: Mapping[str, Path | None],
    settings: RunSettings,
    *,
    overwrite: bool = False,
) -> None:
    """Segment every scan under a folder into another one, and print a table.

    Parameters
    ----------
    source, output : Path
        Folder of scans; folder for the masks, which keeps the subfolders' names, and for ``summary.csv``.
    wanted : mapping of str to Path or None
        Folders for ``report``, ``picture`` and ``probability`` files.
    settings : RunSettings
        The same for every scan.
    overwrite : bool
        Do again what is done.

    Raises
    ------
    UnreadableFileError
        If the folder holds no scan.
    PancreasSegError
        At the end, with the worst exit status, if not all went well.
    """
    from PancreasSegLib.io import find_scans

    if output is None:
        raise OutputError("No folder was named for the masks.", "Add --output FOLDER.")
    scans = find_scans(source)
    if _inside(output, source):  # results that lie among the scans are no scans
        scans = [path for path in scans if not _inside(path, output)]
    if not scans:
        raise UnreadableFileError(
            f"{str(source)!r} holds no scan.", "Give a folder with NIfTI, NRRD or DICOM files."
        )
    plan = _plan(scans, source, output, wanted, result_name(settings.model))
    outcomes: list[Outcome] = []
    try:
        _segment_all(plan, settings, outcomes, output / SUMMARY_NAME, overwrite=overwrite)
    except KeyboardInterrupt:
        raise CancelledError(
            f"Cancelled after {len(outcomes)} of {len(plan)} scans; the finished masks are kept.",
            "Run the same command again to go on.",
        ) from None
    finally:
        _write_summary(output / SUMMARY_NAME, outcomes)
    _show_table(outcomes)
    _raise_worst(outcomes)


def _plan(
    scans: Sequence[Path], source: Path, output: Path, wanted: Mapping[str, Path | None], ending: str
) -> list[tuple[str, Path, OutputFiles]]:
    """Return name, scan and files of every scan; scans of one name in a folder keep their extensions."""
    endings = {"report": ".json", "picture": ".png", "probability": f"_probability{MASK_EXTENSION}"}
    folders = [scan.relative_to(source).parent for scan in scans]
    stems = [scan_name(scan) for scan in scans]
    plan = []
    for scan, folder, stem in zip(scans, folders, stems, strict=True):
        twins = sum(f == folder and s == stem for f, s in zip(folders, stems, strict=True))
        result = f"{scan.name if twins > 1 else stem}_{ending}"  # find_scans knows results by it
        side = {
            kind: place / folder / (result + endings[kind]) for kind, place in wanted.items() if place is not None
        }
        files = OutputFiles(output / folder / (result + MASK_EXTENSION), **side)
        plan.append((scan.relative_to(source).as_posix() if scan != source else stem, scan, files))
    return plan


def _segment_all(
    plan: Sequence[tuple[str, Path, OutputFiles]],
    settings: RunSettings,
    outcomes: list[Outcome],
    summary: Path,
    *,
    overwrite: bool,
) -> None:
    """Segment what is not done; the table on the disk is kept as it goes."""
    done = [not overwrite and files.are_done() for _, _, files in plan]
    todo = [(scan, files) for (_, scan, files), skip in zip(plan, done, strict=True) if not skip]
    with ProgressBar() as bar:
        model = None
        if todo:
            _check_folders(todo[0][1])  # a folder that cannot be written is told once, before the model is loaded
            bar.stage("loading the model")
            model = load_early(settings).result()
        for number, ((name, scan, files), skip) in enumerate(zip(plan, done, strict=True), start=1):
            if model is None or skip:
                outcomes.append(Outcome(name, outcome="skipped", sentence="there already"))
                continue
            bar.begin(printable(f"{number}/{len(plan)} {name}"))
            outcomes.append(_segment_one(name, scan, files, settings, model, bar))
            with contextlib.suppress(OutputError):  # a full disk is told at the end
                _write_summary(summary, outcomes)
            note(f"{number}/{len(plan)} {name}: {outcomes[-1].said()}")


def _check_folders(files: OutputFiles) -> None:
    """Refuse folders that cannot be written; what is wrong with the name of one scan is that scan's matter."""
    from PancreasSegLib.io import check_writable

    for path in files.paths.values():
        check_writable(path.with_name("a"), None)


def _segment_one(
    name: str, scan: Path, files: OutputFiles, settings: RunSettings, model: Segmenter, bar: ProgressBar
) -> Outcome:
    """Segment one scan; whatever is wrong with it becomes its outcome."""
    start = time.perf_counter()
    try:
        files.check(scan)
        result = segment_scan(scan, files, settings, lambda: model, bar)
    except CancelledError:
        raise KeyboardInterrupt from None
    except Exception as error:
        if verbosity.debug:
            traceback.print_exception(error)
        problem = problem_of(error)
        return Outcome(name, problem.exit_code, OUTCOMES[problem.exit_code], str(problem))
    figures = dict(next(iter(result.statistics.values()), {}))
    figures["seconds"] = time.perf_counter() - start
    status = 0 if result.mask.any() else 3
    sentence = " ".join(warning.sentence for warning in result.warnings)
    return Outcome(name, status, OUTCOMES[status], sentence, figures)


def _no_formula(text: str) -> str:
    """Return a text that no table program takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _inside(path: Path, folder: Path) -> bool:
    """Whether a path lies below a folder."""
    return folder.resolve() in path.resolve().parents


def _write_summary(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write one line a scan; a scan that was skipped keeps its line of the run that did it."""
    if not outcomes:
        return
    earlier: dict[str, dict[str, str]] = {}
    with contextlib.suppress(OSError, csv.Error, UnicodeDecodeError):
        earlier = {
            row["scan"]: row for row in csv.DictReader(io.StringIO(path.read_text("utf-8"))) if "scan" in row
        }
    rows = dict(earlier)
    for outcome in outcomes:
        row = outcome.row()
        if outcome.outcome != "skipped" or row["scan"] not in earlier:
            rows[row["scan"]] = row
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _show_table(outcomes: Sequence[Outcome]) -> None:
    from rich.table import Table

    table = Table("scan", "outcome", box=None, header_style="bold")
    for heading in ("mL", "HU", "confidence", "s"):
        table.add_column(heading, justify="right")
    table.add_column("remark")
    for outcome in outcomes:
        cells = [_cell(outcome.figures.get(key), digits) for key, digits in SHOWN.items()]
        table.add_row(printable(outcome.name), outcome.outcome, *cells, printable(outcome.sentence))
    show(table)


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _raise_worst(outcomes: Sequence[Outcome]) -> None:
    """Raise with the worst status that occurred, if it is not 0."""
    for status in WORST_FIRST:
        count = sum(outcome.status == status for outcome in outcomes)
        if count and status:
            what = "had no pancreas in view" if status == 3 else "failed"
            error = PancreasSegError(
                f"{count} of {len(outcomes)} scans {what}.", "The table above and summary.csv say why."
            )
            error.exit_code = status
            raise error
