"""The picture of a correction benchmark: curves by method and group, corrections that are needed, latency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PancreasSegLib.pictures.style import BACKGROUND, FAINT, OTHERS, OUTLINE, TEXT, new_figure, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "refine": OUTLINE,
    "learn": OTHERS[6],
    "weight-free": OTHERS[3],
    "random-walker": OTHERS[1],
    "online-head": OTHERS[2],
    "grow-from-seeds": OTHERS[0],
    "paint": OTHERS[7],
}
_MOST_SHADED = 3  # more would hide each other
_MEASURES = {"dice": "Dice", "nsd_2mm": "Surface Dice at 2 mm"}


def write_plot(path: str | Path, summary: dict[str, Any], title: str) -> None:
    """Draw medians with quartiles by group, and the time of a correction.

    Parameters
    ----------
    path : str or Path
        The picture; its extension names the format.
    summary : dict
        As `PancreasSegLib.evaluation.correction_curves.summarise` gives it.
    title : str
        Headline.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    groups, methods = summary["groups"], summary["methods"]
    columns = len(groups) + 1
    figure = new_figure(320 * columns + 80, 640)
    grid = figure.add_gridspec(
        2, columns, left=0.8 / (3.2 * columns + 0.8), right=0.985, top=0.86, bottom=0.09, wspace=0.26, hspace=0.36
    )
    for row, (measure, name) in enumerate(_MEASURES.items()):
        low = _lowest(methods, groups, measure)
        for column, (group, cases) in enumerate(groups.items()):
            axes = figure.add_subplot(grid[row, column])
            _style(axes)
            _draw_curves(axes, methods, group, measure)
            axes.set_ylim(low, 1.0)
            if row == 0:
                axes.set_title(f"{group} ({len(cases)})", color=TEXT, fontsize=10)
            else:
                axes.set_xlabel("corrections", color=FAINT, fontsize=9)
            if column == 0:
                axes.set_ylabel(name, color=TEXT, fontsize=10)
    _draw_latency(figure.add_subplot(grid[0, -1]), methods)
    _draw_harm(figure.add_subplot(grid[1, -1]), methods)
    handles = figure.axes[0].get_lines()[: len(methods)]
    figure.legend(
        handles,
        list(methods),
        loc="upper right",
        bbox_to_anchor=(0.99, 0.95),
        ncols=len(methods),
        frameon=False,
        labelcolor=TEXT,
        fontsize=10,
    )
    figure.text(0.01, 0.965, title, color=TEXT, fontsize=12, va="center")
    shaded = "" if len(methods) <= _MOST_SHADED else f" of {next(iter(methods))}"
    note = f"Median over cases, quartiles{shaded} shaded"
    figure.text(0.01, 0.925, note, color=FAINT, fontsize=9, va="center")
    write_figure(path, figure)


def colour_of(method: str, number: int) -> str:
    """Return a method's colour, the same in every picture."""
    return COLOURS.get(method, OTHERS[(number + 1) % len(OTHERS)])


def _draw_curves(axes: Axes, methods: dict[str, Any], group: str, measure: str) -> None:
    for number, (name, method) in enumerate(methods.items()):
        if group not in method["groups"]:
            axes.plot([], [], color=colour_of(name, number))
            continue
        curve = method["groups"][group]["curves"][measure]
        x = np.arange(len(curve))
        colour = colour_of(name, number)
        if number == 0 or len(methods) <= _MOST_SHADED:
            low, high = [p["q1"] for p in curve], [p["q3"] for p in curve]
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, [p["median"] for p in curve], color=colour, linewidth=1.8, marker="o", markersize=3)
    if measure == "dice":
        for goal in (0.85, 0.90):
            axes.axhline(goal, color=FAINT, linewidth=0.7, linestyle=(0, (4, 4)))


def _draw_latency(axes: Axes, methods: dict[str, Any]) -> None:
    """Draw the median with a whisker to the 95th percentile."""
    _style(axes)
    axes.set_title("Time of a correction", color=TEXT, fontsize=10)
    for number, (name, method) in enumerate(methods.items()):
        found = method["latency_s"]
        if found["median"] is None:
            continue
        colour = colour_of(name, number)
        axes.barh(number, found["median"], color=colour, height=0.55)
        axes.plot([found["median"], found["p95"]], [number, number], color=TEXT, linewidth=1.2)
        axes.plot([found["p95"]], [number], color=TEXT, marker="|", markersize=9)
    axes.axvline(0.3, color=FAINT, linewidth=0.7, linestyle=(0, (4, 4)))
    axes.set_xlim(left=0)
    axes.set_xlabel("s: median, 95th percentile", color=FAINT, fontsize=9)
    _rows(axes, methods)


def _draw_harm(axes: Axes, methods: dict[str, Any]) -> None:
    """Draw the share of corrections after which Dice was worse."""
    _style(axes)
    axes.set_title("Corrections that made it worse", color=TEXT, fontsize=10)
    for number, (name, method) in enumerate(methods.items()):
        found = method["harm"]
        if found["share"] is None:
            continue
        axes.barh(number, 100 * found["share"], color=colour_of(name, number), height=0.55)
        axes.annotate(
            f"{found['worse']}, at most {found['largest_loss']:.3f}" if found["worse"] else "none",
            (100 * found["share"], number),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=TEXT,
            fontsize=8,
        )
    widest = max(
        (100 * method["harm"]["share"] for method in methods.values() if method["harm"]["share"]), default=1
    )
    axes.set_xlim(0, 2.0 * widest)
    axes.set_xlabel("% of corrections; largest loss of Dice", color=FAINT, fontsize=9)
    _rows(axes, methods)


def _rows(axes: Axes, methods: dict[str, Any]) -> None:
    """Put the methods in rows; the legend names them by colour."""
    axes.set_yticks([])
    axes.set_ylim(len(methods) - 0.4, -0.6)


def _lowest(methods: dict[str, Any], groups: dict[str, Any], measure: str) -> float:
    """Return where the axis of a measure begins, the same in every group."""
    low = min(
        (
            point["q1"]
            for method in methods.values()
            for group in groups
            if group in method["groups"]
            for point in method["groups"][group]["curves"][measure]
        ),
        default=0.0,
    )
    return max(0.0, np.floor(10 * low - 0.2) / 10)


def _style(axes: Axes) -> None:
    axes.set_facecolor(BACKGROUND)
    axes.tick_params(colors=FAINT, labelsize=8)
    axes.grid(True, color="#2a2f35", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color("#3a4047")
