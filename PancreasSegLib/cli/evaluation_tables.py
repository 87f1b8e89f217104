"""Scores as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from PancreasSegLib.evaluation import Cohort
    from PancreasSegLib.evaluation.summary import Evaluation


def cohort_table(cohort: Cohort) -> Table:
    """Return the cases of one model and their mean."""
    from rich.table import Table

    table = Table("Case", *(f"{name}" for name in ("Dice", "NSD 3 mm", "HD95 mm", "mL", "reference mL", "s")))
    for s in cohort.scores:
        values = (s.dice, s.nsd_3mm, s.hd95_mm, s.volume_ml, s.reference_ml, s.seconds)
        table.add_row(s.case, *(f"{value:.3f}" if value < 1.5 else f"{value:.1f}" for value in values))
    summary = cohort.summary()
    means = [summary[name].get("mean") for name in ("dice", "nsd_3mm", "hd95_mm")]
    table.add_section()
    table.add_row("mean", *("-" if mean is None else f"{mean:.3f}" for mean in means), "", "", "")
    return table


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Return the figures of every label and model, and of every pair of models, for the terminal."""
    from rich import box
    from rich.table import Table

    names = ("Dice (95 % CI)", "worst", "NSD 2 mm", "NSD 3 mm", "HD95 mm", "volume error mL", "cases")
    table = Table("Label", "Model", *names, box=box.SIMPLE_HEAD, padding=(0, 1))
    for label, by_model in evaluation.summaries.items():
        for name, summary in by_model.items():
            m, interval = summary.measures, summary.intervals["dice"]
            between = f" ({interval.low:.3f} to {interval.high:.3f})" if interval else ""
            figures = [_digits(m[key]["mean"], 3) for key in ("nsd_2mm", "nsd_3mm")]
            table.add_row(
                label,
                name,
                f"{_digits(m['dice']['mean'], 3)}{between}",
                _digits(m["dice"].get("min"), 3),
                *figures,
                _digits(m["hd95_mm"]["mean"], 1),
                _digits(m["volume_error_ml"]["mean"], 1, signed=True),
                str(m["dice"]["cases"]),
            )
    if not evaluation.comparisons:
        return [table]
    pairs = Table("Label", "Pair", "Dice difference (95 % CI)", "better/worse", "p", box=box.SIMPLE_HEAD)
    for pair in evaluation.comparisons:
        if pair.measure != "dice":
            continue
        between = f" ({pair.interval.low:+.3f} to {pair.interval.high:+.3f})" if pair.interval else ""
        difference = f"{_digits(pair.mean_difference, 3, signed=True)}{between}"
        shown = _digits(pair.p_holm if len(evaluation.cohorts) > 2 else pair.p, 3)
        pairs.add_row(pair.label, f"{pair.second} - {pair.first}", difference, f"{pair.better}/{pair.worse}", shown)
    return [table, pairs]


def _digits(value: float | None, digits: int, *, signed: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if signed else ''}.{digits}f}"
