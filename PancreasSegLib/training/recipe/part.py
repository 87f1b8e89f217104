"""What every part of a recipe has in common, and the types of its fields."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

Triple = tuple[float, float, float]
IndexTriple = tuple[int, int, int]
Share = Annotated[float, Field(ge=0, le=1)]

AUTO = "auto"
"""What is chosen from the dataset and the memory at hand, see `PancreasSegLib.training.plan`."""


class Part(BaseModel):
    """A part of a recipe: every field is known, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _triple_or_auto(value: Any) -> Any:
    return (0, 0, 0) if value == AUTO else value


def _auto_where_zero(value: Any) -> Any:
    """Write what is left to be chosen as it was read."""
    empty = value == 0 if isinstance(value, int) else not any(value)
    return AUTO if empty else value


def _schema_or_auto(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": AUTO}, schema]})


_TRIPLE = {"type": "array", "minItems": 3, "maxItems": 3}

SpacingOrAuto = Annotated[
    Triple,
    BeforeValidator(_triple_or_auto),
    PlainSerializer(_auto_where_zero),
    _schema_or_auto({**_TRIPLE, "items": {"type": "number"}}),
]
"""Spacing in mm along x, y, z; ``auto`` is kept as zeros until it is chosen."""

PatchOrAuto = Annotated[
    IndexTriple,
    BeforeValidator(_triple_or_auto),
    PlainSerializer(_auto_where_zero),
    _schema_or_auto({**_TRIPLE, "items": {"type": "integer"}}),
]
"""Voxels along x, y, z; ``auto`` is kept as zeros until it is chosen."""

CountOrAuto = Annotated[
    int,
    BeforeValidator(lambda value: 0 if value == AUTO else value),
    PlainSerializer(_auto_where_zero),
    _schema_or_auto({"type": "integer", "minimum": 1}),
]
"""A number from 1; ``auto`` is kept as zero until it is chosen."""
