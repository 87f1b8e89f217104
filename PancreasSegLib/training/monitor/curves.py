"""``metrics.png``: how loss, rate and validation went, in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.style import BACKGROUND, FAINT, OUTLINE, TEXT, label_colours, new_figure, write_figure
from PancreasSegLib.training.monitor.csv_columns import read_columns
from PancreasSegLib.training.monitor.time_share import TimeShare
from PancreasSegLib.training.monitor.words import duration, run_title
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES_FILE = "metrics.png"
_SIZE_PX = (1100, 900)
_MOST_POINTS = 1500
_GRID = "#2c3136"


class Curves:
    """Redraws ``metrics.png`` from the CSV files after each validation, in at most a fiftieth of the time."""

    def __init__(self, share: float = 0.02) -> None:
        self._bound = TimeShare(share)
        self._run: NetworkRun | None = None
        self._stepped_at = 0

    def started(self, run: NetworkRun) -> None:
        """Take the network's folder."""
        self._run = run

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Draw where nothing is validated."""
        if self._run and not self._run.validation and step - self._stepped_at >= self._run.stage.epoch_steps:
            self._stepped_at = step
            self._draw()

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Draw."""
        self._draw()

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Nothing: validation has been drawn."""

    def finished(self, summary: RunSummary) -> None:
        """Draw the whole run, however long it takes."""
        if self._run is not None:
            write_curves(self._run.folder, self._run.labels, self._run.organ, _title(self._run, summary))

    def _draw(self) -> None:
        if self._run is not None and self._bound.allows():
            with self._bound.spent():
                write_curves(self._run.folder, self._run.labels, self._run.organ, _title(self._run))


def write_curves(folder: Path, labels: tuple[str, ...], organ: str, title: str = "") -> Path | None:
    """Draw ``metrics.png`` of a network from its ``losses.csv`` and ``validation.csv``.

    Parameters
    ----------
    folder : Path
        The network's folder.
    labels : tuple of str
        Foreground classes.
    organ : str
        The one that counts: its line is the strongest.
    title : str
        Headline; step, time and Dice are added.

    Returns
    -------
    Path or None
        The picture; None where there is nothing to draw yet.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    losses, scores = read_columns(folder / "losses.csv"), read_columns(folder / "validation.csv")
    if not (losses and losses["step"].size) and not (scores and scores["step"].size):
        return None
    figure = new_figure(*_SIZE_PX)
    rows = figure.add_gridspec(
        3, 1, height_ratios=(4, 1.1, 5), left=0.075, right=0.80, top=0.93, bottom=0.065, hspace=0.12
    )
    loss = figure.add_subplot(rows[0])
    rate, dice = (figure.add_subplot(rows[n], sharex=loss) for n in (1, 2))
    for axes in (loss, rate, dice):
        _plain(axes)
    if losses:
        _draw_loss(loss, losses["step"], losses["loss"])
        rate.plot(*_thinned(losses["step"], losses["rate"]), color=FAINT, linewidth=1.2)
    _write_ends(rate, losses)
    best = _draw_dice(dice, scores, labels, organ)
    for axes, name in ((loss, "training loss"), (rate, "rate"), (dice, "Dice, held-out patients")):
        axes.set_ylabel(name, color=TEXT, fontsize=10)
    for axes in (loss, rate):
        axes.tick_params(labelbottom=False)
    dice.set_xlabel("step", color=TEXT, fontsize=10)
    figure.text(0.01, 0.965, title, color=TEXT, fontsize=13, weight="bold", va="center")
    figure.text(0.99, 0.965, _facts(losses, scores, best), color=FAINT, fontsize=10.5, ha="right", va="center")
    write_figure(folder / CURVES_FILE, figure)
    return folder / CURVES_FILE


def _title(run: NetworkRun, summary: RunSummary | None = None) -> str:
    ending = {"steps": "done", "time": "time is up", "early stopping": "stopped early", "cancelled": "cancelled"}
    return f"{run_title(run)} · {ending[summary.ending]}" if summary else run_title(run)


