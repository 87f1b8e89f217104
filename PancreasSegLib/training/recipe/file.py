"""Recipes as YAML files, and ``key=value`` that changes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.recipe.problem import problems
from PancreasSegLib.training.recipe.whole import Recipe


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``key=value`` overrides.

    Parameters
    ----------
    path : str or Path
        YAML file, or the name of a recipe that comes with the library (``default``).
    overrides : sequence of str
        Dotted keys, values in YAML: ``stages.segmenter.steps=200``, ``fold=0``.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        If the file is missing or no YAML, or a field is unknown or wrong; the sentence names the field.
    """
    file = find_recipe(path)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{file} holds no recipe.", "A recipe is a mapping with name, data and stages.")
    for override in overrides:
        apply_override(content, override)
    return read_recipe(content, f"The recipe {file.name}")


def read_recipe(content: dict[str, Any], title: str = "The recipe") -> Recipe:
    """Check the content of a recipe.

    Parameters
    ----------
    content : dict
        As YAML gives it.
    title : str
        What a sentence calls it.

    Raises
    ------
    RecipeError
        If a field is unknown or wrong; the sentence names it, and the field that a misspelt one comes close to.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{title} is wrong at {'; '.join(problems(error, Recipe))}.") from error


def find_recipe(path: str | Path) -> Path:
    """Return the recipe's file: a path, or a name under the library's ``recipes`` folder."""
    given = Path(path).expanduser()
    shipped = Path(__file__).parents[2] / "recipes" / f"{given.name}.yaml"
    if given.is_file():
        return given
    if shipped.is_file() and given.name == str(path):
        return shipped
    names = sorted(file.stem for file in shipped.parent.glob("*.yaml"))
    raise RecipeError(f"There is no recipe {path}.", f"Give a YAML file or one of: {', '.join(names)}.")


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set a field by its dotted name, ``key=value`` with the value in YAML.

    Raises
    ------
    RecipeError
        If it is of another form.
    """
    key, separator, raw = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"The override {override!r} is not of the form key=value.")
    try:
        set_field(content, key, yaml.safe_load(raw))
    except yaml.YAMLError as error:
        raise RecipeError(f"The value of the override {override!r} is not valid YAML.") from error


def set_field(content: dict[str, Any], key: str, value: Any) -> None:
    """Set a field by its dotted name, e.g. ``stages.segmenter.steps``.

    Raises
    ------
    RecipeError
        If the name leads through something that holds no fields.
    """
    *parents, last = key.split(".")
    node = content
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise RecipeError(f"The field {key!r} leads through {parent!r}, which holds no fields.")
    node[last] = value
