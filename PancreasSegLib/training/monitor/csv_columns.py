"""Reading losses.csv and validation.csv back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a CSV of numbers; empty where there is no file.

    A last line that is being written is left out; what is no number becomes NaN.

    Parameters
    ----------
    path : Path
        With a header.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except OSError:
        return {}
    if not rows:
        return {}
    header, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    return {name: np.array([_number(row[n]) for row in body]) for n, name in enumerate(header)}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