def _plain(axes: Axes) -> None:
    axes.set_facecolor(BACKGROUND)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.tick_params(colors=FAINT, labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def _draw_loss(axes: Axes, steps: NDArray, loss: NDArray) -> None:
    """Draw the loss faintly and its running mean strongly; the first steep fall does not set the scale."""
    few = loss.size <= 8
    axes.plot(*_thinned(steps, loss), color=OUTLINE, linewidth=2 if few else 0.7, alpha=1 if few else 0.35)
    if not few:
        width = max(3, loss.size // 40)
        axes.plot(*_thinned(steps, _running_mean(loss, width)), color=OUTLINE, linewidth=2)
    known = loss[np.isfinite(loss)]
    if known.size > 20:
        low, high = np.percentile(known, [0, 98])
        axes.set_ylim(low - 0.05 * (high - low), high + 0.15 * (high - low))


def _draw_dice(
    axes: Axes, scores: dict[str, NDArray], labels: tuple[str, ...], organ: str
) -> tuple[int, float] | None:
    """Draw the Dice of each label, and return step and value of the organ's best."""
    axes.set_ylim(-0.02, 1.02)
    shown = [name for name in labels if name in scores]
    if not shown or not scores["step"].size:
        axes.text(0.5, 0.5, "nobody is held out", transform=axes.transAxes, color=FAINT, ha="center")
        return None
    colours = label_colours(labels, organ)
    shown.sort(key=lambda name: -_last(scores[name]))
    for name in shown:
        strong: dict[str, Any] = {"linewidth": 2.4, "zorder": 5} if name == organ else {"linewidth": 1.2}
        mark = "o" if scores["step"].size < 40 else None
        words = f"{name.replace('_', ' ')}  {_last(scores[name]):.3f}"
        axes.plot(
            scores["step"], scores[name], color=colours[name], marker=mark, markersize=3, label=words, **strong
        )
    legend = axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=9.5, labelcolor=TEXT, title="last"
    )
    legend.get_title().set_color(FAINT)
    if organ not in scores or not np.isfinite(scores[organ]).any():
        return None
    at = int(np.nanargmax(scores[organ]))
    step, value = int(scores["step"][at]), float(scores[organ][at])
    axes.plot([step], [value], marker="*", markersize=13, color=TEXT, zorder=6)
    return step, value


def _write_ends(axes: Axes, losses: dict[str, NDArray]) -> None:
    """Write the present rate, which the small axis hardly tells."""
    if losses and losses["rate"].size:
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
        axes.yaxis.get_offset_text().set_color(FAINT)
        axes.text(1.015, 0.5, f"{losses['rate'][-1]:.2g}", transform=axes.transAxes, color=TEXT, fontsize=9.5)


def _facts(losses: dict[str, NDArray], scores: dict[str, NDArray], best: tuple[int, float] | None) -> str:
    last = max(
        (columns["step"][-1] for columns in (losses, scores) if columns and columns["step"].size), default=0
    )
    seconds = max(
        (columns["seconds"][-1] for columns in (losses, scores) if columns and columns["step"].size), default=0
    )
    words = [f"step {last:.0f}", duration(seconds)]
    if best:
        words.append(f"best {best[1]:.3f} at {best[0]}")
    return "   ".join(words)


def _last(values: NDArray) -> float:
    """Return the last known value, NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else float("nan")


def _running_mean(values: NDArray, width: int) -> NDArray[np.float64]:
    """Return the mean of each value with those before it; unknown values are left out."""
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0))
    counts = np.cumsum(known)
    sums[width:], counts[width:] = sums[width:] - sums[:-width], counts[width:] - counts[:-width]
    return sums / np.maximum(counts, 1)


def _thinned(steps: NDArray, values: NDArray) -> tuple[NDArray, NDArray]:
    """Return no more points than a screen shows."""
    every = max(1, -(-steps.size // _MOST_POINTS))
    return steps[::every], values[::every]
