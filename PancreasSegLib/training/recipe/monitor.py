"""What is shown and kept of a run while it goes on."""

from __future__ import annotations

from pydantic import Field

from PancreasSegLib.training.recipe.part import CountOrAuto, Part


class MonitorRecipe(Part):
    """What is shown and kept beside ``losses.csv``, ``validation.csv`` and ``run.json``, which always are.

    ``previews`` cases are drawn every ``preview_every`` epochs. With ``auto`` that is about twenty times a run, in
    no more than a twentieth of its time, and not in a run of a few seconds.
    """

    log_every: int = Field(default=25, ge=1, description="steps whose mean loss makes one row of losses.csv")
    table: bool = Field(default=True, description="live, where there is a terminal")
    curves: bool = Field(default=True, description="metrics.png, redrawn at each validation")
    tensorboard: bool = False
    previews: int = Field(default=3, ge=0, description="cases that are pictured")
    preview_every: CountOrAuto = Field(default=0, ge=0, description="epochs, or auto")
    hash_data: bool = Field(default=True, description="SHA-256 of every image and label in run.json")
