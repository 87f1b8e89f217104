"""Optimiser, schedule of its rate, and when a run ends early."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from PancreasSegLib.training.recipe.part import Part


class PlateauRecipe(Part):
    """The rate is multiplied by ``factor`` when ``patience`` validations in a row have brought no gain."""

    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=4, ge=1, description="validations without gain that are waited for")
    min_rate: float = Field(default=1e-6, ge=0)
    min_delta: float = Field(default=1e-4, ge=0, description="a gain smaller than this is none")


class EarlyStoppingRecipe(Part):
    """The run ends when ``patience`` validations in a row have brought no gain."""

    patience: int = Field(default=10, ge=1)
    min_delta: float = Field(default=1e-4, ge=0, description="a gain smaller than this is none")


class OptimizerRecipe(Part):
    """Optimiser, its schedule and the exponential moving average of the weights.

    ``weight_decay`` is decoupled in ``adamw`` and an L2 penalty in ``adam`` and ``sgd``.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    momentum: float = Field(default=0.99, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(default=True, description="of sgd")
    schedule: Literal["poly", "cosine", "plateau", "constant"] = "poly"
    warmup: float = Field(default=0.02, ge=0, lt=1, description="share of the run with a rising rate")
    power: float = Field(default=0.9, gt=0, description="exponent of the polynomial decay")
    plateau: PlateauRecipe = PlateauRecipe()
    clip_norm: float = Field(default=12.0, ge=0, description="largest norm of the gradients; 0: not clipped")
    ema: float = Field(default=0.999, ge=0, lt=1, description="decay of the weights' moving average; 0: none")
