"""Learning rate over a run that is bounded by steps, by time, or by both."""

from __future__ import annotations

import math

from PancreasSegLib.training.recipe import OptimizerRecipe


def run_fraction(step: int, steps: int, elapsed_s: float, limit_minutes: float | None) -> float:
    """Return how much of the run is done, 0 to 1: the larger of the shares of steps and of time.

    Examples
    --------
    >>> run_fraction(10, 100, 30.0, 1.0)
    0.5
    """
    timed = elapsed_s / (60.0 * limit_minutes) if limit_minutes else 0.0
    return min(1.0, max(step / steps, timed))


def learning_rate(fraction: float, recipe: OptimizerRecipe, reductions: int = 0) -> float:
    """Return the rate at a fraction of the run: a linear warm-up, then what the schedule says.

    ``poly`` is ``rate * (1 - t)^power``, ``cosine`` half a wave to nothing, ``constant`` the rate itself, and
    ``plateau`` the rate times ``factor`` for each reduction so far, at least ``min_rate``; ``t`` is the share done
    of what follows the warm-up.

    Parameters
    ----------
    fraction : float
        Of the run, 0 to 1.
    recipe : OptimizerRecipe
        Rate and schedule.
    reductions : int
        How often a plateau was met; only the schedule ``plateau`` asks.

    Examples
    --------
    >>> from PancreasSegLib.training.recipe import OptimizerRecipe
    >>> learning_rate(1.0, OptimizerRecipe())
    0.0
    >>> learning_rate(0.5, OptimizerRecipe(learning_rate=0.1, schedule="cosine", warmup=0))
    0.05
    """
    rate = recipe.learning_rate
    if fraction < recipe.warmup:
        return rate * max(0.02, fraction / recipe.warmup)
    rest = (fraction - recipe.warmup) / (1.0 - recipe.warmup)
    if recipe.schedule == "cosine":
        return rate * 0.5 * (1.0 + math.cos(math.pi * rest))
    if recipe.schedule == "plateau":
        return max(min(rate, recipe.plateau.min_rate), rate * recipe.plateau.factor**reductions)
    if recipe.schedule == "constant":
        return rate
    return rate * max(0.0, 1.0 - rest) ** recipe.power
