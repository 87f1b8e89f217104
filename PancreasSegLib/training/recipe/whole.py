"""The whole recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from PancreasSegLib.training.recipe.data import DataRecipe, FoldSplit, HoldoutSplit
from PancreasSegLib.training.recipe.monitor import MonitorRecipe
from PancreasSegLib.training.recipe.part import Part
from PancreasSegLib.training.recipe.refiner import RefinerRecipe
from PancreasSegLib.training.recipe.stage import StageRecipe

SCHEMA_VERSION = 2


class Recipe(Part):
    """The whole recipe; ``stages`` are trained in the order given, ``fold`` is a number or ``all``.

    ``variants`` are recipes that differ from this one in the fields named, for ``pancreasseg compare``:
    ``{name: {dotted.field: value}}``. ``memory_gb`` is what ``auto`` patches and batches may take; all that the
    device has free where nothing is said.
    """

    schema_version: int = Field(
        default=SCHEMA_VERSION, ge=1, description="of the fields; older ones are read, too"
    )
    name: str
    version: str = "1"
    description: str = ""
    licence: str = ""
    sources: tuple[dict[str, Any], ...] = ()
    seed: int = 0
    deterministic: bool = Field(default=False, description="only algorithms that give the same result each time")
    data: DataRecipe
    fold: int | Literal["all"] = "all"
    only: tuple[str, ...] = Field(default=(), description="train these networks alone, e.g. segmenter-0")
    output: Path = Path(".runs")
    device: str = "auto"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    memory_gb: float | None = Field(default=None, gt=0)
    stages: dict[Literal["localiser", "segmenter"], StageRecipe]
    refiner: RefinerRecipe | None = None
    monitor: MonitorRecipe = MonitorRecipe()
    variants: dict[str, dict[str, Any]] = Field(default={}, description="fields that differ, by name")

    @field_validator("schema_version")
    @classmethod
    def _known(cls, value: int) -> int:
        if value > SCHEMA_VERSION:
            raise ValueError(
                f"written for a newer version of PancreasSegLib; this one reads up to {SCHEMA_VERSION}"
            )
        return value

    @field_validator("variants")
    @classmethod
    def _usable_names(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
                raise ValueError(f"{name!r} cannot name a folder: letters, digits, dots, dashes, underscores")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if not self.stages:
            raise ValueError("stages: at least one stage is needed")
        data = self.data
        if not data.every_label:
            if data.organ not in data.labels:
                raise ValueError(f"data.organ: {data.organ!r} is not among data.labels {data.labels}")
            for name in data.outputs:
                if name not in data.labels:
                    raise ValueError(f"data.outputs: {name!r} is not among data.labels {data.labels}")
        self._check_fold()
        return self

    def _check_fold(self) -> None:
        division = self.data.division
        if self.fold == "all":
            return
        if isinstance(division, HoldoutSplit) and self.fold != 0:
            raise ValueError(f"fold: {self.fold} is not there; a split of kind holdout has fold 0 alone")
        count = division.folds if isinstance(division, FoldSplit) else self.fold + 1
        if not 0 <= self.fold < count:
            raise ValueError(f"fold: {self.fold} is not one of the {count} folds (0 to {count - 1})")

    @property
    def run_folder(self) -> Path:
        """Folder of this run: ``output/name/fold-N``."""
        return self.output / self.name / f"fold-{self.fold}"


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe, for editors that complete and check YAML."""
    schema = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "PancreasSeg recipe"}
