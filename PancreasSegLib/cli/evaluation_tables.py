"""Scores as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.evaluation import Cohort
    from PancreasSegLib.evaluation.intervals import Interval
    from PancreasSegLib.evaluation.summary import Evaluation, LabelSummary


def cohort_table(cohort: Cohort) -> Table:
    """Return the cases of one model and the mean of each label."""
    from rich.table import Table

    several = len(cohort.labels) > 1
    table = Table("Case", *(f"{name}" for name in ("Dice", "NSD 3 mm", "HD95 mm", "mL", "reference mL", "s")))
    for s in cohort.scores:
        values = (s.dice, s.nsd_3mm, s.hd95_mm, s.volume_ml, s.reference_ml, s.seconds)
        name = f"{s.case}, {s.label}" if several else s.case
        table.add_row(name, *(f"{value:.3f}" if value < 1.5 else f"{value:.1f}" for value in values))
    table.add_section()
    for label in cohort.labels:
        summary = cohort.of_label(label).summary()
        means = [summary[name].get("mean") for name in ("dice", "nsd_3mm", "hd95_mm")]
        cells = ("-" if mean is None else f"{mean:.3f}" for mean in means)
        table.add_row(f"mean, {label}" if several else "mean", *cells, "", "", "")
    return table


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Return the figures of every label, a row a model, and of every pair of models."""
    columns: tuple[str, ...] = ("Dice", "95 % CI", "worst", "NSD 2", "NSD 3", "HD95", "mL off", "cases")
    found = []
    if len(evaluation.cohorts) == 1:
        (name,) = evaluation.cohorts
        found.append(_table(f"{name}: means", columns))
        for label, by_model in evaluation.summaries.items():
            found[0].add_row(label, *_means(by_model[name]))
    else:
        for label, by_model in evaluation.summaries.items():
            found.append(_table(f"{label}: means", columns))
            for name, summary in by_model.items():
                found[-1].add_row(name, *_means(summary))
    for label in evaluation.labels if evaluation.comparisons else ():
        columns = ("Dice", "95 % CI", "better/worse", "p" if len(evaluation.cohorts) == 2 else "p (Holm)")
        table = _table(f"{label}: differences on the same cases", columns)
        for pair in evaluation.comparisons:
            if pair.measure == "dice" and pair.label == label:
                table.add_row(
                    f"{pair.second} - {pair.first}",
                    _digits(pair.mean_difference, 3, signed=True),
                    _between(pair.interval, "+.3f"),
                    f"{pair.better}/{pair.worse}",
                    _digits(pair.p_holm, 3),
                )
        found.append(table)
    return found


def _means(summary: LabelSummary) -> list[str]:
    m = summary.measures
    return [
        _digits(m["dice"]["mean"], 3),
        _between(summary.intervals["dice"], ".3f"),
        _digits(m["dice"].get("min"), 3),
        _digits(m["nsd_2mm"]["mean"], 3),
        _digits(m["nsd_3mm"]["mean"], 3),
        _digits(m["hd95_mm"]["mean"], 1),
        _digits(m["volume_error_ml"]["mean"], 1, signed=True),
        str(m["dice"]["cases"]),
    ]


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return a table that fits a terminal of 80 columns; the first column names the row."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("", overflow="fold", max_width=24)
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right")
    return table


def _between(interval: Interval | None, form: str) -> str:
    return "-" if interval is None else f"{interval.low:{form}} to {interval.high:{form}}"


def _digits(value: float | None, digits: int, *, signed: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if signed else ''}.{digits}f}"
