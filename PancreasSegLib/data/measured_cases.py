"""Measurements and pictures of cases, kept in a folder so that a second look costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from PancreasSegLib.data.case_quality import CaseQuality
from PancreasSegLib.data.composed_case import ComposedCase
from PancreasSegLib.data.quality_measures import measure_case
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path

CASES = "cases"
_VERSION = 1  # of the measures: what was measured otherwise is measured again


def measure_and_keep(folder: Path, name: str, patient: str, case: ComposedCase, key: str) -> CaseQuality:
    """Measure a case, draw it, and keep both.

    Parameters
    ----------
    folder : Path
        Of the quality report.
    name, patient : str
    case : ComposedCase
    key : str
        What the measurement depends on; see `measured`.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    from PancreasSegLib.pictures.label_check import draw_label_check

    quality = measure_case(name, patient, case)
    first = next(iter(case.values), "")
    title = f"{name}  {quality.labels[first].volume_ml:.1f} mL {first}" if first else name
    picture = draw_label_check(case.ct, case.mask, case.values, title)
    with atomic_path(_picture(folder, name)) as temporary:
        temporary.write_bytes(picture)
    content = {"version": _VERSION, "key": key, "quality": quality.to_json()}
    with atomic_path(_file(folder, name)) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return quality


def measured(folder: Path, name: str, key: str) -> CaseQuality | None:
    """Return a measurement that was kept under this key, None where there is none."""
    try:
        content = json.loads(_file(folder, name).read_text(encoding="utf-8"))
        if content["version"] != _VERSION or content["key"] != key:
            return None
        if not _picture(folder, name).is_file():
            return None
        return CaseQuality.from_json(content["quality"])
    except (OSError, ValueError, KeyError, TypeError, DatasetError):
        return None


def pictures_of(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the pictures that are there, by case."""
    return {name: _picture(folder, name).read_bytes() for name in names if _picture(folder, name).is_file()}


def files_fingerprint(files: Iterable[Path], *settings: str) -> str:
    """Return what changes when a file is exchanged: SHA-256 of all names, sizes and times, and of the settings."""
    digest = hashlib.sha256("\n".join(settings).encode())
    for file in files:
        for path in sorted(_below(file)):
            status = path.stat()
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [Path(place, name) for place, _, names in os.walk(path) for name in names]


def _file(folder: Path, name: str) -> Path:
    return folder / CASES / f"{name}.json"


def _picture(folder: Path, name: str) -> Path:
    return folder / CASES / f"{name}.jpg"
