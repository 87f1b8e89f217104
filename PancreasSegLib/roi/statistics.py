"""Where the pancreas lies relative to the landmarks, measured on real patients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

QUANTITIES = (
    "top_below_dome",
    "bottom_below_dome",
    "top_above_crest",
    "bottom_above_crest",
    "right_of_spine",
    "left_of_spine",
    "front_of_spine",
    "back_of_spine",
    "right_share",
    "left_share",
    "front_share",
)
"""Extents of the pancreas in mm: levels against the right diaphragm's dome and the lower iliac crest; sides
against the spine's centre, positive to the Left and to Posterior, and as shares of the way from it to the skin."""


@dataclass(frozen=True)
class Spread:
    """Summary of one quantity over patients, in mm or as a share."""

    patients: int
    least: float
    greatest: float
    mean: float
    sd: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarise measurements."""
        array = np.asarray(list(values), dtype=float)
        deviation = float(array.std(ddof=1)) if array.size > 1 else 0.0
        numbers = (float(round(v, 3)) for v in (array.min(), array.max(), array.mean(), deviation))
        return cls(array.size, *numbers)


@dataclass(frozen=True)
class LocationStatistics:
    """The spread of every quantity in `QUANTITIES`.

    Only these summaries are kept with the library; ``Testing/benchmarks/roi_statistics.py`` measures them again.
    """

    spreads: Mapping[str, Spread]

    def __getitem__(self, quantity: str) -> Spread:
        """Return the spread of one quantity."""
        return self.spreads[quantity]

    @classmethod
    def of(cls, patients: Iterable[Mapping[str, float]]) -> LocationStatistics:
        """Summarise patients, each a mapping of the quantities that could be measured to mm."""
        measured = list(patients)
        return cls({q: Spread.of(p[q] for p in measured if q in p) for q in QUANTITIES})

    def to_json(self) -> dict[str, dict[str, float]]:
        """Return the JSON form."""
        return {name: asdict(spread) for name, spread in self.spreads.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Mapping[str, float]]) -> LocationStatistics:
        """Rebuild from `to_json`."""
        return cls({q: Spread(**value[q]) for q in QUANTITIES})  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def location_statistics() -> LocationStatistics:
    """Return the statistics kept with the library (26 patients)."""
    text = Path(__file__).with_name("location_statistics.json").read_text(encoding="utf-8")
    return LocationStatistics.from_json(json.loads(text)["spreads"])
