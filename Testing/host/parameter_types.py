"""How typed parameters are written in the text parameters of a MRML node, and checked."""

from __future__ import annotations

import enum
import pathlib
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import slicer


@dataclass(frozen=True)
class WithinRange:
    """Annotation: a number from ``minimum`` to ``maximum``."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        """Raise ValueError unless the number lies in the range."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} to {self.maximum}")


@dataclass(frozen=True)
class Minimum:
    """Annotation: a number not below ``minimum``."""

    minimum: float

    def validate(self, value: float) -> None:
        """Raise ValueError for a smaller number."""
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclass(frozen=True)
class Maximum:
    """Annotation: a number not above ``maximum``."""

    maximum: float

    def validate(self, value: float) -> None:
        """Raise ValueError for a larger number."""
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


@dataclass(frozen=True)
class Choice:
    """Annotation: one of ``choices``."""

    choices: tuple

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))

    def validate(self, value: Any) -> None:
        """Raise ValueError for anything else."""
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


@dataclass(frozen=True)
class Default:
    """Annotation: the value of a parameter that was never set."""

    value: Any


@dataclass(frozen=True)
class Decimals:
    """Annotation: how many decimals the widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """Annotation: the step of the widget."""

    value: float


VALIDATORS = (WithinRange, Minimum, Maximum, Choice)
_PATHS = (pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePath)
_EMPTY = {int: 0, float: 0.0, str: "", bool: False}


class Parameter:
    """One typed parameter of a wrapper class.

    Parameters
    ----------
    name
        Its name in the class and in the node.
    annotation
        Its type: int, float, str, bool, a path, an enumeration or a MRML node class, plain or ``Annotated``.
    default
        ``(value,)`` when the class gives one, else None.
    """

    def __init__(self, name: str, annotation: Any, default: tuple | None) -> None:
        self.name = name
        self.annotations: tuple = ()
        if get_origin(annotation) is Annotated:
            annotation, *rest = get_args(annotation)
            self.annotations = tuple(rest)
        self.type = annotation
        is_class = isinstance(annotation, type)
        self.is_node = is_class and issubclass(annotation, slicer.vtkMRMLNode)
        self.is_enum = is_class and issubclass(annotation, enum.Enum)
        if not (self.is_node or self.is_enum or annotation in _EMPTY or annotation in _PATHS):
            raise TypeError(f"The test host has no parameter of type {annotation} ({name})")
        self.default = default[0] if default else self._default()

    def _default(self) -> Any:
        given = self.annotation(Default)
        if given is not None:
            return given.value
        if self.is_node:
            return None
        if self.is_enum:
            return next(iter(self.type))
        return _EMPTY[self.type] if self.type in _EMPTY else self.type()

    def annotation(self, kind: type) -> Any:
        """Return the first annotation of this class, or None."""
        return next((a for a in self.annotations if isinstance(a, kind)), None)

    def check(self, value: Any) -> None:
        """Raise what the application raises for a value of a wrong type (TypeError) or range (ValueError)."""
        accepted = (int, float) if self.type is float else self.type
        if not (self.is_node and value is None) and not isinstance(value, accepted):
            raise TypeError(f"{self.name}: {value!r} is no {self.type.__name__}")
        for annotation in self.annotations:
            if isinstance(annotation, VALIDATORS):
                annotation.validate(value)

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, value: Any) -> None:
        """Check the value and store it in the node."""
        self.check(value)
        if self.is_node:
            node.SetParameter(self.name, "")  # says that the parameter is there, also when it is None
            node.SetNodeReferenceID(self.name, None if value is None else value.GetID())
        elif self.is_enum:
            node.SetParameter(self.name, value.name)
        else:
            node.SetParameter(self.name, str(value))

    def read(self, node: slicer.vtkMRMLScriptedModuleNode) -> Any:
        """Return the value from the node; one that is missing (after the scene was closed) becomes the default."""
        if not node.HasParameter(self.name):
            self.write(node, self.default)
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.is_enum:
            return self.type[text]
        return text == "True" if self.type is bool else self.type(text)
