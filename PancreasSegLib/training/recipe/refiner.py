"""The network that carries a reader's marks further."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from PancreasSegLib.training.recipe.optimizer import OptimizerRecipe
from PancreasSegLib.training.recipe.part import Part


class RefinerRecipe(Part):
    """The network that carries a reader's marks further, and the simulated readers that it learns from.

    It is trained after a cross-validation, on the masks of patients that their networks never saw. Lengths in mm.
    """

    network: str = "dynunet"
    arguments: dict[str, Any] = Field(
        default={
            "filters": [24, 48, 96],
            "kernel_size": [[3, 3, 3]] * 3,
            "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2]],
            "norm": "instance",
            "deep_supervision": False,
        }
    )
    batch_size: int = Field(default=2, ge=1)
    steps: int = Field(default=4000, ge=1)
    time_limit_minutes: float | None = Field(default=None, gt=0)
    checkpoint_minutes: float = Field(default=2.0, gt=0)
    optimizer: OptimizerRecipe = OptimizerRecipe(ema=0.998, weight_decay=0.02, clip_norm=5.0)
    marks: tuple[int, int] = Field(default=(3, 8), description="fewest and most marks of a session")
    stroke_mm: tuple[float, float] = (20.0, 50.0)
    brush_mm: tuple[float, float] = Field(default=(1.5, 4.0), description="radius")
    point_share: float = Field(default=0.15, ge=0, le=1)
    spoilt_share: float = Field(default=0.35, ge=0, le=1, description="sessions whose mask is spoilt further")
    mask_only_share: float = Field(default=0.15, ge=0, le=1, description="sessions without a probability")

    @field_validator("optimizer")
    @classmethod
    def _known_schedule(cls, value: OptimizerRecipe) -> OptimizerRecipe:
        if value.schedule == "plateau":
            raise ValueError("schedule: a refiner is not validated while it learns, so no plateau can be met")
        return value
