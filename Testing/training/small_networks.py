"""Overrides that make the recipe of the miniature dataset train in a second."""

from __future__ import annotations

import csv
from pathlib import Path

from PancreasSegLib.progress import CancelToken
from PancreasSegLib.training.recipe import Recipe

STAGE = "stages.segmenter"
SMALL = [
    f"{STAGE}.patch_ijk=[16, 16, 8]",
    f"{STAGE}.arguments={{filters: [4, 8, 8], kernel_size: [3, 3, 3], strides: [1, 2, 2], norm: instance}}",
    f"{STAGE}.optimizer.learning_rate=0.01",
    "monitor={log_every: 5, previews: 0}",
]
"""A DynUNet of 4 to 8 filters on patches of 16 x 16 x 8."""

PLANAR = [
    f"{STAGE}.patch_ijk=[16, 16, 1]",
    f"{STAGE}.arguments={{spatial_dims: 2, filters: [4, 8, 8], kernel_size: [3, 3, 3], strides: [1, 2, 2]}}",
    f"{STAGE}.sampling.batch_size=4",
    f"{STAGE}.optimizer.learning_rate=0.01",
    "monitor={log_every: 5, previews: 0}",
]
"""The same on slices, four at a time."""


class StopsAfter(CancelToken):
    """Is cancelled when it has been asked so many times, once a step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    @property
    def cancelled(self) -> bool:
        self._left -= 1
        return self._left < 0

    def check(self) -> None:
        pass


def rows(recipe: Recipe, name: str) -> list[dict[str, str]]:
    """Return the rows of ``losses.csv`` or ``validation.csv`` without what a clock measured."""
    path = Path(recipe.run_folder) / "segmenter-0" / name
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
