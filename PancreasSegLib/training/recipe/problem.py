"""What is wrong with a recipe, in sentences that name the field."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Location = Sequence[int | str]


def problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one clause a problem: the field's dotted name, and what is wrong with it.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type
        The model that was validated; its fields are offered for misspelt ones.

    Examples
    --------
    >>> from PancreasSegLib.training.recipe import LossRecipe
    >>> try:
    ...     LossRecipe.model_validate({"dise": 1, "name": "dice_cc"})
    ... except ValidationError as error:
    ...     problems(error, LossRecipe)[1]
    'dise: there is no such field; did you mean dice?'
    """
    found = []
    for entry in error.errors():
        location = tuple(entry["loc"])
        name = ".".join(str(part) for part in _written(location, model))
        clause = f"{name}: {_what(entry, location, model)}" if name else _what(entry, location, model)
        if clause not in found:
            found.append(clause)
    return found


def _what(entry: Any, location: Location, model: type[BaseModel]) -> str:
    kind, message = entry["type"], str(entry["msg"])
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), fields_at(model, location[:-1]), 1, 0.5)
        return "there is no such field" + (f"; did you mean {close[0]}?" if close else "")
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        choices = [word.strip("'") for word in entry["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        close = difflib.get_close_matches(str(entry["input"]), choices, 1, 0.5)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"{entry['input']!r} is not one of {', '.join(choices)}{meant}"
    if kind == "union_tag_invalid":
        return f"kind: {entry['ctx']['tag']!r} is not one of {entry['ctx']['expected_tags']}"
    if kind == "union_tag_not_found":
        return "kind is missing"
    message = message.removeprefix("Value error, ")
    return message.replace("Input should be", "it should be") if message.startswith("Input") else message


def fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the names of the fields that may stand at a location of a model.

    Examples
    --------
    >>> from PancreasSegLib.training.recipe import Recipe
    >>> fields_at(Recipe, ("stages", "segmenter", "region"))
    ['kind', 'margin_mm']
    """
    return [name for part in _models_at(model, location) for name in part.model_fields]


def _models_at(model: type[BaseModel], location: Location) -> list[type[BaseModel]]:
    """Return the models that a location may lead to; pydantic's tags of unions are passed over."""
    now: list[type[BaseModel]] = [model]
    for part in location:
        field = next((m.model_fields[str(part)] for m in now if str(part) in m.model_fields), None)
        if field is not None:
            now = _models_in(field.annotation)
    return now


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation names, through unions, mappings and sequences."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _written(location: Location, model: type[BaseModel]) -> list[int | str]:
    """Leave out of a location what only pydantic wrote into it: the tag or type of a union's member."""
    kept: list[int | str] = []
    for part in location:
        models = _models_at(model, kept)
        names = [name for m in models for name in m.model_fields]
        tag = names and str(part) not in names and part != location[-1] and kept[-1:] == ["split"]
        if tag or (isinstance(part, str) and ("[" in part or "constrained" in part or part in ("int", "float"))):
            continue
        kept.append(part)
    return kept
