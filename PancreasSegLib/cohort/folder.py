"""The folder of a cohort: what lies where in it, and the key of its ids."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import CohortError
from PancreasSegLib.io import atomic_path

_FORMAT = 1
_ID_DIGITS = 16


@dataclass(frozen=True)
class Cohort:
    """A cohort's folder.

    ``index.parquet`` and ``results/MODEL/table.parquet`` hold no name, date or path, and can be given away.
    ``private/`` says where the scans lie, and by default holds the key; it stays where the scans are.

    Attributes
    ----------
    path : Path
        The folder.
    key : bytes
        Makes the ids: nobody can tell without it which patient is behind one.
    """

    path: Path
    key: bytes

    @classmethod
    def make(cls, path: Path, key_file: Path | None = None) -> Cohort:
        """Open a cohort's folder, or make a new one.

        Parameters
        ----------
        path : Path
            An empty or new folder, or a cohort.
        key_file : Path, optional
            Where the key is, or is to be; ``private/key`` in the folder by default.

        Raises
        ------
        CohortError
            If the folder holds something else, or the key is another than that of its ids.
        """
        if is_cohort(path):
            return cls.open(path, key_file)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise CohortError(f"{str(path)!r} is not empty, and no cohort.", "Choose a new or empty folder.")
        place = key_file or path / "private" / "key"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(place) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        key = _read_key(place)
        (path / "private").mkdir(parents=True, exist_ok=True, mode=0o700)
        said = {"pancreasseg": "cohort", "format": _FORMAT, "key_check": _digest(key, "key")}
        said |= {"key_file": str(key_file.resolve())} if key_file else {}
        write_json(path / "cohort.json", said)
        return cls(path, key)

    @classmethod
    def open(cls, path: Path, key_file: Path | None = None) -> Cohort:
        """Open a cohort's folder.

        Raises
        ------
        CohortError
            If it is none, or the key is missing or another.
        """
        if not is_cohort(path):
            raise CohortError(f"{str(path)!r} is no cohort.", "Make one: pancreasseg cohort index SOURCE COHORT.")
        said = json.loads((path / "cohort.json").read_text("utf-8"))
        if said.get("format") != _FORMAT:
            raise CohortError(f"{str(path)!r} was made by another version.", "Index its source into a new folder.")
        place = key_file or Path(said.get("key_file") or path / "private" / "key")
        key = _read_key(place)
        if _digest(key, "key") != said["key_check"]:
            raise CohortError(
                f"The key in {str(place)!r} is not the one that this cohort's ids were made with.",
                "Give the right one with --key.",
            )
        return cls(path, key)

    def identify(self, *names: str) -> str:
        """Return the id of a patient, a study or a series: the same for the same names under the same key."""
        return _digest(self.key, "\0".join(names)) if any(names) else ""

    @property
    def private(self) -> Path:
        """What must not be given away: where the scans lie."""
        return self.path / "private"

    @property
    def index_file(self) -> Path:
        """One row a series."""
        return self.path / "index.parquet"

    @property
    def locations_file(self) -> Path:
        """Where the files of each scan are."""
        return self.private / "locations.parquet"

    @property
    def training_folder(self) -> Path:
        """The dataset of corrected cases."""
        return self.path / "training"

    def results(self, model: str) -> Path:
        """Return the folder of a model's results, by its key or the start of one.

        Raises
        ------
        CohortError
            If there is none, or several.
        """
        found = [name for name in self.models() if name.startswith(model)]
        if model in found:
            found = [model]
        if len(found) != 1:
            have = ", ".join(self.models()) or "none"
            raise CohortError(
                f"{len(found)} results in the cohort are called {model!r}; there are: {have}.",
                "Name one of them, or run the model: pancreasseg cohort run COHORT --model NAME.",
            )
        return self.path / "results" / found[0]

    def models(self) -> list[str]:
        """Return the keys of the models that were run, the latest last."""
        made = [p for p in (self.path / "results").glob("*") if (p / "run.json").is_file()]
        return [p.name for p in sorted(made, key=lambda p: (p / "run.json").stat().st_mtime)]


def is_cohort(path: Path) -> bool:
    """Whether a folder is a cohort's."""
    try:
        said = json.loads((path / "cohort.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("pancreasseg") == "cohort"


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _read_key(place: Path) -> bytes:
    try:
        text = place.read_text("ascii").strip()
        key = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise CohortError(
            f"The key of the cohort's ids cannot be read from {str(place)!r}.", "Give its file with --key."
        ) from error
    if len(key) < 16:
        raise CohortError(f"The key in {str(place)!r} is too short.", "Give a file of 64 hexadecimal digits.")
    return key


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:_ID_DIGITS]
