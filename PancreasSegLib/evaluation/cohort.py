"""The scores of many cases, summed up and written for people and programs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.io.atomic import atomic_path

MEASURES = (
    "dice",
    "iou",
    "nsd_1mm",
    "nsd_2mm",
    "nsd_3mm",
    "nsd_5mm",
    "hd95_mm",
    "assd_mm",
    "precision",
    "recall",
    "volume_error_ml",
    "absolute_volume_error_ml",
    "seconds",
)
_ENDLESS = 1e150  # stands for infinity where quantiles are interpolated


@dataclass(frozen=True)
class Cohort:
    """Case scores with what they were measured on.

    Attributes
    ----------
    scores : tuple of CaseScore
        One a case (and label).
    about : dict
        Model, dataset, split: whatever a reader needs to repeat the measurement.
    """

    scores: tuple[CaseScore, ...]
    about: dict[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in order of first appearance."""
        return tuple(dict.fromkeys(score.label for score in self.scores))

    def of_label(self, label: str) -> Cohort:
        """Return the scores of one label."""
        return Cohort(tuple(score for score in self.scores if score.label == label), self.about)

    def values(self, measure: str) -> list[float]:
        """Return a measure of every score; ``absolute_volume_error_ml`` is the magnitude of the signed one."""
        if measure == "absolute_volume_error_ml":
            return [abs(score.volume_error_ml) for score in self.scores]
        return [float(getattr(score, measure)) for score in self.scores]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Return mean, SD, median, quartiles and extremes of each measure.

        ``volume_error_ml`` is signed; ``absolute_volume_error_ml`` is its magnitude. Mean, SD and extremes are
        taken over the finite values, ``cases`` of them; the ``infinite`` ones (distances to an empty mask) count
        in median and quartiles as the largest, and None stands for a quantile among them.
        """
        return {name: spread(self.values(name)) for name in MEASURES}

    def to_json(self) -> dict[str, Any]:
        """Return everything, with numbers that JSON has no word for as None.

        With several labels ``summary`` is over all of them, and ``summary_by_label`` tells them apart.
        """
        found: dict[str, Any] = {"about": self.about, "summary": self.summary()}
        if len(self.labels) > 1:
            found["summary_by_label"] = {label: self.of_label(label).summary() for label in self.labels}
        return found | {"cases": [score.to_json() for score in self.scores]}


def write_cohort(folder: str | Path, cohort: Cohort) -> None:
    """Write ``cases.csv`` and ``summary.json`` into a folder, each whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    target = Path(folder)
    write_rows(target / "cases.csv", (score.row() for score in cohort.scores))
    with atomic_path(target / "summary.json") as temporary:
        temporary.write_text(json.dumps(cohort.to_json(), indent=2, allow_nan=False), encoding="utf-8")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of the same keys as CSV, numbers with six digits; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for number, row in enumerate(rows):
            if number == 0:
                writer.writerow(row)
            writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row.values()])


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, SD, median, quartiles, extremes and counts of some values; NaN counts as absent."""
    known = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    finite = known[np.isfinite(known)]
    if finite.size == 0:
        return {"mean": None, "cases": 0, "infinite": int(known.size)}
    bounded = np.clip(known, -_ENDLESS, _ENDLESS)
    quartiles = [float(q) if abs(q) < _ENDLESS / 1e6 else None for q in np.quantile(bounded, (0.25, 0.5, 0.75))]
    return {
        "mean": float(finite.mean()),
        "sd": float(finite.std(ddof=1)) if finite.size > 1 else None,
        "median": quartiles[1],
        "q1": quartiles[0],
        "q3": quartiles[2],
        "min": float(finite.min()),
        "max": float(finite.max()),
        "cases": int(finite.size),
        "infinite": int(known.size - finite.size),
    }
