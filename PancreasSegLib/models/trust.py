"""Which programs the user has agreed to run: SHA-256 sums beside the packages, never inside one.

A package cannot vouch for itself: whether its TorchScript may run is written where only the user writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.models.registry import packages_folder

TRUST_FILE = "trusted.json"


def is_trusted(digest: str) -> bool:
    """Whether the user has agreed to run the file with this SHA-256."""
    return digest in _read(packages_folder() / TRUST_FILE)


def trust(digest: str, name: str) -> None:
    """Remember that the user has agreed to run a file.

    Parameters
    ----------
    digest : str
        Its SHA-256, lowercase hexadecimal digits.
    name : str
        What it is, for a person who looks into the list.

    Raises
    ------
    OutputError
        If the list cannot be written.
    """
    path = packages_folder() / TRUST_FILE
    known = _read(path)
    with atomic_path(path) as part:
        part.write_text(json.dumps({"trusted": {**known, digest: name}}, indent=2), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """Read the list; one that cannot be read trusts nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    trusted = found.get("trusted") if isinstance(found, dict) else None
    return trusted if isinstance(trusted, dict) else {}
