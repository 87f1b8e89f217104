"""The tables of an evaluation report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PancreasSegLib.evaluation.case_score import CaseScore
from PancreasSegLib.evaluation.confidence import ConfidenceQuality
from PancreasSegLib.evaluation.intervals import Interval
from PancreasSegLib.evaluation.paired import PairedComparison
from PancreasSegLib.evaluation.strata import Stratum
from PancreasSegLib.evaluation.summary import LabelSummary
from PancreasSegLib.report.html_page import table
from PancreasSegLib.report.measures import DEFINITIONS

_SIGNED = ("volume_error_ml",)


def digits(value: float | None, measure: str = "dice", *, signed: bool = False) -> str:
    """Return a number with the digits that its measure wants: shares three, mm, mL and s one; a dash for none."""
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and value > 0 else "–"
    shown = f"{value:+.3f}" if signed else f"{value:.3f}"
    if measure.endswith(("_hu", "_mm", "_ml", "seconds")) and not measure.startswith("nsd"):
        shown = f"{value:+.1f}" if signed else f"{value:.1f}"
    return shown.replace("-", "−")


def between(interval: Interval | None, measure: str = "dice", *, signed: bool = False) -> str:
    """Return an interval in words."""
    if interval is None:
        return "–"
    return f"{digits(interval.low, measure, signed=signed)} to {digits(interval.high, measure, signed=signed)}"


def measures_table(name: str, summary: LabelSummary) -> str:
    """Return every measure of one model: mean with interval, spread, median with quartiles, extremes."""
    rows = []
    for measure, values in summary.measures.items():
        if not values["cases"] and not values["infinite"]:
            continue
        signed = measure in _SIGNED
        low, high = values.get("min"), values.get("max")
        rows.append(
            [
                DEFINITIONS[measure][0],
                digits(values["mean"], measure, signed=signed),
                between(summary.intervals[measure], measure, signed=signed),
                digits(values.get("sd"), measure),
                digits(values.get("median"), measure, signed=signed),
                f"{digits(values.get('q1'), measure, signed=signed)} to "
                f"{digits(values.get('q3'), measure, signed=signed)}",
                f"{digits(low, measure, signed=signed)} to {digits(high, measure, signed=signed)}",
                f"{values['cases']}" + (f" (+{values['infinite']} infinite)" if values["infinite"] else ""),
            ]
        )
    head = ["Measure", "Mean", "95 % CI", "SD", "Median", "Quartiles", "Least to most", "Cases"]
    return table(f"{name}: all measures", head, rows)


def overview_table(label: str, summaries: Mapping[str, LabelSummary]) -> str:
    """Return the main figures, a row a model."""
    shown = ("nsd_2mm", "nsd_3mm", "hd95_mm", "volume_error_ml")
    rows = []
    for name, summary in summaries.items():
        m = summary.measures
        rows.append(
            [
                name,
                digits(m["dice"]["mean"]),
                between(summary.intervals["dice"]),
                digits(m["dice"].get("min")),
                *(digits(m[key]["mean"], key, signed=key in _SIGNED) for key in shown),
                f"{m['dice']['cases']}",
                _outcomes(summary),
            ]
        )
    head = ["Model", "Dice", "95 % CI", "worst", *(DEFINITIONS[key][0] for key in shown), "cases", "empty masks"]
    return table(f"Means for the {label}", head, rows, words=(len(head) - 1,))


def labels_table(summaries: Mapping[str, Mapping[str, LabelSummary]], models: Sequence[str]) -> str:
    """Return Dice and surface Dice, a row a label and a pair of columns a model."""
    rows = []
    for label, by_model in summaries.items():
        row = [label]
        for name in models:
            found = by_model.get(name)
            if found is None:
                row += ["–", "–", "–"]
            else:
                dice, nsd = (digits(found.measures[key]["mean"]) for key in ("dice", "nsd_2mm"))
                row += [dice, between(found.intervals["dice"]), nsd]
        rows.append(row)
    several = len(models) > 1
    head = ["Label"]
    for name in models:
        prefix = f"{name}: " if several else ""
        head += [f"{prefix}Dice", "95 % CI", f"{prefix}NSD 2 mm"]
    return table("Means of every label", head, rows)


def _outcomes(summary: LabelSummary) -> str:
    named = {"missed": "missed", "invented": "invented", "both empty": "rightly empty"}
    found = [f"{summary.outcomes[key]} {word}" for key, word in named.items() if summary.outcomes[key]]
    if summary.outcomes["refused"]:
        found.append(f"{summary.outcomes['refused']} refused")
    return ", ".join(found) or "none"


def comparison_table(label: str, comparisons: Sequence[PairedComparison]) -> str:
    """Return the differences of every pair of models."""
    corrected = any(c.p_holm != c.p for c in comparisons)
    rows = []
    for c in comparisons:
        p = "–" if c.p is None else _p(c.p)
        rows.append(
            [
                f"{c.second} − {c.first}",
                DEFINITIONS[c.measure][0],
                digits(c.mean_difference, c.measure, signed=True),
                between(c.interval, c.measure, signed=True),
                digits(c.median_difference, c.measure, signed=True),
                f"{c.better} / {c.worse} / {c.equal}",
                p + ("" if c.exact else " (approximate)"),
                *([_p(c.p_holm) if c.p_holm is not None else "–"] if corrected else []),
                f"{c.cases}" + (f" ({c.infinite} infinite)" if c.infinite else ""),
            ]
        )
    head = ["Pair", "Measure", "Mean difference", "95 % CI", "Median difference", "better / worse / equal", "p"]
    head += [*(["p, Holm"] if corrected else []), "cases"]
    return table(f"Pairs of models on the same cases, {label}", head, rows, words=(1,))


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def strata_table(name: str, strata: Sequence[Stratum]) -> str:
    """Return the parts of a cohort."""
    rows = [
        [
            f"{s.trait}: {s.name}",
            f"{s.cases}",
            digits(s.dice),
            between(s.interval),
            digits(s.lowest_dice),
            digits(s.nsd_2mm),
            digits(s.hd95_mm, "hd95_mm"),
            digits(s.volume_error_ml, "volume_error_ml", signed=True),
        ]
        for s in strata
    ]
    head = ["Part", "cases", "Dice", "95 % CI", "worst", "NSD 2 mm", "HD95, mm", "Volume error, mL"]
    return table(f"{name}: by spacing, volume and contrast (means)", head, rows)


def confidence_table(qualities: Mapping[str, ConfidenceQuality]) -> str:
    """Return ranking and calibration, a column a model."""
    found = list(qualities.values())
    limit = found[0].failure_dice
    rows = [
        ["Spearman's rank correlation with Dice", *(digits(q.spearman, signed=True) for q in found)],
        [f"AUROC: a Dice below {limit:g} has the lower confidence", *(digits(q.auroc) for q in found)],
        [f"masks below {limit:g}", *(f"{q.failures} of {q.cases}" for q in found)],
        ["mean expected Dice", *(digits(q.reported.mean_expected) for q in found)],
        ["mean true Dice", *(digits(q.reported.mean_true) for q in found)],
        ["bias (expected minus true)", *(digits(q.reported.bias, signed=True) for q in found)],
        ["mean absolute difference", *(digits(q.reported.mae) for q in found)],
    ]
    if any(q.left_out for q in found):
        rows += [
            ["bias, refitted", *(digits(q.left_out.bias if q.left_out else None, signed=True) for q in found)],
            [
                "mean absolute difference, refitted",
                *(digits(q.left_out.mae if q.left_out else None) for q in found),
            ],
            ["temperatures of these fits", *(" to ".join(f"{t:.2f}" for t in q.temperatures) for q in found)],
        ]
    return table("Confidence against true Dice", ["", *qualities], rows)


def cases_table(name: str, scores: Sequence[CaseScore]) -> str:
    """Return every case of one model and label."""
    shown = ("dice", "nsd_1mm", "nsd_2mm", "nsd_3mm", "nsd_5mm", "hd95_mm", "assd_mm", "precision", "recall")
    rows = [
        [
            score.case,
            *(digits(getattr(score, key), key) for key in shown),
            digits(score.volume_ml, "volume_ml"),
            digits(score.reference_ml, "reference_ml"),
            digits(score.confidence),
            digits(score.traits.slice_mm, "slice_mm"),
            digits(score.traits.organ_hu, "organ_hu"),
            score.error,
        ]
        for score in scores
    ]
    head = ["Case", *(DEFINITIONS[key][0] for key in shown), "mL", "reference mL", "expected Dice", "slices, mm"]
    head += ["organ HU", "refused, since"]
    return table(f"{name}: every case", head, rows, words=(len(head) - 1,))
