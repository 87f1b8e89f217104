"""The CSV files of a network's run, written while it goes on."""

from __future__ import annotations

from PancreasSegLib.training.history import History
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores


class CsvRecord:
    """Writes ``losses.csv`` and ``validation.csv`` into a network's folder; a resumed run goes on in them.

    It is one of the run's observers, the first.
    """

    def started(self, run: NetworkRun) -> None:
        """Open the files; rows past the step that the run goes on from are dropped."""
        self._labels = run.labels
        self._losses = History(run.folder / "losses.csv", ["step", "seconds", "rate", "loss"], run.step)
        self._scores = History(run.folder / "validation.csv", ["step", "seconds", *run.labels], run.step)

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Add a row to the losses."""
        self._losses.append(step=step, seconds=fields["seconds"], rate=fields["rate"], loss=fields["loss"])

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Add a row of mean Dice."""
        self._scores.append(step=step, seconds=scores.seconds, **scores.means)

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Write nothing."""

    def finished(self, summary: RunSummary) -> None:
        """Write nothing."""
