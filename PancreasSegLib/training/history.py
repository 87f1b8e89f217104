"""Losses and scores as CSV files that a person can open while the run goes on."""

from __future__ import annotations

import csv
from pathlib import Path


class History:
    """Appends rows to a CSV file; after a resume, rows past the checkpoint's step are dropped.

    Parameters
    ----------
    path : Path
        The file; made with its folder.
    columns : sequence of str
        Header; the first column is ``step``.
    resume_step : int
        Rows with a larger step are removed; 0 starts anew.
    """

    def __init__(self, path: Path, columns: list[str], resume_step: int = 0) -> None:
        self.path, self.columns = path, columns
        path.parent.mkdir(parents=True, exist_ok=True)
        kept: list[dict[str, str]] = []
        if resume_step and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= resume_step]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)

    def append(self, **values: float | int) -> None:
        """Add one row."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow(
                {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in values.items()}
            )
