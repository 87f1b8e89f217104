"""The table and the plot of a comparison of variants."""

from __future__ import annotations

import csv
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.evaluation import Cohort
from PancreasSegLib.evaluation.cohort import spread
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.networks.footprint import network_footprint
from PancreasSegLib.training.compare import VariantResult
from PancreasSegLib.training.plan import as_run
from PancreasSegLib.training.recipe import Recipe
from PancreasSegLib.training.run import network_tasks
from PancreasSegLib.training.stage_network import stage_arguments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#ffa826", "#56b4e9", "#f0e442", "#e6004d", "#80ffff", "#99cc99", "#804dff", "#b39966", "#996699")


@dataclass(frozen=True)
class VariantRow:
    """A line of the table.

    Attributes
    ----------
    variant, network : str
        Names.
    parameters : int
        Of the segmenter's network.
    gflops : float
        Of one forward pass over its training patch, and one volume of it.
    train_minutes, peak_memory_mb : float
        Of the training, all folds together.
    cases : int
        Held-out cases.
    dice_mean, dice_sd, dice_worst, nsd_3mm_mean : float
        Over the cases; of a case the mean over its labels. NaN where the variant failed.
    dice_by_label : dict of str to float
        Mean over the cases, by label.
    error : str
        Why it failed, else empty.
    """

    variant: str
    network: str
    parameters: int
    gflops: float
    train_minutes: float
    peak_memory_mb: float
    cases: int
    dice_mean: float
    dice_sd: float
    dice_worst: float
    nsd_3mm_mean: float
    dice_by_label: dict[str, float]
    error: str = ""


def comparison_row(result: VariantResult) -> VariantRow:
    """Sum up one variant."""
    recipe = as_run(result.recipe)
    stage = recipe.stages["segmenter"]
    arguments = stage_arguments(stage, len(recipe.data.labels))
    try:
        cost = network_footprint(stage.network, arguments, stage.patch_ijk, training=False)
        parameters, gflops = cost.parameters, cost.gflops
    except Exception:  # a variant whose network cannot be built has failed already, and says why
        parameters, gflops = 0, math.nan
    dice, nsd = case_means(result.cohort, "dice"), case_means(result.cohort, "nsd_3mm")
    found = spread(list(dice.values()))
    by_label = {
        label: _known(spread(result.cohort.of_label(label).values("dice"))["mean"])
        for label in result.cohort.labels
    }
    return VariantRow(
        result.name,
        stage.network,
        parameters,
        gflops,
        result.train_seconds / 60,
        result.peak_memory_mb,
        len(dice),
        _known(found["mean"]),
        _known(found.get("sd")),
        _known(found.get("min")),
        _known(spread(list(nsd.values()))["mean"]),
        by_label,
        result.error,
    )


def case_means(cohort: Cohort, measure: str) -> dict[str, float]:
    """Return a measure by case, the mean over its labels."""
    found: dict[str, list[float]] = {}
    for score in cohort.scores:
        found.setdefault(score.case, []).append(float(getattr(score, measure)))
    return {case: float(np.mean(values)) for case, values in found.items()}


