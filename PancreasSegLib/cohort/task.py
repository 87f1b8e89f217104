"""One scan of a cohort, from its files to its results: all of them or none, and the same whoever does it when."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import OutOfMemoryError, OutputError, PancreasSegError
from PancreasSegLib.storage.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmentation, Segmenter
    from PancreasSegLib.measure import Measurements
    from PancreasSegLib.volume import Volume

_log = logging.getLogger(__name__)

Row = dict[str, Any]

DONE, NONE_FOUND, FAILED, SET_ASIDE = "done", "no pancreas", "failed", "set aside"
ROW_FILE, MASK_FILE, PICTURE_FILE = "row.json", "mask.nii.gz", "picture.jpg"
PARTS_FILE, PROBABILITY_FILE, SEG_FILE, SR_FILE = (
    "parts.nii.gz",
    "probability.nii.gz",
    "mask.dcm",
    "measurements.dcm",
)
_MOST_TRIES = 2
_loaded: dict[tuple[str, str, int], Segmenter] = {}
_loading = threading.Lock()


@dataclass(frozen=True)
class TaskSettings:
    """What every task of a run is told.

    Attributes
    ----------
    results : str
        Folder of the model's results.
    model, device : str
        As for ``pancreasseg segment``.
    threads : int
        CPU threads of a worker; part of what makes a mask, so the same for all.
    dicom : bool
        Write DICOM SEG and SR for scans that were read from DICOM.
    probability : bool
        Keep the probability, from which corrections begin.
    memory_mb : float
        What a worker may take; 0 for no bound.
    limit_s : float
        A scan that takes longer ends its worker, as a crash does.
    """

    results: str
    model: str = "default"
    device: str = "auto"
    threads: int = 1
    dicom: bool = False
    probability: bool = True
    memory_mb: float = 0.0
    limit_s: float = 1800.0


def scan_folder(results: Path, scan: str) -> Path:
    """Return the folder of a scan's results."""
    return results / "scans" / scan[:2] / scan


