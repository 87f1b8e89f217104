"""What stands out among the cases of a dataset: outliers, and scans that are there twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from PancreasSegLib.data.adapters.source_case import Remark
from PancreasSegLib.data.case_quality import CaseQuality
from PancreasSegLib.data.thumbnail import from_text, likeness

ALIKE = 0.97
"""Correlation of two thumbnails from which they are taken for one scan. Among 14 patients of BTCV no two reached
0.85; a scan resampled to other voxels stayed above 0.99."""

_OUTLYING = 3.5  # robust z from which a value is an outlier (Iglewicz and Hoaglin 1993)
_FEWEST = 8


@dataclass(frozen=True)
class _Measure:
    """One figure by which cases are compared; `floor` is the least spread that counts as one."""

    code: str
    what: str
    unit: str
    floor: float
    logarithmic: bool = False


_SPACING = _Measure("spacing", "spacing in the slice", "mm", 0.05, True)
_STEP = _Measure("slice-distance", "distance between slices", "mm", 0.15, True)
_HEIGHT = _Measure("scan-height", "height of the scan", "mm", 0.1, True)
_VOLUME = _Measure("label-volume", "volume", "mL", 0.1, True)
_MEAN = _Measure("label-hu", "mean HU", "HU", 5.0)
_SD = _Measure("label-hu-spread", "spread of HU", "HU", 2.0)
_PIECES = _Measure("label-pieces", "pieces", "", 1.0)


@dataclass(frozen=True)
class Overlap:
    """Two cases that hold the same scan.

    Attributes
    ----------
    case : str
    other : str
        A case of this or of another dataset.
    dataset : str
        The other's dataset; empty where it is this one.
    likeness : float
        1 where the voxels are the same; else the correlation of the thumbnails.
    other_patient : str
    """

    case: str
    other: str
    dataset: str
    likeness: float
    other_patient: str = ""

    @property
    def sentence(self) -> str:
        """For a person."""
        where = f"{self.other} of {self.dataset}" if self.dataset else self.other
        how = "voxel for voxel" if self.likeness >= 1 else f"by its looks (correlation {self.likeness:.3f})"
        return f"The same scan as {where}, {how}."


def outliers(cases: Sequence[CaseQuality]) -> dict[str, list[Remark]]:
    """Return what lies far from the median of all cases, by case.

    The robust z is the distance from the median over 1.4826 times the median absolute deviation; from 3.5 on a
    value is an outlier. Volumes and spacings are compared as logarithms. With fewer than eight cases nothing is.
    """
    found: dict[str, list[Remark]] = defaultdict(list)
    columns: dict[tuple[_Measure, str], dict[str, float]] = defaultdict(dict)
    for case in cases:
        columns[_SPACING, ""][case.name] = min(case.spacing_mm)
        columns[_STEP, ""][case.name] = max(case.spacing_mm)
        columns[_HEIGHT, ""][case.name] = _height_mm(case)
        for name, label in case.labels.items():
            if label.mean_hu is None or label.sd_hu is None:
                continue
            columns[_VOLUME, name][case.name] = label.volume_ml
            columns[_MEAN, name][case.name] = label.mean_hu
            columns[_SD, name][case.name] = label.sd_hu
            columns[_PIECES, name][case.name] = label.pieces
    for (measure, label_name), values in columns.items():
        for case_name, remark in _outlying(measure, label_name, values):
            found[case_name].append(remark)
    return dict(found)


def _outlying(measure: _Measure, label: str, values: Mapping[str, float]) -> list[tuple[str, Remark]]:
    if len(values) < _FEWEST:
        return []
    raw = np.array(list(values.values()))
    scaled = np.log(np.maximum(raw, 1e-6)) if measure.logarithmic else raw
    middle = np.median(scaled)
    spread = max(float(np.median(np.abs(scaled - middle))) * 1.4826, measure.floor)
    what = f"{measure.what} of {label}" if label else measure.what
    usual = float(np.median(raw))
    return [
        (name, Remark(f"outlier-{measure.code}", f"Unusual {what}: {_said(value, measure)}, the median is "
                      f"{_said(usual, measure)} (robust z {z:+.1f})."))
        for name, value, z in zip(values, raw, (scaled - middle) / spread, strict=True)
        if abs(z) >= _OUTLYING
    ]  # fmt: skip


def _said(value: float, measure: _Measure) -> str:
    return f"{value:.0f} {measure.unit}".strip() if abs(value) >= 100 else f"{value:.3g} {measure.unit}".strip()


def _height_mm(case: CaseQuality) -> float:
    """Return how far the scan reaches from inferior to superior."""
    axis = next(n for n, letter in enumerate(case.orientation) if letter in "SI")
    return case.size_ijk[axis] * case.spacing_mm[axis]


def duplicates(cases: Sequence[CaseQuality]) -> list[Overlap]:
    """Return the pairs of cases that hold the same scan."""
    return [overlap for overlap in _overlaps(cases, cases, "") if overlap.case < overlap.other]


def overlaps(cases: Sequence[CaseQuality], others: Sequence[CaseQuality], dataset: str) -> list[Overlap]:
    """Return the cases whose scan is in another dataset, too.

    Parameters
    ----------
    cases, others : sequence of CaseQuality
    dataset : str
        Names the other dataset.
    """
    return _overlaps(cases, others, dataset or "the other dataset")


def _overlaps(cases: Sequence[CaseQuality], others: Sequence[CaseQuality], dataset: str) -> list[Overlap]:
    if not cases or not others:
        return []
    alike = likeness([from_text(c.thumbnail) for c in cases], [from_text(c.thumbnail) for c in others])
    found = []
    for row, case in zip(alike, cases, strict=True):
        for value, other in zip(row, others, strict=True):
            if not dataset and other.name == case.name:
                continue
            same = case.content_sha256 == other.content_sha256
            if same or value >= ALIKE:
                like = 1.0 if same else min(0.999, round(float(value), 3))
                found.append(Overlap(case.name, other.name, dataset, like, other.patient))
    return found
