"""What a run makes of its scores: the best state, a rate that falls on plateaus, an early end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from PancreasSegLib.training.gain import Gain
from PancreasSegLib.training.recipe import StageRecipe

Weights = dict[str, torch.Tensor]


class RunWatch:
    """Judges a run at each look at its held-out cases; where nobody is held out, by the loss since the last look.

    Parameters
    ----------
    stage : StageRecipe
        ``watch``, ``keep``, ``early_stopping`` and the optimiser's ``plateau``.

    Attributes
    ----------
    stopped : bool
        Whether the run is to end.
    reductions : int
        How often the rate fell.
    last, best : float
        The score of the last look and of the best one; NaN before the first.
    kept : dict of Tensor, or None
        The weights of the best look, where the recipe keeps them.
    kept_step, looked_at : int
        Steps of the best and of the last look.
    """

    def __init__(self, stage: StageRecipe) -> None:
        self.stage = stage
        early, plateau = stage.early_stopping, stage.optimizer.plateau
        self._best, self._early = Gain(), Gain(early.min_delta if early else 0.0)
        self._plateau = Gain(plateau.min_delta)
        self.stopped, self.reductions = False, 0
        self.last = math.nan
        self.kept: Weights | None = None
        self.kept_step, self.looked_at = 0, -1

    @property
    def best(self) -> float:
        """The best score, NaN before the first."""
        return self._best.best if math.isfinite(self._best.best) else math.nan

    def score(self, means: list[float], organ: int) -> float:
        """Return what is watched of the mean Dice by class: the organ's, or the mean of those that are known."""
        if self.stage.watch == "organ":
            return means[organ - 1]
        known = [mean for mean in means if not math.isnan(mean)]
        return sum(known) / len(known) if known else math.nan

    def judge(self, score: float, step: int, weights: Callable[[], Weights] | None = None) -> bool:
        """Take the score of a look and decide; return whether it is the best so far.

        Parameters
        ----------
        score : float
            Larger is better.
        step : int
            Steps done.
        weights : callable, optional
            Gives the weights, asked only if they are kept; left out where the score says too little to choose by.
        """
        self.last = score
        best = self._best.seen(self.last)
        if best:
            self.kept_step = step
            if self.stage.keep == "best" and weights is not None:
                self.kept = weights()
        self._early.seen(self.last)
        early = self.stage.early_stopping
        if early is not None and self._early.waited >= early.patience:
            self.stopped = True
        self.fall(score)
        return best

    def fall(self, score: float) -> None:
        """Let the rate fall if the score shows that a plateau is met."""
        self._plateau.seen(score)
        optimizer = self.stage.optimizer
        if optimizer.schedule == "plateau" and self._plateau.waited >= optimizer.plateau.patience:
            self.reductions += 1
            self._plateau.wait_anew()

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""
        return {
            "gains": [gain.state() for gain in (self._best, self._early, self._plateau)],
            "stopped": self.stopped,
            "reductions": self.reductions,
            "last": self.last,
            "kept": self.kept,
            "kept_step": self.kept_step,
            "looked_at": self.looked_at,
        }

    def take(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        for gain, value in zip((self._best, self._early, self._plateau), state["gains"], strict=True):
            gain.take(value)
        self.stopped, self.reductions = bool(state["stopped"]), int(state["reductions"])
        self.last, self.kept = float(state["last"]), state["kept"]
        self.kept_step, self.looked_at = int(state["kept_step"]), int(state["looked_at"])
