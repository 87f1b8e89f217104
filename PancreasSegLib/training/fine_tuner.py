"""The loop that trains a network on: pulled towards its start, watched on held-out cases, the best state kept."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from PancreasSegLib.progress import CancelToken, ProgressCallback
from PancreasSegLib.training.cache import PreparedCase
from PancreasSegLib.training.history import History
from PancreasSegLib.training.loop import NetworkTask, NetworkTrainer, mean_dice
from PancreasSegLib.training.validation import validation_dice

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watch:
    """How the held-out cases decide which state is kept.

    Attributes
    ----------
    tolerance : float
        Dice that the base cases may lose against the start.
    patience : int
        Looks without gain before the run ends.
    anchor : float
        Pull towards the start.
    """

    tolerance: float
    patience: int
    anchor: float


class FineTuner(NetworkTrainer):
    """Trains a network on from weights that are good already.

    The state with the best mean Dice on the held-out corrected cases is kept, the start included; Dice that the
    held-out base cases lose beyond the tolerance is taken off. Without held-out corrected cases the last state is
    kept that loses no more than the tolerance; without any held-out case the last one.

    Parameters
    ----------
    task, training, validation, device, dtype
        As :class:`NetworkTrainer` takes them; the task has initial weights.
    watch : Watch
        Tolerance, patience and pull.
    """

    def __init__(
        self,
        task: NetworkTask,
        training: list[PreparedCase],
        validation: list[PreparedCase],
        device: torch.device,
        dtype: torch.dtype,
        watch: Watch,
    ) -> None:
        super().__init__(task, training, validation, device, dtype)
        self.watch = watch
        self._start = [parameter.detach().clone() for parameter in self.network.parameters()]
        self._base = {case.name for case in validation if case.base}
        self._first: tuple[float, float] | None = None
        self.best_step, self._best_score = 0, -math.inf
        self._best: dict[str, torch.Tensor] = {}
        self._without_gain = 0
        self._looked_at = -1
        self._watched: History | None = None

    def run(
        self, *, resume: bool = False, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> nn.Module:
        """Train until nothing is gained any more or the schedule ends; return the best state.

        Raises
        ------
        CancelledError, RecipeError
            As :meth:`NetworkTrainer.run`.
        """
        network = super().run(resume=resume, progress=progress, cancel=cancel)
        if self._best:
            network.load_state_dict(self._best)
        return network.eval()

    def _loop(
        self, losses: History, scores: History, progress: ProgressCallback | None, cancel: CancelToken | None
    ) -> None:
        columns = ["step", "seconds", "corrected", "base"]
        self._watched = History(self.task.folder / "held_out.csv", columns, self.step)
        if self.validation and self._first is None:
            self._validate(scores)
        super()._loop(losses, scores, progress, cancel)

    def _optimise(self, fraction: float) -> torch.Tensor:
        loss = super()._optimise(fraction)
        pull = min(1.0, self.watch.anchor * float(self.optimizer.param_groups[0]["lr"]))
        if pull > 0:
            with torch.no_grad():
                for parameter, start in zip(self.network.parameters(), self._start, strict=True):
                    parameter.lerp_(start, pull)
        return loss

    def _validate(self, scores: History) -> None:
        if self._looked_at == self.step:
            return
        self._looked_at = self.step
        task = self.task
        dice = validation_dice(
            self.average.module, self.validation, task.stage, self.classes, self.device, self.dtype
        )
        means = mean_dice(dice, self.classes)
        scores.append(step=self.step, seconds=self.elapsed, **dict(zip(task.labels, means, strict=True)))
        new, base = self._by_origin(dice)
        if self._watched is not None:
            self._watched.append(step=self.step, seconds=self.elapsed, corrected=new, base=base)
        self._judge(new, base)

    def _by_origin(self, dice: dict[str, list[float]]) -> tuple[float, float]:
        """Return the organ's mean Dice of corrected and of base cases, NaN where there are none."""
        new = {name: values for name, values in dice.items() if name not in self._base}
        old = {name: values for name, values in dice.items() if name in self._base}
        return mean_dice(new, self.classes)[self.organ - 1], mean_dice(old, self.classes)[self.organ - 1]

    def _judge(self, new: float, base: float) -> None:
        if self._first is None:
            self._first = (new, base)
        lost = 0.0 if math.isnan(base) else max(0.0, self._first[1] - base - self.watch.tolerance)
        measured = not math.isnan(new)
        score = (new if measured else 0.0) - lost
        better = score > self._best_score + 1e-4 if measured else lost == 0.0
        _log.info("%s step %d: Dice %.3f, base %.3f%s", self.task.name, self.step, new, base, ", best" * better)
        if better:
            self._best_score, self.best_step, self._without_gain = score, self.step, 0
            self._best = {key: value.detach().clone() for key, value in self.average.module.state_dict().items()}
        else:
            self._without_gain += 1
            self.stopped = self._without_gain >= self.watch.patience

    def _state(self) -> dict[str, Any]:
        return super()._state() | {
            "best": self._best,
            "best_step": self.best_step,
            "best_score": self._best_score,
            "first": list(self._first or ()),
            "without_gain": self._without_gain,
            "looked_at": self._looked_at,
            "stopped": self.stopped,
        }

    def _take(self, state: dict[str, Any]) -> None:
        super()._take(state)
        self._best, self.best_step = state["best"], int(state["best_step"])
        self._best_score, self._without_gain = float(state["best_score"]), int(state["without_gain"])
        self._first = (state["first"][0], state["first"][1]) if state["first"] else None
        self._looked_at, self.stopped = int(state["looked_at"]), bool(state["stopped"])
