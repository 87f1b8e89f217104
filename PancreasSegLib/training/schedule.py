"""Learning rate over a run that is bounded by steps, by time, or by both."""

from __future__ import annotations

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


def learning_rate(fraction: float, recipe: OptimizerRecipe) -> float:
    """Return the polynomial decay ``rate * (1 - t)^power`` after a linear warm-up.

    Examples
    --------
    >>> from PancreasSegLib.training.recipe import OptimizerRecipe
    >>> learning_rate(1.0, OptimizerRecipe())
    0.0
    """
    if fraction < recipe.warmup:
        return recipe.learning_rate * max(0.02, fraction / recipe.warmup)
    rest = (fraction - recipe.warmup) / (1.0 - recipe.warmup)
    return recipe.learning_rate * max(0.0, 1.0 - rest) ** recipe.power
