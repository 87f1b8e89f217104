"""The loop that trains a network on: pulled towards its start, watched on held-out cases, the best state kept."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch

from PancreasSegLib.training.cache import PreparedCase
from PancreasSegLib.training.history import History
from PancreasSegLib.training.loop import LoopSettings, NetworkTask, NetworkTrainer
from PancreasSegLib.training.validation import mean_dice

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Criteria:
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
        As `NetworkTrainer` takes them; the task has initial weights.
    criteria : Criteria
        Tolerance, patience and pull.
    settings : LoopSettings, optional
        Observers.
    """

    def __init__(
        self,
        task: NetworkTask,
        training: list[PreparedCase],
        validation: list[PreparedCase],
        device: torch.device,
        dtype: torch.dtype,
        criteria: Criteria,
        settings: LoopSettings | None = None,
    ) -> None:
        super().__init__(task, training, validation, device, dtype, settings)
        self.criteria = criteria
        self._start = [parameter.detach().clone() for parameter in self.network.parameters()]
        self._base = {case.name for case in validation if case.base}
        self._first: tuple[float, float] | None = None
        self._best_score, self._without_gain = -math.inf, 0
        self._held_out: History | None = None

    @property
    def best_step(self) -> int:
        """The step whose state is kept."""
        return self.watch.kept_step

    def _look_at_start(self) -> None:
        columns = ["step", "seconds", "corrected", "base"]
        self._held_out = History(self.task.folder / "held_out.csv", columns, self.step)
        if self.validation and self._first is None:
            self._look()

    def _optimise(self, fraction: float) -> torch.Tensor:
        loss = super()._optimise(fraction)
        pull = min(1.0, self.criteria.anchor * float(self.optimizer.param_groups[0]["lr"]))
        if pull > 0:
            with torch.no_grad():
                for parameter, start in zip(self.network.parameters(), self._start, strict=True):
                    parameter.lerp_(start, pull)
        return loss

    def _judge(self, dice: dict[str, list[float]], means: list[float]) -> bool:
        if not self.validation:
            return False
        new, base = self._by_origin(dice)
        if self._held_out is not None:
            self._held_out.append(step=self.step, seconds=self.elapsed, corrected=new, base=base)
        return self._weigh(new, base)

    def _by_origin(self, dice: dict[str, list[float]]) -> tuple[float, float]:
        """Return the organ's mean Dice of corrected and of base cases, NaN where there are none."""
        new = {name: values for name, values in dice.items() if name not in self._base}
        old = {name: values for name, values in dice.items() if name in self._base}
        return mean_dice(new, self.classes)[self.organ - 1], mean_dice(old, self.classes)[self.organ - 1]

    def _weigh(self, new: float, base: float) -> bool:
        """Decide whether what the corrected cases gained is worth what the base cases lost."""
        if self._first is None:
            self._first = (new, base)
        lost = 0.0 if math.isnan(base) else max(0.0, self._first[1] - base - self.criteria.tolerance)
        measured = not math.isnan(new)
        score = (new if measured else 0.0) - lost
        better = score > self._best_score + 1e-4 if measured else lost == 0.0
        _log.info("%s step %d: Dice %.3f, base %.3f%s", self.task.name, self.step, new, base, ", best" * better)
        self.watch.last = score
        self.watch.fall(score)
        if better:
            self._best_score, self._without_gain = score, 0
            self.watch.kept_step, self.watch.kept = self.step, self._weights()
        else:
            self._without_gain += 1
            self.watch.stopped = self._without_gain >= self.criteria.patience
        return better

    def _state(self) -> dict[str, Any]:
        return super()._state() | {
            "best_score": self._best_score,
            "first": list(self._first or ()),
            "without_gain": self._without_gain,
        }

    def _take(self, state: dict[str, Any]) -> None:
        super()._take(state)
        self._best_score, self._without_gain = float(state["best_score"]), int(state["without_gain"])
        self._first = (state["first"][0], state["first"][1]) if state["first"] else None
