"""Reading a JSON object field by field, with a sentence for each that is missing or makes no sense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PancreasSegLib.errors import ModelPackageError

_ABSENT = object()


class JsonFields:
    """A JSON object, and where it stands, for the errors.

    Parameters
    ----------
    value : object
        What was read; must be an object (a dict).
    file : str
        The file, for the sentence.
    place : str
        Where the object stands in it, e.g. ``"pancreasseg.stages[0]"``.

    Raises
    ------
    ModelPackageError
        If it is not an object.

    Examples
    --------
    >>> JsonFields({"std": 0}, "metadata.json", "stages[0]").number("std", positive=True)
    Traceback (most recent call last):
        ...
    PancreasSegLib.errors.ModelPackageError: metadata.json: stages[0].std is 0, not a positive number.
    """

    def __init__(self, value: Any, file: str, place: str) -> None:
        self.file, self.place = file, place
        if not isinstance(value, dict):
            raise ModelPackageError(f"{file}: {place or 'the content'} is not an object with named fields.")
        self.value: dict[str, Any] = value

    def error(self, name: str, expected: str) -> ModelPackageError:
        """Make the error for a field that is not what it should be."""
        shown = repr(self.value.get(name))
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return ModelPackageError(f"{self.file}: {self._where(name)} is {shown}, not {expected}.")

    def _where(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def get(self, name: str, default: Any = _ABSENT) -> Any:
        """Return the field's value as it is, or the default."""
        found = self.value.get(name, default)
        if found is _ABSENT:
            raise ModelPackageError(f"{self.file}: {self._where(name)} is missing.")
        return found

    def text(self, name: str, default: Any = _ABSENT) -> str:
        """Read a string."""
        found = self.get(name, default)
        if not isinstance(found, str):
            raise self.error(name, "text")
        return found

    def integer(self, name: str) -> int:
        """Read an int."""
        found = self.get(name)
        if not isinstance(found, int) or isinstance(found, bool):
            raise self.error(name, "a whole number")
        return found

    def number(self, name: str, *, positive: bool = False) -> float:
        """Read a finite number."""
        if not _is_number(self.get(name), positive):
            raise self.error(name, "a positive number" if positive else "a number")
        return float(self.value[name])

    def numbers(self, name: str, count: int, *, positive: bool = False) -> tuple[float, ...]:
        """Read a list of finite numbers."""
        found = self.get(name)
        if not isinstance(found, list) or len(found) != count or not all(_is_number(v, positive) for v in found):
            raise self.error(name, f"{count} {'positive ' if positive else ''}numbers")
        return tuple(float(v) for v in found)

    def sizes(self, name: str) -> tuple[int, int, int]:
        """Read three positive ints."""
        found = self.get(name)
        if not isinstance(found, list) or len(found) != 3 or not all(_is_whole(v) and v > 0 for v in found):
            raise self.error(name, "3 positive whole numbers")
        return (found[0], found[1], found[2])

    def choice(self, name: str, choices: Sequence[str], default: Any = _ABSENT) -> str:
        """Read one of a few words."""
        found = self.get(name, default)
        if found not in choices:
            raise self.error(name, f"one of {', '.join(choices)}")
        return str(found)

    def mapping(self, name: str, default: Any = _ABSENT) -> dict[str, Any]:
        """Read an object as it is."""
        found = self.get(name, default)
        if not isinstance(found, dict):
            raise self.error(name, "an object with named fields")
        return found

    def items(self, name: str, default: Any = _ABSENT) -> list[Any]:
        """Read a list as it is."""
        found = self.get(name, default)
        if not isinstance(found, list):
            raise self.error(name, "a list")
        return found

    def labels(self, name: str) -> dict[str, int]:
        """Read names with values, all different, from 0 to 255."""
        found = self.mapping(name)
        if not found or not all(_is_whole(v) and 0 <= v <= 255 for v in found.values()):
            raise self.error(name, "names with whole numbers from 0 to 255")
        if len(set(found.values())) != len(found):
            raise self.error(name, "names with a value each")
        return found


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any, positive: bool) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value) and (value > 0 or not positive)
    except OverflowError:
        return False
