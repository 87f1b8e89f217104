"""Measurements far from those of the other scans of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LOOKED_AT = (
    "volume_ml",
    "core_median_hu",
    "core_fat_share",
    "length_mm",
    "thickness_mm",
    "surface_per_volume_mm",
    "pancreas_to_spleen",
)
"""The measurements in which outliers are looked for."""
_LEAST_SCANS = 10
_LEAST_SCORE = 3.5


@dataclass(frozen=True)
class Outlier:
    """A measurement far from those of the other scans.

    Attributes
    ----------
    scan, measure : str
    value : float
    score : float
        Modified z score: 0.6745 times the distance from the median, over the median of all such distances; 3.5
        and more counts (Iglewicz and Hoaglin, *How to Detect and Handle Outliers*, 1993).
    """

    scan: str
    measure: str
    value: float
    score: float


def find_outliers(rows: Sequence[dict[str, Any]]) -> list[Outlier]:
    """Return outlying measurements, the furthest first; none where fewer than ten scans were measured.

    Parameters
    ----------
    rows : sequence of dict
        Of the table of results, those with measurements.
    """
    found = []
    for measure in LOOKED_AT:
        known = [(row["scan"], float(row[measure])) for row in rows if row.get(measure) is not None]
        values = np.array([value for _, value in known])
        if len(values) < _LEAST_SCANS:
            continue
        distances = values - np.median(values)
        spread = float(np.median(np.abs(distances)))
        scores = 0.6745 * distances / spread if spread > 0 else np.zeros(len(values))
        found += [
            Outlier(scan, measure, value, float(score))
            for (scan, value), score in zip(known, scores, strict=True)
            if abs(score) >= _LEAST_SCORE
        ]
    return sorted(found, key=lambda outlier: -abs(outlier.score))
