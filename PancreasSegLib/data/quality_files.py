"""The files of a quality report: JSON, CSV and one HTML page with the pictures in it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PancreasSegLib.data.case_quality import CaseQuality
from PancreasSegLib.data.quality_page import quality_page
from PancreasSegLib.data.quality_report import REPORT_FORMAT, QualityReport
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path

QUALITY_FILE, CSV_FILE, HTML_FILE = "quality.json", "cases.csv", "report.html"


def write_quality(folder: Path, report: QualityReport, pictures: Mapping[str, bytes]) -> None:
    """Write ``quality.json``, ``cases.csv`` and ``report.html``; each whole or not at all.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    report : QualityReport
    pictures : mapping of str to bytes
        JPEG of each case.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    texts = {
        QUALITY_FILE: json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        CSV_FILE: _csv(report),
        HTML_FILE: quality_page(report, pictures),
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")


def read_qualities(path: Path) -> list[CaseQuality]:
    """Return the cases of a ``quality.json``.

    Raises
    ------
    DatasetError
        If it cannot be read, or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != REPORT_FORMAT:
            raise ValueError(content["format"])
        cases = content["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is no quality report: {error!r}.", "Inspect the dataset again.") from error
    return [CaseQuality.from_json(case) for case in cases]


def _csv(report: QualityReport) -> str:
    """Return a line a case; the columns of a label carry its name."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ["case", "patient", "size_i", "size_j", "size_k", "spacing_i_mm", "spacing_j_mm", "spacing_k_mm"]
    head += ["orientation", "lowest_hu", "highest_hu", "content_sha256", "remarks"]
    figures = ("volume_ml", "mean_hu", "sd_hu", "pieces", "largest_share", "touches")
    writer.writerow([*head, *(f"{label} {figure}" for label in report.labels for figure in figures)])
    for case in report.cases:
        row: list[Any] = [
            case.name,
            case.patient,
            *case.size_ijk,
            *case.spacing_mm,
            case.orientation,
            *case.hu_range,
        ]
        row += [case.content_sha256, " ".join(remark.code for remark in report.remarks.get(case.name, []))]
        for label in report.labels:
            quality = case.labels.get(label)
            values = [getattr(quality, figure) for figure in figures] if quality else [None] * len(figures)
            row += [" ".join(v) if isinstance(v, tuple) else v for v in values]
        writer.writerow(row)
    return stream.getvalue()
