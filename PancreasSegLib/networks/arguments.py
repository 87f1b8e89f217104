"""Arguments that several architectures share, checked once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import NetworkError

Layer = str | Sequence[Any]
Size = int | Sequence[int]

NORMS: dict[str, dict[str, Any]] = {"instance": {"affine": True}, "batch": {}, "group": {"num_groups": 8}}
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "leakyrelu": {"inplace": True, "negative_slope": 0.01},
    "relu": {"inplace": True},
    "prelu": {},
    "elu": {"inplace": True},
    "selu": {"inplace": True},
    "gelu": {},
}


def _named_layer(kind: str, value: Layer, known: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    name, options = (value, {}) if isinstance(value, str) else (*value, {})[:2]
    if not isinstance(name, str) or name.lower() not in known:
        raise NetworkError(f"The {kind} {name!r} is unknown.", f"Choose one of {', '.join(known)}.")
    if not isinstance(options, dict):
        raise NetworkError(
            f"The options of the {kind} {name!r} are not a mapping.", 'Write ["name", {"option": value}].'
        )
    return name.upper(), {**known[name.lower()], **options}


def norm_layer(norm: Layer) -> tuple[str, dict[str, Any]]:
    """Turn ``"group"`` or ``["group", {"num_groups": 4}]`` into MONAI's ``(NAME, options)``.

    Raises
    ------
    NetworkError
        If the name is unknown or the options are not a mapping.
    """
    return _named_layer("norm", norm, NORMS)


def activation_layer(activation: Layer) -> tuple[str, dict[str, Any]]:
    """Turn ``"relu"`` or ``["leakyrelu", {"negative_slope": 0.1}]`` into MONAI's ``(NAME, options)``.

    Raises
    ------
    NetworkError
        If the name is unknown or the options are not a mapping.
    """
    return _named_layer("activation", activation, ACTIVATIONS)


def is_positive(value: Any) -> bool:
    """Whether the value is an int above zero (True is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def dimensions(spatial_dims: Any) -> int:
    """Check that a network is 2D or 3D."""
    if spatial_dims not in (2, 3):
        raise NetworkError(f"spatial_dims is {spatial_dims!r}.", "Give 3 for volumes or 2 for slices.")
    return int(spatial_dims)


def channels(in_channels: Any, out_channels: Any) -> dict[str, int]:
    """Check the two numbers of channels and return them by name."""
    for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
        if not is_positive(value):
            raise NetworkError(f"{name} is {value!r}.", "Give a positive number.")
    return {"in_channels": in_channels, "out_channels": out_channels}


def probability(name: str, value: Any) -> float:
    """Check a probability below 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise NetworkError(f"{name} is {value!r}.", "Give a number from 0 to below 1.")
    return float(value)


def each_axis(name: str, value: Any, spatial_dims: int) -> tuple[int, ...]:
    """One positive int an axis, from one int or a sequence in z, y, x order."""
    sizes = tuple(value) if isinstance(value, Sequence) else (value,) * spatial_dims
    if len(sizes) != spatial_dims or not all(is_positive(v) for v in sizes):
        raise NetworkError(
            f"{name} is {value!r}.", f"Give one positive number, or {spatial_dims} of them in z, y, x order."
        )
    return sizes


def each_level(name: str, value: Any, levels: int, spatial_dims: int) -> list[tuple[int, ...]]:
    """One tuple a level, from one int for all of them or a list with an entry a level."""
    entries = list(value) if isinstance(value, Sequence) else [value] * levels
    if len(entries) != levels:
        raise NetworkError(
            f"{name} has {len(entries)} entries for {levels} levels.", f"Give one a level, that is {levels}."
        )
    return [each_axis(f"{name}[{i}]", entry, spatial_dims) for i, entry in enumerate(entries)]


def steps_down(strides: Any, levels: int, spatial_dims: int) -> list[tuple[int, ...]]:
    """Strides of the steps between levels, for networks whose first level must keep the input's size."""
    found = each_level("strides", strides, levels, spatial_dims)
    if set(found[0]) != {1}:
        raise NetworkError(
            f"strides[0] is {strides[0]!r}.", "This network needs 1 there; dynunet takes a larger one."
        )
    return found[1:]


def positive_numbers(name: str, value: Any, least: int, most: int | None = None) -> list[int]:
    """Check a list of positive ints with at least `least` and at most `most` entries."""
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if not all(is_positive(v) for v in numbers) or not least <= len(numbers) <= (most or len(numbers)):
        count = f"{least}" if most == least else f"at least {least}"
        raise NetworkError(f"{name} is {value!r}.", f"Give a list of {count} positive numbers.")
    return numbers


def doubling(name: str, value: Any, least: int) -> list[int]:
    """Check filters of a network that doubles its channels at each level."""
    numbers = positive_numbers(name, value, least)
    expected = [numbers[0] * 2**i for i in range(len(numbers))]
    if numbers != expected:
        raise NetworkError(f"{name} is {value!r}.", f"This network doubles them a level: {expected}.")
    return numbers


def product_of_strides(strides: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Multiply the strides of all levels axis by axis."""
    return tuple(math.prod(axis) for axis in zip(*strides, strict=True))
