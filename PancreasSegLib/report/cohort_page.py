"""The page about a cohort: where its scans went, what was measured, what stands out, and a methods paragraph."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib._version import __version__
from PancreasSegLib.measure import MEASURES
from PancreasSegLib.report.figures import SERIES, new_plot, svg
from PancreasSegLib.report.html_page import figure, page, paragraph, section, table, text

if TYPE_CHECKING:
    from PancreasSegLib.cohort.summary import CohortSummary

_MOST_GROUPS = 12
_LEAST_FOR_CORRELATION = 5


def cohort_page(summary: CohortSummary) -> str:
    """Return the page as HTML in one piece; it holds no name, date or path."""
    rows = summary.rows
    body = [
        f"<h1>{text(summary.name)}</h1>",
        paragraph(f"{len(rows)} pancreases measured by {_model(summary)}, {summary.about['software']}.", "by"),
        section("Scans", "scans", *_flow(summary)),
        section("Measurements", "measurements", *_measurements(summary)),
        *(_covariate(summary, name) for name in summary.covariates),
        section("Outliers", "outliers", *_outliers(summary)),
        section("Least sure", "least-sure", *_least_sure(summary)),
        section("Methods", "methods", *_methods(summary)),
        paragraph(f"PancreasSeg {__version__}. Research use, not a medical device.", "by"),
    ]
    return page(f"{summary.name}: pancreas", body)


def _model(summary: CohortSummary) -> str:
    return f"the model {summary.about['model']['name']} {summary.about['model']['version']}"


def _flow(summary: CohortSummary) -> list[str]:
    parts = [table("How many there were.", ["", "number"], [[name, str(count)] for name, count in summary.flow])]
    if summary.left_out:
        rows = [[why, str(count)] for why, count in summary.left_out.items()]
        parts.append(table("Series that were not chosen.", ["why", "series"], rows))
    if summary.unfinished:
        rows = [[why, str(count)] for why, count in summary.unfinished.items()]
        parts.append(table("Scans without measurements.", ["why", "scans"], rows))
    return parts


def _values(rows: Sequence[dict[str, Any]], measure: str) -> list[float]:
    return [float(row[measure]) for row in rows if row.get(measure) is not None]


def _heading(measure: str) -> str:
    unit = MEASURES[measure].unit
    return f"{MEASURES[measure].heading}{f', {unit}' if unit else ''}"


def _measured(summary: CohortSummary, least: int = 1) -> list[str]:
    """Return the measurements that have so many different values."""
    from PancreasSegLib.cohort.outliers import LOOKED_AT

    return [name for name in LOOKED_AT if len(set(_values(summary.rows, name))) >= least]


def _measurements(summary: CohortSummary) -> list[str]:
    names = _measured(summary)
    if not names:
        return [paragraph("No scan was measured.")]
    lines = [[_heading(name), *_described(_values(summary.rows, name))] for name in names]
    parts = [
        table("Over all scans.", ["measure", "n", "mean", "SD", "median", "10 to 90 %", "least", "most"], lines)
    ]
    varied = _measured(summary, 2)
    for start in range(0, len(varied), 4):
        chosen = varied[start : start + 4]
        drawn, axes = new_plot(2.6 * len(chosen), 2.2, columns=len(chosen))
        for axis, name in zip(axes, chosen, strict=True):
            axis.hist(_values(summary.rows, name), bins="auto", color=SERIES[0], alpha=0.8)
            axis.set_xlabel(_heading(name), fontsize=9)
        axes[0].set_ylabel("scans", fontsize=9)
        shown = ", ".join(MEASURES[name].heading.lower() for name in chosen)
        parts.append(figure(svg(drawn, f"histograms of {shown}"), f"Distribution of {shown}."))
    phases = Counter(row["phase"] for row in summary.rows if row.get("phase"))
    if phases:
        said = ", ".join(f"{phase} {count}" for phase, count in phases.most_common())
        parts.append(paragraph(f"Contrast phase, by HU of aorta, liver and kidneys: {said}."))
    return parts


def _described(values: Sequence[float]) -> list[str]:
    low, high = np.percentile(values, [10, 90])
    numbers = [np.mean(values), np.std(values, ddof=1) if len(values) > 1 else float("nan"), np.median(values)]
    return [
        str(len(values)),
        *(f"{number:.3g}" for number in numbers),
        f"{low:.3g} to {high:.3g}",
        f"{min(values):.3g}",
        f"{max(values):.3g}",
    ]


def _covariate(summary: CohortSummary, column: str) -> str:
    name = column.removeprefix("given: ")
    given = [row[column] for row in summary.rows if row.get(column) not in (None, "")]
    anchor = f"by-{name}"
    if given and all(isinstance(value, float) for value in given) and len(set(given)) > 5:
        return section(f"By {name}", anchor, *_against_number(summary, column, name))
    return section(f"By {name}", anchor, *_by_group(summary, column, name))


def _against_number(summary: CohortSummary, column: str, name: str) -> list[str]:
    """Show each measure against a covariate that is a number, with Spearman's rank correlation."""
    from scipy.stats import spearmanr

    lines = []
    chosen = _measured(summary, 2)[:4]
    drawn, axes = new_plot(2.6 * max(1, len(chosen)), 2.4, columns=max(1, len(chosen)))
    for axis, measure in zip(axes, chosen, strict=False):
        pairs = [
            (row[column], row[measure]) for row in summary.rows if None not in (row.get(column), row.get(measure))
        ]
        x, y = np.array(pairs, dtype=float).T if pairs else (np.zeros(0), np.zeros(0))
        axis.plot(x, y, ".", color=SERIES[0], markersize=4, alpha=0.7)
        axis.set_xlabel(name, fontsize=9)
        axis.set_ylabel(_heading(measure), fontsize=9)
        if len(set(x)) >= _LEAST_FOR_CORRELATION and len(set(y)) > 1:
            found = spearmanr(x, y)
            lines.append([_heading(measure), str(len(pairs)), f"{found.statistic:.2f}", f"{found.pvalue:.2g}"])
    head = ["measure", "n", "rank correlation", "p"]
    caption = f"Spearman's rank correlation with {name}; p is two-sided and not corrected for many tests."
    return [
        figure(svg(drawn, f"measurements against {name}"), "Each point is a scan."),
        table(caption, head, lines),
    ]


