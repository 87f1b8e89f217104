"""A MONAI bundle's configuration, read as data: references are followed, expressions are not run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import MissingPackageError, ModelPackageError, UntrustedModelError
from PancreasSegLib.models.imports.bundle_arithmetic import NotPlainError, worked_out

INFERENCE_FILES = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_MAX_CONFIG_BYTES = 8 << 20
_MOST_STEPS = 50
_MOST_VALUES = 100_000  # references to references can stand for more than any memory holds
TRUST_HINT = "If you trust its maker, import it with --trust: its code then runs with your rights, now."


class BundleConfig:
    """``configs/inference.json`` or ``.yaml`` of a bundle.

    Parameters
    ----------
    folder : Path
        The bundle.
    trust : bool
        Whether ``$`` expressions may be run, by MONAI's own parser.

    Raises
    ------
    ModelPackageError
        If there is none, or it cannot be read.
    """

    def __init__(self, folder: Path, trust: bool = False) -> None:
        self.folder, self.trust = folder, trust
        self.file = next((name for name in INFERENCE_FILES if (folder / name).is_file()), "")
        if not self.file:
            raise ModelPackageError(
                f"{folder} has no configs/inference.json or .yaml, which says how to feed the network."
            )
        self.content = read_config(folder, self.file)
        self._parser: Any = None
        self._visited = 0

    def value(self, name: str) -> Any:
        """Return a top entry as plain data, with references followed.

        Raises
        ------
        UntrustedModelError
            If it is or holds an expression and the bundle is not trusted.
        ModelPackageError
            If a reference leads nowhere.
        """
        self._visited = 0
        return self.plain(self.content[name], name)

    def plain(self, value: Any, place: str, steps: int = 0) -> Any:
        """Follow the references in a value; `place` is its id, e.g. ``"preprocessing::transforms::2"``."""
        self._visited += 1
        if steps > _MOST_STEPS or self._visited > _MOST_VALUES:
            raise ModelPackageError(f"{self.file}: {place} refers to itself, or is nested too deeply.")
        if isinstance(value, dict):
            return {k: self.plain(v, f"{place}::{k}", steps + 1) for k, v in value.items()}
        if isinstance(value, list):
            return [self.plain(v, f"{place}::{i}", steps + 1) for i, v in enumerate(value)]
        if not isinstance(value, str):
            return value
        if value.startswith("$"):
            return self._expression(value, place, steps)
        if value.startswith("@"):
            target = value[1:].replace("#", "::")
            return self.plain(self._find(target, place), target, steps + 1)
        if value.startswith("%"):
            raise ModelPackageError(
                f"{self.file}: {place} is {value!r}, a part of another file, which is not read."
            )
        return value

    def follow(self, value: Any, place: str) -> tuple[Any, str]:
        """Follow a reference, and leave what it leads to as it is; also return the id of that."""
        for _ in range(_MOST_STEPS):
            if not isinstance(value, str) or not value.startswith("@"):
                return value, place
            target = value[1:].replace("#", "::")
            value, place = self._find(target, place), target
        raise ModelPackageError(f"{self.file}: {place} refers to itself.")

    def _find(self, target: str, place: str) -> Any:
        found: Any = self.content
        for key in target.split("::"):
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            else:
                raise ModelPackageError(f"{self.file}: {place} refers to {target!r}, which is not there.")
        return found

    def _expression(self, expression: str, place: str, steps: int) -> Any:
        """Work out an expression that is mere arithmetic; anything more is code."""
        try:
            return worked_out(
                expression[1:], lambda target: self.plain(self._find(target, place), target, steps + 1)
            )
        except NotPlainError:
            pass
        if not self.trust:
            shown = expression if len(expression) <= 100 else f"{expression[:97]}..."
            raise UntrustedModelError(
                f"{self.file}: {place} is {shown!r}, an expression, which is code and would be run.", TRUST_HINT
            )
        return as_plain(self.run(place), f"{self.file}: {place}")

    def run(self, place: str) -> Any:
        """Let MONAI evaluate an entry, with the bundle's own modules at hand: only for a bundle that is trusted.

        Raises
        ------
        ModelPackageError
            If its code fails.
        """
        assert self.trust
        sys.path.insert(0, str(self.folder))
        try:
            if self._parser is None:
                from monai.bundle import ConfigParser

                self._parser = ConfigParser()
                self._parser.read_config(str(self.folder / self.file))
                self._parser["bundle_root"] = str(self.folder)
            return self._parser.get_parsed_content(place)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelPackageError(f"{self.file}: {place} cannot be evaluated: {reason}.") from error
        finally:
            sys.path.remove(str(self.folder))


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON or YAML file of a bundle.

    Raises
    ------
    ModelPackageError
        If it is too large, broken, or no object.
    MissingPackageError
        If YAML cannot be read here.
    """
    path = folder / name
    if not path.is_file():
        raise ModelPackageError(f"{folder} lacks the file {name}.", "Is it complete?")
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ModelPackageError(f"{path} is larger than {_MAX_CONFIG_BYTES >> 20} MB.")
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _yaml(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelPackageError(f"{path} cannot be read: {reason}.") from error
    if not isinstance(content, dict):
        raise ModelPackageError(f"{path} is not an object with named fields.")
    return content


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingPackageError("A YAML file needs the Python package PyYAML.", "pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def as_plain(value: Any, place: str) -> Any:
    """Turn what code made into plain JSON.

    Raises
    ------
    ModelPackageError
        If it is something else.
    """
    if isinstance(value, dict):
        return {str(k): as_plain(v, place) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v, place) for v in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ModelPackageError(f"{place} gives a {type(value).__name__}, not numbers or texts.")