def write_comparison(folder: Path, recipe: Recipe, results: Sequence[VariantResult]) -> list[VariantRow]:
    """Write ``comparison.csv``, ``.json``, ``.md`` and ``.png``, and ``cases.csv`` with every score.

    Parameters
    ----------
    folder : Path
        Where to.
    recipe : Recipe
        The recipe with the variants.
    results : sequence of VariantResult
        In the order of the table.

    Returns
    -------
    list of VariantRow

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    rows = [comparison_row(result) for result in results]
    _write_csv(folder / "comparison.csv", rows)
    about = _about(recipe, results)
    content = {"about": about, "variants": [_plain(vars(row)) for row in rows]}
    _write_text(folder / "comparison.json", json.dumps(content, indent=2, allow_nan=False))
    _write_text(folder / "comparison.md", _markdown(recipe, rows, about))
    _write_cases(folder / "cases.csv", results)
    write_comparison_plot(folder / "comparison.png", recipe, results)
    return rows


def _about(recipe: Recipe, results: Sequence[VariantResult]) -> dict[str, Any]:
    import torch

    from PancreasSegLib._version import __version__

    stage = recipe.stages["segmenter"]
    return {
        "recipe": recipe.name,
        "dataset": recipe.data.root.name,
        "labels": list(recipe.data.written),
        "steps": stage.total_steps,
        "time_limit_minutes": stage.time_limit_minutes,
        "cases": sorted({score.case for result in results for score in result.cohort.scores}),
        "library": __version__,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }


def _write_csv(path: Path, rows: Sequence[VariantRow]) -> None:
    labels = list(dict.fromkeys(label for row in rows for label in row.dice_by_label))
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        plain = [name for name in vars(rows[0]) if name != "dice_by_label"]
        writer.writerow([*plain, *(f"dice {label}" for label in labels)])
        for row in rows:
            values = [getattr(row, name) for name in plain]
            values += [row.dice_by_label.get(label, math.nan) for label in labels]
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])


def _write_cases(path: Path, results: Sequence[VariantResult]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter | None = None
        for result in results:
            for score in result.cohort.scores:
                row = {"variant": result.name, **score.row()}
                if writer is None:
                    writer = csv.DictWriter(file, list(row))
                    writer.writeheader()
                writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def _markdown(recipe: Recipe, rows: Sequence[VariantRow], about: dict[str, Any]) -> str:
    labels = list(dict.fromkeys(label for row in rows for label in row.dice_by_label))
    titles = ["Variant", "Network", "Parameters", "GFLOPs", "Minutes", "Memory", "Dice", "worst", "NSD 3 mm"]
    titles += [f"Dice {label}" for label in labels] if len(labels) > 1 else []
    lines = [f"# {recipe.name}: variants compared", "", recipe.description, ""]
    lines += ["| " + " | ".join(titles) + " |", "|" + "---|" * 2 + "---:|" * (len(titles) - 2)]
    for row in rows:
        cells = [row.variant, row.network, *table_cells(row)]
        cells += [number(row.dice_by_label.get(label, math.nan)) for label in labels] if len(labels) > 1 else []
        lines.append("| " + " | ".join(cells) + " |")
    failed = [f"- {row.variant} failed: {row.error}" for row in rows if row.error]
    budget = f"{about['steps']} steps"
    if about["time_limit_minutes"]:
        budget += f", at most {about['time_limit_minutes']:g} minutes a network"
    lines += ["", *failed, *([""] if failed else [])]
    lines.append(
        f"{len(about['cases'])} held-out case(s) of {about['dataset']}, on the CTs' own grids, by the exported "
        f"packages. Budget: {budget}."
    )
    lines.append(
        "GFLOPs: one forward pass over the training patch. Minutes and memory: of the training, all folds "
        f"together, on {about['threads']} thread(s) of {about['processor']} where no GPU is used."
    )
    lines.append("Dice: mean over the cases with SD; of a case the mean over its labels.")
    return "\n".join(lines) + "\n"


def table_cells(row: VariantRow) -> list[str]:
    """Return the figures of a line as a person reads them, from parameters to NSD."""
    dice = number(row.dice_mean) + (f" ± {row.dice_sd:.3f}" if math.isfinite(row.dice_sd) else "")
    return [
        (f"{row.parameters / 1e6:.1f} M" if row.parameters >= 1e5 else str(row.parameters))
        if row.parameters
        else "-",
        f"{row.gflops:.3g}" if math.isfinite(row.gflops) else "-",
        f"{row.train_minutes:.1f}",
        f"{row.peak_memory_mb / 1024:.1f} GB",
        dice,
        number(row.dice_worst),
        number(row.nsd_3mm_mean),
    ]


def number(value: float) -> str:
    """Return a score as text, a dash where there is none."""
    return f"{value:.3f}" if math.isfinite(value) else "-"


def write_comparison_plot(path: Path, recipe: Recipe, results: Sequence[VariantResult]) -> None:
    """Draw the Dice on held-out patients while training, and the Dice of every case at the end."""
    from PancreasSegLib.pictures.style import FAINT, TEXT, new_figure, write_figure

    figure = new_figure(1200, 520)
    curves, strips = figure.subplots(1, 2, width_ratios=[1, 1.1])
    figure.subplots_adjust(left=0.07, right=0.98, top=0.86, bottom=0.14, wspace=0.22)
    for axes in (curves, strips):
        _style(axes)
    for position, result in enumerate(results):
        colour = _COLOURS[position % len(_COLOURS)]
        steps, values = training_curve(result.recipe)
        if steps:
            curves.plot(steps, values, color=colour, marker="o", markersize=3, linewidth=1.5, label=result.name)
        dice = list(case_means(result.cohort, "dice").values())
        if not dice:
            strips.text(position, 0.5, "failed", color=colour, ha="center", va="center", rotation=90)
            continue
        spots = position + np.linspace(-0.22, 0.22, len(dice)) if len(dice) > 1 else [position]
        strips.scatter(spots, sorted(dice), color=colour, s=28, alpha=0.9, linewidths=0)
        strips.hlines(np.mean(dice), position - 0.32, position + 0.32, color=TEXT, linewidth=2)
    curves.set_xlabel("steps", color=FAINT, fontsize=10)
    curves.set_ylabel("Dice on the patches' grid, held-out patients", color=FAINT, fontsize=10)
    curves.set_title("While training", color=TEXT, fontsize=11)
    curves.set_ylim(0, 1)
    legend = curves.legend(fontsize=9, framealpha=0, loc="lower right", ncols=1 + (len(results) > 6))
    for text in legend.get_texts():
        text.set_color(TEXT)
    tilted = {"rotation": 20, "ha": "right"} if len(results) > 5 else {}
    strips.set_xticks(range(len(results)), [result.name for result in results], **tilted)
    strips.set_xlim(-0.6, len(results) - 0.4)
    strips.set_ylim(0, 1)
    strips.set_title("Every held-out case on the CT's grid, and the mean", color=TEXT, fontsize=11)
    figure.text(0.07, 0.94, f"{recipe.name}: {', '.join(recipe.data.written)}", color=TEXT, fontsize=13)
    write_figure(path, figure)


def training_curve(recipe: Recipe) -> tuple[list[int], list[float]]:
    """Return steps and Dice of the segmenter's first member, the mean over the labels that are written."""
    task = next(task for task in network_tasks(recipe) if task.name.startswith("segmenter"))
    file = task.folder / "validation.csv"
    steps, values = [], []
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as stream:
            for line in csv.DictReader(stream):
                known = [float(line[label]) for label in recipe.data.written if line.get(label)]
                known = [value for value in known if math.isfinite(value)]
                if known:
                    steps.append(int(line["step"]))
                    values.append(sum(known) / len(known))
    return steps, values


def _style(axes: Axes) -> None:
    from PancreasSegLib.pictures.style import BACKGROUND, FAINT

    axes.set_facecolor(BACKGROUND)
    axes.tick_params(colors=FAINT, labelsize=9)
    axes.grid(color=FAINT, alpha=0.2, linewidth=0.6)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(FAINT)


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
