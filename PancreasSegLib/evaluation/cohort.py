"""The scores of many cases, summed up and written for people and programs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.io.atomic import atomic_path

MEASURES = ("dice", "nsd_1mm", "nsd_2mm", "nsd_3mm", "nsd_5mm", "hd95_mm", "volume_error_ml", "seconds")


@dataclass(frozen=True)
class Cohort:
    """Case scores with what they were measured on.

    Attributes
    ----------
    scores : tuple of CaseScore
        One a case.
    about : dict
        Model, dataset, split: whatever a reader needs to repeat the measurement.
    """

    scores: tuple[CaseScore, ...]
    about: dict[str, Any]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Return mean, SD, median, quartiles and extremes of each measure; infinite distances count as missing.

        ``volume_error_ml`` is signed; ``absolute_volume_error_ml`` is its magnitude. ``cases`` tells over how many
        finite values a row was taken.
        """
        columns = {name: [float(getattr(score, name)) for score in self.scores] for name in MEASURES}
        columns["absolute_volume_error_ml"] = [abs(value) for value in columns["volume_error_ml"]]
        return {name: _spread(values) for name, values in columns.items()}

    def to_json(self) -> dict[str, Any]:
        """Return everything, with numbers that JSON has no word for as None."""
        cases = [
            {name: _plain(value) for name, value in asdict(score).items()}
            | {"volume_error_ml": score.volume_error_ml}
            for score in self.scores
        ]
        return {"about": self.about, "summary": self.summary(), "cases": cases}


def write_cohort(folder: str | Path, cohort: Cohort) -> None:
    """Write ``cases.csv`` and ``summary.json`` into a folder, each whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    target = Path(folder)
    with atomic_path(target / "cases.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [field.name for field in fields(CaseScore)]
        writer.writerow([*names, "volume_error_ml"])
        for score in cohort.scores:
            row = [getattr(score, name) for name in names] + [score.volume_error_ml]
            writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row])
    with atomic_path(target / "summary.json") as temporary:
        temporary.write_text(json.dumps(cohort.to_json(), indent=2, allow_nan=False), encoding="utf-8")


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    finite = np.asarray([value for value in values if math.isfinite(value)])
    if finite.size == 0:
        return {"mean": None, "cases": 0}
    return {
        "mean": float(finite.mean()),
        "sd": float(finite.std(ddof=1)) if finite.size > 1 else None,
        "median": float(np.median(finite)),
        "q1": float(np.quantile(finite, 0.25)),
        "q3": float(np.quantile(finite, 0.75)),
        "min": float(finite.min()),
        "max": float(finite.max()),
        "cases": int(finite.size),
    }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
