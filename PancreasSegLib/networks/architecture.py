"""What the library knows of an architecture before building it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import MissingPackageError, NetworkError

if TYPE_CHECKING:
    from torch import nn

COMMON = {
    "in_channels": "Input channels.",
    "out_channels": "Classes, the background included.",
    "spatial_dims": "3 for volumes, 2 for slices.",
    "filters": "Channels of each level, the finest first.",
    "kernel_size": "Kernel: one number, or three in z, y, x order.",
    "strides": "Stride of each level, the finest (usually 1) first: one number, or three in z, y, x order.",
    "norm": 'Normalisation: "instance", "batch" or "group", or [name, {options}].',
    "activation": 'Activation: "leakyrelu", "relu", "prelu", "elu", "selu" or "gelu", or [name, {options}].',
    "dropout": "Probability of dropping a unit, 0 for none.",
    "kept": "Channels that are wanted, by the label that they make together; all if empty.",
    "background": "Whether the highest of the other scores is kept too, as a softmax needs it.",
    "deep_supervision": "Whether coarser levels give scores of their own in training.",
}
"""Meaning of the arguments that most architectures share."""


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
    translate : callable
        Takes the arguments by keyword (its signature is the list of them), checks them, and returns those of the
        class. Imports neither torch nor MONAI.
    module : str
        The class, as ``"package.module:Class"``, imported when a network is built.
    multiple : callable
        Takes what `translate` returned, gives what input sizes must be multiples of, in z, y, x order.
    lean : str
        A class with the same state dict and the same scores from plain torch layers, without MONAI; "" if none.
    monai : callable
        Takes what `translate` returned, gives the name of the class in ``monai.networks.nets`` that is the same
        network in evaluation mode, None if there is none.
    needs : tuple of str
        Python packages beyond those that the library always has.
    """

    name: str
    summary: str
    source: str
    translate: Callable[..., dict[str, Any]]
    module: str
    multiple: Callable[[dict[str, Any]], tuple[int, ...]]
    lean: str = ""
    monai: Callable[[dict[str, Any]], str | None] = lambda _: None
    needs: tuple[str, ...] = ()

    @cached_property
    def arguments(self) -> dict[str, Argument]:
        """The arguments it takes, by name."""
        meanings = COMMON | _meanings(self.translate.__doc__ or "")
        found = {}
        for name, parameter in inspect.signature(self.translate).parameters.items():
            required = parameter.default is inspect.Parameter.empty
            found[name] = Argument(
                name, str(parameter.annotation), None if required else parameter.default, required, meanings[name]
            )
        return found

    def checked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Check arguments and turn them into those of the class.

        Raises
        ------
        NetworkError
            If an argument is unknown or missing, or its value makes no sense.
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
        with self._refusal():
            return self.translate(**arguments)

    def build(self, arguments: dict[str, Any], lean: bool = False) -> nn.Module:
        """Build the network.

        Raises
        ------
        NetworkError
            As `checked`, or if the class refuses them.
        MissingPackageError
            If a Python package is not there.
        """
        checked = self.checked(arguments)
        for package in self.needs:
            if find_spec(package) is None:
                raise MissingPackageError(
                    f"The network {self.name} needs the Python package {package}.", f"pip install {package}"
                )
        module, _, name = (self.lean if lean and self.lean else self.module).partition(":")
        with self._refusal():
            return getattr(import_module(module), name)(**checked)

    def _refusal(self) -> _Refusal:
        return _Refusal(self.name)


class _Refusal:
    """Turns what a constructor complains of into a sentence that names the network."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, (ValueError, TypeError, AssertionError, LookupError, RuntimeError, ArithmeticError)):
            raise NetworkError(
                f"The network {self._name} cannot be built from these arguments: {error}.",
                f"`pancreasseg networks {self._name}` lists them.",
            ) from error


def _meanings(docstring: str) -> dict[str, str]:
    """Description of each parameter of a numpydoc docstring, on one line."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if " : " in line and not line.startswith(" "):
            name = line.split(" : ")[0]
            found[name] = ""
        elif name and line.startswith("    "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            name = ""
    return found