def _by_group(summary: CohortSummary, column: str, name: str) -> list[str]:
    """Show each measure in the groups of a covariate, with the Kruskal-Wallis test."""
    from scipy.stats import kruskal

    groups: dict[str, list[dict[str, Any]]] = {}
    for row in summary.rows:
        said = row.get(column)
        groups.setdefault("not given" if said in (None, "") else _short(said), []).append(row)
    largest = dict(sorted(groups.items(), key=lambda item: -len(item[1]))[:_MOST_GROUPS])
    lines = []
    for measure in _measured(summary):
        of_groups = {group: _values(rows, measure) for group, rows in largest.items()}
        tested = [values for group, values in of_groups.items() if group != "not given" and len(values) > 1]
        p = f"{kruskal(*tested).pvalue:.2g}" if len(tested) > 1 and len({v for t in tested for v in t}) > 1 else ""
        for number, (group, values) in enumerate(of_groups.items()):
            if values:
                lines.append([_heading(measure) if number == 0 else "", group, *_described(values)[:5], p])
                p = ""
    head = ["measure", name, "n", "mean", "SD", "median", "10 to 90 %", "p"]
    caption = f"By {name}; p of the Kruskal-Wallis test, not corrected for many tests."
    more = len(groups) - len(largest)
    note = [paragraph(f"{more} smaller groups are left out.")] if more > 0 else []
    return [table(caption, head, lines, words=(1,)), *note]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _outliers(summary: CohortSummary) -> list[str]:
    if not summary.outliers:
        return [paragraph("No measurement lies far from the others.")]
    lines = [
        [found.scan, _heading(found.measure), f"{found.value:.4g}", f"{found.score:+.1f}"]
        for found in summary.outliers
    ]
    caption = (
        "Modified z score of 3.5 and more (Iglewicz and Hoaglin, 1993): far from the median, measured by the "
        "median distance. It may be the patient, or the mask."
    )
    pictures = [_picture(summary, scan) for scan in list(dict.fromkeys(f.scan for f in summary.outliers))[:10]]
    return [table(caption, ["scan", "measure", "value", "score"], lines, words=(1,)), *filter(None, pictures)]


def _least_sure(summary: CohortSummary) -> list[str]:
    parts = [paragraph("The masks whose expected Dice is lowest. Look at these first.")]
    for row in summary.least_sure:
        caption = f"expected Dice {row.get('confidence') or 0:.2f}, {row['volume_ml']:.1f} mL"
        parts.append(_picture(summary, row["scan"], caption) or paragraph(f"{row['scan']}: {caption}"))
    return parts


def _picture(summary: CohortSummary, scan: str, caption: str = "") -> str:
    place = summary.pictures.get(scan)
    if place is None:
        return ""
    data = base64.b64encode(place.read_bytes()).decode("ascii")
    said = f"{scan}{f': {caption}' if caption else ''}"
    return figure(f'<img alt="slices of scan {text(scan)}" src="data:image/jpeg;base64,{data}">', said)


def _methods(summary: CohortSummary) -> list[str]:
    """Return text for the methods of a paper, and what every measurement means."""
    about, counts = summary.about, dict(summary.flow)
    settings = about["settings"]
    sure = np.median(_values(summary.rows, "confidence") or [float("nan")])
    sentences = [
        f"Of {counts['series found']} CT series of {counts['patients']} patients, {counts['scans chosen']} scans "
        f"were chosen, one a study ({about['choice']}).",
        f"The pancreas was segmented with {_model(summary)} ({about['model']['description']}) of "
        f"{about['software']}, on {settings.get('device', 'auto')} with {settings.get('threads', 1)} threads a "
        "scan; no mask was edited.",
        f"{len(summary.rows)} scans were measured; the expected Dice, from the network's own probabilities, was "
        f"{sure:.2f} (median).",
        "Outliers and the scans of lowest confidence were listed for reading.",
    ]
    rows = [[m.heading, m.unit, m.definition] for name, m in MEASURES.items() if _values_exist(summary, name)]
    return [
        paragraph(" ".join(sentences)),
        table("Definitions.", ["measure", "unit", "definition"], rows, words=(1, 2)),
    ]


def _values_exist(summary: CohortSummary, name: str) -> bool:
    return any(row.get(name) is not None for row in summary.rows)