def run_task(location: Row, settings: TaskSettings) -> Row:
    """Segment and measure a scan, unless that was done; whatever is wrong with it becomes its row.

    Parameters
    ----------
    location : dict
        ``scan``, ``kind``, ``urls``, ``series``.
    settings : TaskSettings

    Returns
    -------
    dict
        The scan's row of the table.
    """
    results, scan = Path(settings.results), location["scan"]
    target = scan_folder(results, scan)
    with contextlib.suppress(OSError, ValueError):
        row: Row = json.loads((target / ROW_FILE).read_text("utf-8"))
        return row
    tries = _Tries(results, scan)
    if tries.count >= _MOST_TRIES:
        row = {"scan": scan, "outcome": SET_ASIDE, "code": "worker-died", "reason": tries.sentence}
    else:
        row = {}
    with temporary_folder(results / "unfinished") as folder:
        if not row:
            with tries.under_way(settings.limit_s):
                row = _attempted(location, settings, folder)
        (folder / ROW_FILE).write_text(json.dumps(row), encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # another worker was quicker, with the same result
            folder.rename(target)
    if row["outcome"] != SET_ASIDE:
        tries.forget()
    return row


class _Tries:
    """How often a scan was begun and not ended: kept in a file, since its worker may not live to say it."""

    def __init__(self, results: Path, scan: str) -> None:
        self.path = results / "begun" / scan

    @property
    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8").splitlines()
        except OSError:
            return []

    @property
    def count(self) -> int:
        return sum(line == "begun" for line in self._lines)

    @property
    def sentence(self) -> str:
        said = [line for line in self._lines if line != "begun"]
        why = said[-1] if said else "too little memory, or a crash inside a library"
        return f"Its worker ended at it {self.count} times: {why}."

    @contextlib.contextmanager
    def under_way(self, limit_s: float) -> Iterator[None]:
        self._say("begun")
        watch = threading.Timer(limit_s, self._give_up, [limit_s])
        watch.daemon = True
        if limit_s > 0:
            watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def _say(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _give_up(self, limit_s: float) -> None:
        """End this process, whose scan hangs where no exception reaches; the nanny starts another."""
        self._say(f"it took longer than {limit_s:g} s")
        os._exit(1)


def _attempted(location: Row, settings: TaskSettings, folder: Path) -> Row:
    """Return the row of a scan, and leave its files in a folder."""
    start = time.perf_counter()
    row: Row = {"scan": location["scan"]}
    try:
        row |= _segmented(location, settings, folder)
    except Exception as error:
        for path in folder.iterdir():  # of a scan that failed nothing is left but its row
            path.unlink()
        row |= _problem(error, location)
    return row | {"seconds": time.perf_counter() - start, "memory_mb": _memory_mb(), "bytes": _size(folder)}


def _segmented(location: Row, settings: TaskSettings, folder: Path) -> Row:
    from PancreasSegLib.cohort.scan_files import local_files, read_scan
    from PancreasSegLib.io import write_mask, write_volume
    from PancreasSegLib.measure import measure_organ
    from PancreasSegLib.measure.parts import PARTS
    from PancreasSegLib.pictures.strip import write_strip
    from PancreasSegLib.pictures.style import PART_COLOURS

    segmenter = _segmenter(settings)
    with local_files(location["urls"]) as files:
        volume = read_scan(location, files)
        forecast = segmenter.forecast(volume)
        if settings.memory_mb and forecast.peak_memory_mb > settings.memory_mb:
            raise OutOfMemoryError(
                f"The scan needs {forecast.peak_memory_mb:.0f} MB, its worker has {settings.memory_mb:.0f} MB.",
                "Give the workers more with --memory.",
            )
        result = segmenter.segment(volume, allow_empty=True)
        organ = segmenter.package.organ
        inside = result.mask == result.labels[organ]
        write_mask(folder / MASK_FILE, result.mask, result.geometry, labels=result.labels, source=volume)
        if settings.probability and organ in result.probability:
            write_volume(folder / PROBABILITY_FILE, result.probability[organ])
        row = _facts(volume, result, organ)
        if not inside.any():
            write_strip(folder / PICTURE_FILE, volume, inside)
            why = next((w.sentence for w in result.warnings if w.code == "no-pancreas"), "")
            return row | {"outcome": NONE_FOUND, "code": "no-pancreas", "reason": why}
        around = result.organs.masks() if result.organs else {}
        around.pop(organ, None)
        measured = measure_organ(inside, volume, around)
        write_strip(folder / PICTURE_FILE, volume, measured.parts, colours=PART_COLOURS)
        write_mask(folder / PARTS_FILE, measured.parts, volume.geometry, labels=PARTS, source=volume)
        if settings.dicom and volume.source.get("format") == "dicom":
            try:
                _write_dicom(folder, result, measured, volume, organ)
            except OutputError as error:  # its headers allow none; the mask is there all the same
                row["warnings"] = f"{row['warnings']} no-dicom".strip()
                _log.warning("scan %s: %s", location["scan"], error.message)
    return row | {"outcome": DONE, "confidence": result.statistics[organ]["confidence"], **measured.values}


def _write_dicom(folder: Path, result: Segmentation, measured: Measurements, volume: Volume, organ: str) -> None:
    from PancreasSegLib.io import write_mask
    from PancreasSegLib.io.dicom_sr import write_dicom_sr

    write_mask(folder / SEG_FILE, result.mask, result.geometry, labels=result.labels, source=volume)
    number = list(result.labels).index(organ) + 1
    write_dicom_sr(folder / SR_FILE, measured.values, volume, folder / SEG_FILE, segment=number)


def _facts(volume: Volume, result: Segmentation, organ: str) -> Row:
    """Return what is known of every scan that was read."""
    certainty = result.organs.certainty if result.organs else {}
    codes = dict.fromkeys(
        [*(w["code"] for w in volume.source.get("warnings", [])), *(w.code for w in result.warnings)]
    )
    return {
        "outcome": "",
        "code": "",
        "reason": "",
        "warnings": " ".join(codes),
        **{f"{name.replace(' ', '_')}_sure": value for name, value in certainty.items() if name != organ},
    }


def _problem(error: Exception, location: Row) -> Row:
    if isinstance(error, PancreasSegError):
        code, sentence = error.code, error.message
        if code == "no-pancreas":
            return {"outcome": NONE_FOUND, "code": code, "reason": _without_names(sentence)}
    elif isinstance(error, MemoryError):
        code, sentence = "out-of-memory", "There was not enough memory."
    else:
        _log.exception("scan %s failed", location["scan"])
        code, sentence = "internal", f"Something inside failed ({type(error).__name__})."
    return {"outcome": FAILED, "code": code, "reason": _without_names(sentence)}


def _without_names(sentence: str) -> str:
    """Leave out what may hold a name: quoted paths and descriptions of series."""
    plain = re.sub(r"(?<!\w)'[^']*'|\"[^\"]*\"|(?<!\w)/\S+", "the scan", sentence)
    return re.sub(r"(series \S+) \([^)]*\)", r"\1", plain)


def _segmenter(settings: TaskSettings) -> Segmenter:
    """Return the model, loaded once a process."""
    from PancreasSegLib.inference import Segmenter

    wanted = (settings.model, settings.device, settings.threads)
    with _loading:
        if wanted not in _loaded:
            _loaded[wanted] = Segmenter.load(settings.model, device=settings.device, threads=settings.threads)
        return _loaded[wanted]


def _memory_mb() -> float:
    from PancreasSegLib.inference.memory import current_memory_mb

    return current_memory_mb()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
