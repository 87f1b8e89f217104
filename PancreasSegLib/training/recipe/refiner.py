"""The network that carries a reader's marks further."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from PancreasSegLib.training.recipe.optimizer import OptimizerRecipe
from PancreasSegLib.training.recipe.part import Part


class RefinerRecipe(Part):
    """The network that carries a reader's marks further, and the simulated readers that it learns from.

    It is trained after a cross-validation, on the masks of patients that their networks never saw. Lengths in mm.
    """

    network: str = "dynunet"
    arguments: dict[str, Any] = Field(
        default={
            "filters": [24, 48, 96, 128],
            "kernel_size": [[3, 3, 3]] * 4,
            "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]],
            "norm": "instance",
            "deep_supervision": False,
        }
    )
    batch_size: int = Field(default=2, ge=1)
    steps: int = Field(default=5000, ge=1)
    time_limit_minutes: float | None = Field(default=None, gt=0)
    checkpoint_minutes: float = Field(default=2.0, gt=0)
    optimizer: OptimizerRecipe = OptimizerRecipe(ema=0.998, weight_decay=0.02, clip_norm=5.0)
    marks: tuple[int, int] = Field(default=(3, 8), description="fewest and most marks of a session")
    stroke_mm: tuple[float, float] = (20.0, 50.0)
    brush_mm: tuple[float, float] = Field(default=(1.5, 4.0), description="radius")
    point_share: float = Field(default=0.08, ge=0, le=1, description="marks that are points")
    outline_share: float = Field(default=0.07, ge=0, le=1, description="marks that fill a wrong region in a slice")
    slice_share: float = Field(default=0.4, ge=0, le=1, description="marks that are confirmed slices")
    spoilt_share: float = Field(default=0.3, ge=0, le=1, description="sessions whose mask is spoilt further")
    mask_only_share: float = Field(default=0.15, ge=0, le=1, description="sessions without a probability")
    empty_share: float = Field(default=0.04, ge=0, le=1, description="sessions that begin with nothing")
    other_organs_share: float = Field(default=0.2, ge=0, le=1, description="sessions on a neighbouring organ")
    moved_share: float = Field(default=0.7, ge=0, le=1, description="sessions on a patient turned and bent")
    morph_share: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="sessions on a patient in another's shape, with data.shapes",
    )
    phantoms: int = Field(default=6, ge=0, description="generated patients beside the real ones")

    @field_validator("optimizer")
    @classmethod
    def _known_schedule(cls, value: OptimizerRecipe) -> OptimizerRecipe:
        if value.schedule == "plateau":
            raise ValueError("schedule: a refiner is not validated while it learns, so no plateau can be met")
        return value

    @model_validator(mode="after")
    def _shares_of_one(self) -> RefinerRecipe:
        if self.point_share + self.outline_share + self.slice_share > 1:
            raise ValueError("point_share, outline_share and slice_share make up more than all marks")
        return self
