"""Scores by what may make a case easy or hard: spacing, volume, contrast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.cohort import spread
from PancreasSegLib.evaluation.intervals import RESAMPLES, Interval, mean_interval

_SLICE_EDGES_MM = (1.5, 3.5)
_THIRDS_FROM = 9
_HALVES_FROM = 4


@dataclass(frozen=True)
class Stratum:
    """The scores of one part of a cohort.

    Attributes
    ----------
    trait : str
        What the cohort was divided by.
    name : str
        The part, with its limits.
    cases : int
        How many.
    dice, nsd_2mm, volume_error_ml : float
        Means.
    hd95_mm : float or None
        Mean of the finite ones.
    interval : Interval or None
        Of the mean Dice.
    lowest_dice : float
        The worst case.
    """

    trait: str
    name: str
    cases: int
    dice: float
    interval: Interval | None
    lowest_dice: float
    nsd_2mm: float
    hd95_mm: float | None
    volume_error_ml: float

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)


def stratify(scores: Sequence[CaseScore], *, resamples: int = RESAMPLES, seed: int = 0) -> list[Stratum]:
    """Divide the scores of one model and label by each trait, and sum up each part.

    Slices are divided at 1.5 and 3.5 mm. Volume, density and contrast are divided at the cohort's own tertiles
    (at the median below 9 cases, not at all below 4). Phases are those of `contrast_phase`. A trait with a
    single part, or that is not known, is left out.

    Parameters
    ----------
    scores : sequence of CaseScore
        Of one model and label.
    resamples, seed
        As for `mean_interval`.
    """
    with_organ = [score for score in scores if score.reference_ml > 0]
    divided: list[tuple[str, list[tuple[str, list[CaseScore]]]]] = [
        ("slice spacing", _at_edges(with_organ, lambda s: s.traits.slice_mm, _SLICE_EDGES_MM, "mm")),
        ("pixel spacing", _at_quantiles(with_organ, lambda s: s.traits.in_plane_mm, "mm", digits=2)),
        ("reference volume", _at_quantiles(with_organ, lambda s: s.reference_ml, "mL", digits=0)),
        ("contrast phase", _by_name(with_organ, lambda s: s.traits.phase)),
        ("organ density", _at_quantiles(with_organ, lambda s: s.traits.organ_hu, "HU", digits=0)),
        ("contrast with its rim", _at_quantiles(with_organ, lambda s: s.traits.rim_contrast_hu, "HU", digits=0)),
    ]
    return [
        _summed(trait, name, part, resamples, seed)
        for trait, parts in divided
        if len(parts) > 1
        for name, part in parts
    ]


def _summed(trait: str, name: str, part: Sequence[CaseScore], resamples: int, seed: int) -> Stratum:
    dices = [score.dice for score in part]
    interval = mean_interval(
        dices, [score.patient or score.case for score in part], resamples=resamples, seed=seed
    )
    return Stratum(
        trait,
        name,
        len(part),
        float(np.mean(dices)),
        interval,
        min(dices),
        float(np.mean([score.nsd_2mm for score in part])),
        spread([score.hd95_mm for score in part])["mean"],
        float(np.mean([score.volume_error_ml for score in part])),
    )


def _by_name(scores: Sequence[CaseScore], trait: Callable[[CaseScore], str]) -> list[tuple[str, list[CaseScore]]]:
    names = sorted({trait(score) for score in scores} - {""})
    return [(name, [score for score in scores if trait(score) == name]) for name in names]


def _at_quantiles(
    scores: Sequence[CaseScore], trait: Callable[[CaseScore], float], unit: str, digits: int
) -> list[tuple[str, list[CaseScore]]]:
    values = [trait(score) for score in scores if math.isfinite(trait(score))]
    if len(values) < _HALVES_FROM:
        return []
    shares = (1 / 3, 2 / 3) if len(values) >= _THIRDS_FROM else (0.5,)
    edges = sorted({round(float(edge), digits) for edge in np.quantile(values, shares)})
    return _at_edges(scores, trait, edges, unit)


def _at_edges(
    scores: Sequence[CaseScore], trait: Callable[[CaseScore], float], edges: Sequence[float], unit: str
) -> list[tuple[str, list[CaseScore]]]:
    """Return the parts between the edges, each without its upper edge; empty parts are left out."""
    limits = [-math.inf, *edges, math.inf]
    parts = []
    for low, high in pairwise(limits):
        part = [score for score in scores if low <= trait(score) < high]
        if part:
            parts.append((_between(low, high, unit), part))
    return parts


def _between(low: float, high: float, unit: str) -> str:
    if math.isinf(low):
        return f"below {high:g} {unit}"
    if math.isinf(high):
        return f"{low:g} {unit} and more"
    return f"{low:g} to {high:g} {unit}"
