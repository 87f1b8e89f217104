"""The quality report of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from PancreasSegLib._version import __version__
from PancreasSegLib.data.adapters.source_case import Remark
from PancreasSegLib.data.adapters.survey import LeftOut
from PancreasSegLib.data.case_quality import HISTOGRAM_EDGES_HU, CaseQuality
from PancreasSegLib.data.quality_cohort import Overlap, duplicates, outliers

REPORT_FORMAT = "pancreasseg-quality/1"
_FEW = 3


@dataclass(frozen=True)
class QualityReport:
    """All that was measured of a dataset, and what a person should look at.

    Attributes
    ----------
    title, licence, reference : str
    kin : str
        Which other datasets hold the same patients, as far as is known.
    labels : tuple of str
    cases : tuple of CaseQuality
    left_out, failed : tuple of LeftOut
        Cases that are not there or not wanted; cases that could not be read.
    overlaps : tuple of Overlap
        With other datasets, where they were compared.
    compared : tuple of str
        The datasets that were compared.
    """

    title: str
    licence: str
    reference: str
    kin: str
    labels: tuple[str, ...]
    cases: tuple[CaseQuality, ...]
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[LeftOut, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    compared: tuple[str, ...] = ()
    common: dict[Remark, int] = field(init=False)
    """What is true of at least half of the cases, and of how many: it does not stand out."""
    remarks: dict[str, list[Remark]] = field(init=False)
    """By case: its own remarks but the common ones, what stands out among the others, where else its scan is."""

    def __post_init__(self) -> None:
        counted = Counter(remark for case in self.cases for remark in set(case.remarks))
        least = max(_FEW, len(self.cases) / 2)
        object.__setattr__(self, "common", {remark: n for remark, n in counted.most_common() if n >= least})
        remarks = {case.name: [r for r in case.remarks if r not in self.common] for case in self.cases}
        for name, found in outliers(self.cases).items():
            remarks[name] += found
        for pair in duplicates(self.cases):
            patients = {case.name: case.patient for case in self.cases}
            code = "duplicate" if patients[pair.case] == patients[pair.other] else "duplicate-across-patients"
            back = Overlap(pair.other, pair.case, "", pair.likeness)
            remarks[pair.case].append(Remark(code, pair.sentence))
            remarks[pair.other].append(Remark(code, back.sentence))
        for pair in self.overlaps:
            remarks[pair.case].append(Remark("in-other-dataset", pair.sentence))
        for name, remark in _unusual_flips(self.cases):
            remarks[name].append(remark)
        object.__setattr__(self, "remarks", {name: found for name, found in remarks.items() if found})

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``quality.json``."""
        return {
            "format": REPORT_FORMAT,
            "created_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "software": f"PancreasSeg {__version__}",
            "dataset": {name: getattr(self, name) for name in ("title", "licence", "reference", "kin")},
            "labels": list(self.labels),
            "histogram_edges_hu": list(HISTOGRAM_EDGES_HU),
            "left_out": [asdict(case) for case in self.left_out],
            "failed": [asdict(case) for case in self.failed],
            "compared_with": list(self.compared),
            "overlaps": [asdict(overlap) for overlap in self.overlaps],
            "common_remarks": [{**asdict(remark), "cases": count} for remark, count in self.common.items()],
            "remarks": {name: [asdict(remark) for remark in found] for name, found in self.remarks.items()},
            "cases": [case.to_json() for case in self.cases],
        }


def _unusual_flips(cases: Sequence[CaseQuality]) -> list[tuple[str, Remark]]:
    """Return the cases whose label was turned another way than those of most."""
    flips = {case.name: case.facts["label_flip"] for case in cases if "label_flip" in case.facts}
    if len(flips) < 3:
        return []
    usual, count = Counter(flips.values()).most_common(1)[0]
    sentence = f"Its label was flipped otherwise than those of {count} of {len(flips)} cases (flip {usual})."
    return [
        (name, Remark("flip-unusual", f"{sentence} Here: {flip}."))
        for name, flip in flips.items()
        if flip != usual
    ]
