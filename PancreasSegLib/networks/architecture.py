"""What the library knows of an architecture before building it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import NetworkError

if TYPE_CHECKING:
    from torch import nn

Multiple = tuple[int, ...]

COMMON = {
    "in_channels": "Input channels.",
    "out_channels": "Classes, the background included.",
    "spatial_dims": "3 for volumes, 2 for slices.",
    "filters": "Channels a level, the finest first.",
    "kernel_size": "Kernel, one int or a triple in z, y, x order; a list of them gives one a level.",
    "strides": "Stride, one int or a triple in z, y, x order, for each level or each step down.",
    "norm": 'Normalisation: "instance", "batch" or "group", or [name, {options}] as MONAI takes it.',
    "activation": 'Activation: "leakyrelu", "relu", "prelu", "gelu" or "swish", or [name, {options}].',
    "dropout": "Probability of dropping a unit, 0 for none.",
    "deep_supervision": "Whether coarser levels give scores of their own in training.",
}


@dataclass(frozen=True)
class Argument:
    """One argument of an architecture.

    Attributes
    ----------
    name, kind : str
        Name, and its type as written in the code.
    default : object
        Value when left out; meaningless if `required`.
    required : bool
        Whether it must be given.
    meaning : str
        One line.
    """

    name: str
    kind: str
    default: Any
    required: bool
    meaning: str


@dataclass(frozen=True)
class Architecture:
    """A network by name: how to build it, what it takes, what sizes it accepts.

    Attributes
    ----------
    name : str
        What recipes, packages and the command line call it.
    summary : str
        One sentence for a person.
    source : str
        The paper.
    build : callable
        Keyword-only builder; its signature is the list of arguments.
    multiple : callable
        Takes the complete arguments, gives what input sizes must be multiples of, in z, y, x order.
    lean : callable, optional
        Builds an equal network (same state dict, same scores) from plain torch layers, without importing MONAI.
    monai : callable, optional
        Takes the complete arguments, gives the same network as an entry of a MONAI bundle's configuration.
    """

    name: str
    summary: str
    source: str
    build: Callable[..., nn.Module]
    multiple: Callable[[dict[str, Any]], Multiple]
    lean: Callable[..., nn.Module] | None = None
    monai: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    @cached_property
    def arguments(self) -> dict[str, Argument]:
        """The arguments it takes, by name."""
        meanings = COMMON | _meanings(self.build.__doc__ or "")
        found = {}
        for name, parameter in inspect.signature(self.build).parameters.items():
            required = parameter.default is inspect.Parameter.empty
            found[name] = Argument(
                name, str(parameter.annotation), None if required else parameter.default, required, meanings[name]
            )
        return found

    def complete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Fill in the defaults.

        Raises
        ------
        NetworkError
            If an argument is unknown or a required one is missing.
        """
        unknown = sorted(set(arguments) - set(self.arguments))
        if unknown:
            raise NetworkError(
                f"The network {self.name} has no argument {', '.join(map(repr, unknown))}.",
                f"It takes {', '.join(self.arguments)}.",
            )
        missing = [a.name for a in self.arguments.values() if a.required and a.name not in arguments]
        if missing:
            raise NetworkError(f"The network {self.name} needs {', '.join(missing)}.", "Add what is missing.")
        return {name: arguments.get(name, a.default) for name, a in self.arguments.items()}


def product_of_strides(strides: Any, spatial_dims: int) -> Multiple:
    """Multiply strides of all levels axis by axis; a level is one int for all axes or one an axis (z, y, x)."""
    levels = [[level] * spatial_dims if isinstance(level, int) else list(level) for level in strides]
    return tuple(math.prod(axis) for axis in zip(*levels, strict=True))


def _meanings(docstring: str) -> dict[str, str]:
    """First line of each parameter's description in a numpydoc docstring (``a, b : kind`` counts for both)."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(docstring).splitlines():
        if " : " in line and not line.startswith(" "):
            names = [name.strip() for name in line.split(" : ")[0].split(",")]
        elif line.startswith("    ") and names:
            for name in names:
                found[name] = f"{found[name]} {line.strip()}" if name in found else line.strip()
        elif not line.strip():
            names = []
    return found
