"""What the scores of many corrections say together: curves, corrections that are needed, gain, harm, latency."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from PancreasSegLib.evaluation.correction_benchmark import CorrectionScore

REPORTED = (0, 1, 2, 3, 5, 10)
"""Numbers of corrections that tables show."""

GOALS = (0.85, 0.90)
BAD_DICE = 0.6
MEASURES = ("dice", "nsd_1mm", "nsd_2mm", "nsd_3mm", "rim_dice")
_EQUAL = 1e-9
"""Differences of Dice below this are rounding."""

Series = Mapping[str, Sequence[CorrectionScore]]
"""The scores of a method by case, from correction 0 on."""


def series_of(scores: Sequence[CorrectionScore]) -> dict[str, dict[str, list[CorrectionScore]]]:
    """Return the scores by method and case, in the order of the corrections."""
    found: dict[str, dict[str, list[CorrectionScore]]] = {}
    for score in sorted(scores, key=lambda score: score.correction):
        found.setdefault(score.method, {}).setdefault(score.case, []).append(score)
    return found


def groups_of(series: Series) -> dict[str, list[str]]:
    """Return the cases by group: all, those that start below 0.6 Dice, the worst third, and all but these.

    Cases are ranked by the Dice of the model's mask; the third is rounded up. Empty groups are left out.
    """
    ranked = sorted(series, key=lambda case: (series[case][0].dice, case))
    worst = ranked[: math.ceil(len(ranked) / 3)]
    below = [case for case in ranked if series[case][0].dice < BAD_DICE]
    bad = {*worst, *below}
    groups = {
        "all": sorted(ranked),
        f"below {BAD_DICE:g}": sorted(below),
        "worst third": sorted(worst),
        "rest": sorted(case for case in ranked if case not in bad),
    }
    return {name: cases for name, cases in groups.items() if cases}


def summarise(scores: Sequence[CorrectionScore]) -> dict[str, Any]:
    """Return everything that the report says, by method; ready for JSON.

    Returns
    -------
    dict
        ``groups`` (cases by group) and ``methods``: by name ``groups`` (by group ``curves``: by measure the spread
        after each number of corrections; ``to_reach``: corrections until 0.85 and 0.90; ``gain``), ``harm``,
        ``against_painting``, ``latency_s`` and ``learning_s``.
    """
    methods = series_of(scores)
    # Every method starts from the same masks, so the groups are the same too.
    groups = groups_of({case: scores for series in methods.values() for case, scores in series.items()})
    return {
        "groups": groups,
        "methods": {
            name: {
                "groups": {
                    group: _of_group([series[case] for case in cases if case in series])
                    for group, cases in groups.items()
                    if any(case in series for case in cases)
                },
                "harm": harm(series),
                "against_painting": against_painting(series),
                "latency_s": latency(series),
                "learning_s": learning(series),
            }
            for name, series in methods.items()
        },
    }


def corrections_to(goal: float, series: Sequence[CorrectionScore]) -> int | None:
    """Return after how many corrections a case first has that Dice, None if it never has."""
    return next((score.correction for score in series if score.dice >= goal), None)


def harm(series: Series) -> dict[str, Any]:
    """Return how often, how much and where a correction made Dice worse."""
    steps = [(after.dice - before.dice, after) for before, after in _steps(series)]
    worse = sorted((step for step in steps if step[0] < -_EQUAL), key=lambda step: step[0])
    changed = sum(score.changed_ml for _, score in steps)
    return {
        "corrections": len(steps),
        "worse": len(worse),
        "share": len(worse) / len(steps) if steps else None,
        "mean_loss": float(np.mean([-loss for loss, _ in worse])) if worse else 0.0,
        "largest_loss": -worse[0][0] if worse else 0.0,
        "largest_at": _place(worse[0][1]) if worse else None,
        "wrongly_changed_share": sum(score.wrongly_changed_ml for _, score in steps) / changed
        if changed
        else None,
    }


def against_painting(series: Series) -> dict[str, Any]:
    """Return where the marks, painted plainly, would have given a better Dice.

    ``this_mark`` compares with the last mark painted on the mask before it, ``all_marks`` with all marks so far
    painted on the model's mask.
    """
    after = [score for _, score in _steps(series)]
    return {
        name: _exceptions([(getattr(score, column) - score.dice, score) for score in after])
        for name, column in (("this_mark", "dice_painted"), ("all_marks", "dice_all_painted"))
    }


def latency(series: Series) -> dict[str, float | int | None]:
    """Return median, 95th percentile and maximum of the seconds of a correction."""
    return _times([score.seconds for _, score in _steps(series)])


def learning(series: Series) -> dict[str, float | int | None]:
    """Return the same of the seconds in which the patient was learnt after a correction."""
    seconds = [score.learning_seconds for _, score in _steps(series)]
    return _times([value for value in seconds if not math.isnan(value)])


def _times(seconds: Sequence[float]) -> dict[str, float | int | None]:
    if not seconds:
        return {"corrections": 0, "median": None, "p95": None, "max": None}
    return {
        "corrections": len(seconds),
        "median": float(np.median(seconds)),
        "p95": float(np.quantile(seconds, 0.95)),
        "max": float(max(seconds)),
    }


def _of_group(cases: Sequence[Sequence[CorrectionScore]]) -> dict[str, Any]:
    columns: dict[str, list[dict[str, float]]] = defaultdict(list)
    for after in zip(*cases, strict=True):
        for measure in MEASURES:
            columns[measure].append(_spread([getattr(score, measure) for score in after]))
        columns["absolute_volume_error_ml"].append(_spread([abs(score.volume_error_ml) for score in after]))
    gains = [after.dice - before.dice for case in cases for before, after in _made(case)]
    return {
        "cases": len(cases),
        "curves": dict(columns),
        "to_reach": {f"{goal:.2f}": _to_reach(goal, cases) for goal in GOALS},
        "gain": {
            "mean_a_correction": float(np.mean(gains)) if gains else None,
            "corrections": len(gains),
        },
    }


def _to_reach(goal: float, cases: Sequence[Sequence[CorrectionScore]]) -> dict[str, Any]:
    """Return by how many corrections a goal is reached; the median is None where half the cases never reach it."""
    needed = [corrections_to(goal, case) for case in cases]
    median = float(np.median([math.inf if count is None else count for count in needed]))
    return {
        "by_case": {case[0].case: count for case, count in zip(cases, needed, strict=True)},
        "reached": sum(count is not None for count in needed),
        "median": median if math.isfinite(median) else None,
    }


def _exceptions(differences: Sequence[tuple[float, CorrectionScore]]) -> dict[str, Any]:
    worse = sorted((pair for pair in differences if pair[0] > _EQUAL), key=lambda pair: -pair[0])
    return {
        "corrections": len(differences),
        "worse": len(worse),
        "mean_difference": float(np.mean([size for size, _ in worse])) if worse else 0.0,
        "largest_difference": worse[0][0] if worse else 0.0,
        "largest_at": _place(worse[0][1]) if worse else None,
    }


def _steps(series: Series) -> list[tuple[CorrectionScore, CorrectionScore]]:
    return [step for case in series.values() for step in _made(case)]


def _made(case: Sequence[CorrectionScore]) -> list[tuple[CorrectionScore, CorrectionScore]]:
    """Return before and after of the corrections that were made, none where nothing was wrong any more."""
    return [(before, after) for before, after in pairwise(case) if after.mark]


def _place(score: CorrectionScore) -> dict[str, Any]:
    return {"case": score.case, "correction": score.correction}


def _spread(values: Sequence[float]) -> dict[str, float]:
    array = np.asarray(values, dtype=float)
    q1, median, q3 = np.quantile(array, (0.25, 0.5, 0.75))
    return {
        "mean": float(array.mean()),
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
        "min": float(array.min()),
        "max": float(array.max()),
    }
