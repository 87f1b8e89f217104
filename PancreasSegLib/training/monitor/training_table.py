"""The table of a training that a terminal shows, and the same in lines for a log."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from PancreasSegLib.training.monitor.csv_columns import read_columns
from PancreasSegLib.training.monitor.words import duration, run_title
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

_ROWS = 6
_LABEL_WIDTH = 9
_FIXED_WIDTH = 38
_BLOCKS = "▁▂▃▄▅▆▇█"
_LOSSES = 400


class TrainingTable:
    """Follows the networks of a run; rich draws it as it stands.

    One line a finished network, and for the present one: how far it is and for how long still, loss and its
    course, rate, speed and the share of it that goes into patches, and the last validations with the best one.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.preparing = ""
        self._run: NetworkRun | None = None
        self._forget()

    def _forget(self) -> None:
        self.step = 0
        self.fields: dict[str, float] = {}
        self.losses: list[float] = []
        self.scores: list[tuple[ValidationScores, float]] = []
        self.best: ValidationScores | None = None

    def started(self, run: NetworkRun) -> None:
        """Begin with a network."""
        self._run, self.preparing = run, ""
        self._forget()
        self.step = run.step
        if run.step:
            self._recall(run)

    def _recall(self, run: NetworkRun) -> None:
        """Take the validations before a resume from ``validation.csv``."""
        columns = read_columns(run.folder / "validation.csv")
        names = [run.organ] if run.stage.watch == "organ" else list(run.labels)
        watched = [columns[name] for name in names if name in columns]
        if not watched or not columns["step"].size:
            return
        known = np.isfinite(watched)
        sums, counts = np.where(known, watched, 0.0).sum(axis=0), known.sum(axis=0)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), -1.0)
        for at, step in enumerate(columns["step"]):
            dice = {name: float(columns[name][at]) for name in run.labels if name in columns}
            best = counts[at] > 0 and at == int(means.argmax())
            scores = ValidationScores(
                int(step), float(columns["seconds"][at]), {}, dice, float(means[at]), bool(best)
            )
            self.scores.append((scores, math.nan))
            self.best = scores if best else self.best

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Take the figures."""
        self.step, self.fields = step, fields
        self.losses = [*self.losses, fields["loss"]][-_LOSSES:]

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Take the scores."""
        self.step = step
        self.scores = [*self.scores, (scores, self.losses[-1] if self.losses else math.nan)]
        if scores.best:
            self.best = scores

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Nothing."""

    def finished(self, summary: RunSummary) -> None:
        """Reduce the network to a line."""
        self.done.append(self.summary_line(summary))
        self._run = None

    def summary_line(self, summary: RunSummary) -> str:
        """Return how a network ended, in a sentence."""
        name = run_title(self._run) if self._run else ""
        ending = {
            "steps": "done",
            "time": "its time is up",
            "early stopping": "stopped early, nothing was gained any more",
            "cancelled": "cancelled",
        }[summary.ending]
        words = f"{name}: {ending}, {summary.step} steps in {duration(summary.seconds)}"
        if self.best is not None and self._run is not None:
            value = self.best.means[self._run.organ]
            words += f"; best Dice of the {self._run.organ} {value:.3f} at step {self.best.step}"
        return words

    def progress_line(self) -> str:
        """Return where the present network is, for a log."""
        if self._run is None:
            return self.preparing
        fraction = self.fraction
        words = [
            f"{self._run.name}: step {self.step} of {self._run.stage.total_steps} ({fraction:.0%})",
            f"loss {self.fields.get('loss', math.nan):.4g}",
            f"rate {self.fields.get('rate', math.nan):.2g}",
        ]
        left = self.seconds_left
        return ", ".join(words if left is None else [*words, f"{duration(left)} left"])

    def validation_line(self) -> str:
        """Return the last scores, for a log."""
        if self._run is None or not self.scores:
            return ""
        scores = self.scores[-1][0]
        known = [(name, scores.means.get(name, math.nan)) for name in self._columns(len(self._run.labels))]
        values = ", ".join(f"{name} {value:.3f}" for name, value in known if not math.isnan(value))
        return f"{self._run.name}: step {scores.step}, Dice {values}{' (best)' if scores.best else ''}"

    @property
    def is_idle(self) -> bool:
        """Whether no network is being trained."""
        return self._run is None

    @property
    def fraction(self) -> float:
        """How much of the present run is done; by its steps, until the loop tells."""
        if self._run is None:
            return 0.0
        return self.fields.get("fraction", min(1.0, self.step / self._run.stage.total_steps))

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go, None while that is not known."""
        fraction = self.fields.get("fraction", 0.0)
        return self.fields["seconds"] * (1 - fraction) / fraction if fraction > 0 else None

    def _columns(self, most: int) -> list[str]:
        """Return the labels that have a column, the organ first."""
        assert self._run is not None
        others = [name for name in self._run.labels if name != self._run.organ]
        return [self._run.organ, *others][: max(1, most)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        for line in self.done:
            yield Text(line, style="dim")
        if self.preparing:
            yield Text(self.preparing)
        if self._run is None:
            return
        yield self._headline(self._run)
        yield self._bar(options)
        yield Text(self._figures(options.ascii_only))
        if self.scores:
            yield self._validations(options.max_width)

    def _headline(self, run: NetworkRun) -> RenderableType:
        from rich.text import Text

        held_out = f"{len(run.validation)} held out" if run.validation else "nobody held out"
        cases = f"{len(run.training)} cases, {held_out}"
        network = f"{run.stage.network}, {run.parameters / 1e6:.2f} M parameters, {run.device} {run.precision}"
        return Text.assemble((run_title(run), "bold"), (f"   {network}   {cases}", "dim"))

    def _bar(self, options: ConsoleOptions) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        assert self._run is not None
        fraction = self.fraction
        left = self.seconds_left
        words = f"{fraction:4.0%}  step {self.step} of {self._run.stage.total_steps}"
        if left is not None:
            words += f", {duration(left)} left"
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=1.0, completed=fraction, width=max(10, min(40, options.max_width - 44)))
        row.add_row(bar, words)
        return row

    def _figures(self, ascii_only: bool) -> str:
        fields = self.fields
        if not fields:
            return "first steps ..."
        words = [f"loss {fields['loss']:.4g}"]
        if not ascii_only and len(self.losses) > 2:
            words[0] += f" {sparkline(self.losses, 24)}"
        words.append(f"rate {fields['rate']:.2e}")
        if "grad_norm" in fields:
            words.append(f"gradient {fields['grad_norm']:.2g}")
        speed = f"{fields['seconds_per_step']:.3g} s a step"
        if "data_share" in fields:
            speed += f" ({fields['data_share']:.0%} patches)"
        return "   ".join([*words, speed])

    def _validations(self, width: int) -> Table:
        """Return the last validations, with the best one even if it was long ago."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        assert self._run is not None
        columns = self._columns((width - _FIXED_WIDTH) // (_LABEL_WIDTH + 2))
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in ("step", "time", "loss"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in columns:
            style = "bold" if name == self._run.organ else None
            table.add_column(
                name, justify="right", style=style, max_width=_LABEL_WIDTH, overflow="ellipsis", no_wrap=True
            )
        mean_of_rest = len(self._run.labels) > len(columns)
        if mean_of_rest:
            table.add_column("mean", justify="right")
        table.add_column("")
        shown = self.scores[-_ROWS:]
        best = self.best
        if best is not None and all(scores is not best for scores, _ in shown):
            shown = [next(entry for entry in self.scores if entry[0] is best), *shown[1:]]
        for scores, loss in shown:
            values = [_figure(scores.means.get(name, math.nan)) for name in columns]
            if mean_of_rest:
                values.append(_figure(_mean(scores.means.values())))
            mark = "best" if scores is best else ""
            row = [str(scores.step), duration(scores.seconds), _loss(loss), *values, mark]
            table.add_row(*row, style="green" if mark else None)
        return table


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the course of some values as a row of blocks, the last at the right.

    Examples
    --------
    >>> sparkline([4.0, 3.0, 2.0, 1.0], 4)
    '█▆▃▁'
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    groups = min(width, len(known))
    edges = [round(n * len(known) / groups) for n in range(groups + 1)]
    means = [sum(known[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)


def _loss(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
