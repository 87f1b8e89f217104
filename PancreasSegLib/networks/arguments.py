"""Arguments that several architectures share, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import NetworkError

Norm = str | Sequence[Any]
Activation = str | Sequence[Any]
Size = int | Sequence[int]

NORMS: dict[str, dict[str, Any]] = {"instance": {"affine": True}, "batch": {}, "group": {"num_groups": 8}}
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "leakyrelu": {"inplace": True, "negative_slope": 0.01},
    "relu": {"inplace": True},
    "prelu": {},
    "gelu": {},
    "swish": {},
}


def named_layer(kind: str, value: Norm, known: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Turn ``"instance"`` or ``["group", {"num_groups": 4}]`` into MONAI's ``(NAME, options)``.

    Raises
    ------
    NetworkError
        If the name is not one of `known` or the options are not a mapping; the sentence names `kind`.
    """
    name, options = (value, {}) if isinstance(value, str) else (*value, {})[:2]
    if not isinstance(name, str) or name.lower() not in known:
        raise NetworkError(f"The {kind} {name!r} is unknown.", f"Choose one of {', '.join(known)}.")
    if not isinstance(options, dict):
        raise NetworkError(
            f"The options of the {kind} {name!r} are not a mapping.", 'Write ["name", {"option": 1}].'
        )
    return name.upper(), {**known[name.lower()], **options}


def norm_layer(norm: Norm) -> tuple[str, dict[str, Any]]:
    """Normalisation as MONAI takes it."""
    return named_layer("norm", norm, NORMS)


def activation_layer(activation: Activation) -> tuple[str, dict[str, Any]]:
    """Activation as MONAI takes it."""
    return named_layer("activation", activation, ACTIVATIONS)


def is_positive(value: Any) -> bool:
    """Whether the value is an int above zero (True is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def each_axis(name: str, value: Size, spatial_dims: int) -> tuple[int, ...]:
    """One positive int an axis, from one int or a sequence in z, y, x order."""
    sizes = (value,) * spatial_dims if isinstance(value, int) else tuple(value)
    if len(sizes) != spatial_dims or not all(
        isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in sizes
    ):
        raise NetworkError(
            f"{name} is {value!r}.", f"Give one positive number, or {spatial_dims} of them in z, y, x order."
        )
    return sizes


def each_level(name: str, value: Any, levels: int, spatial_dims: int) -> list[tuple[int, ...]]:
    """One triple a level, from one int for all or a list with an int or a triple a level."""
    entries = [value] * levels if isinstance(value, int) else list(value)
    if len(entries) != levels:
        raise NetworkError(
            f"{name} has {len(entries)} entries for {levels} levels.", f"Give one entry a level: {levels}."
        )
    return [each_axis(f"{name}[{i}]", entry, spatial_dims) for i, entry in enumerate(entries)]


def positive_numbers(name: str, value: Any, least: int, most: int | None = None) -> list[int]:
    """Check a list of positive ints with at least `least` and at most `most` entries."""
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if not all(is_positive(v) for v in numbers) or not least <= len(numbers) <= (most or len(numbers)):
        count = f"{least}" if most == least else f"at least {least}"
        raise NetworkError(f"{name} is {value!r}.", f"Give a list of {count} positive numbers.")
    return numbers
