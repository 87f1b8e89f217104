"""What is shown and kept of a run while it goes on."""

from __future__ import annotations

from pydantic import Field

from PancreasSegLib.training.recipe.part import Part


class MonitorRecipe(Part):
    """TensorBoard, a live table, and pictures of fixed cases each ``preview_every`` epochs."""

    log_every: int = Field(default=25, ge=1, description="steps whose mean loss makes one row of losses.csv")
    tensorboard: bool = False
    table: bool = True
    previews: int = Field(default=2, ge=0, description="cases that are pictured")
    preview_every: int = Field(default=5, ge=1, description="epochs")
