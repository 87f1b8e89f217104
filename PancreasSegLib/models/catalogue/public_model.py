"""The catalogue: public models that can be fetched, with their terms and published figures.

Sizes and checksums are as their makers publish them. It is JSON, which Slicer's Python reads as it is.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.catalogue.download import PublicFile

CATALOGUE = Path(__file__).parent / "public_models.json"


@dataclass(frozen=True)
class PublicModel:
    """A model that its makers give away.

    Attributes
    ----------
    name : str
        What ``pancreasseg models get`` takes.
    title, finds : str
        What it is, and what it finds.
    url, file : str
        Where its zip is, and how that is called; of one that is fetched by hand the page, and nothing.
    bytes : int
        Size of the zip, 0 if that is not known.
    checksum : str
        SHA-256 or SHA-1 as its makers publish it; empty if they do not.
    licence, terms : str
        Its licence by SPDX, and what else should be known before it is used.
    citation : str
        What its makers ask to be cited.
    figures : str
        Measured results that were published for it.
    page : str
        Where its makers describe it.
    options : dict
        How it is imported: arguments of `PancreasSegLib.models.imports.import_model`.
    """

    name: str
    title: str
    finds: str
    url: str
    file: str
    licence: str
    citation: str
    page: str
    bytes: int = 0
    checksum: str = ""
    terms: str = ""
    figures: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def download(self) -> PublicFile:
        """Its zip on the net."""
        return PublicFile(self.file, self.url, self.checksum, f"{self.title}, {self.licence}", self.bytes)

    @property
    def by_hand(self) -> bool:
        """Whether the user fetches it from a page and gives the zip."""
        return not self.file

    @property
    def size(self) -> str:
        """Its size in words."""
        return f"{self.bytes / 1e6:.0f} MB" if self.bytes else "size not published"


@cache
def public_models() -> tuple[PublicModel, ...]:
    """Return the catalogue."""
    return tuple(PublicModel(**entry) for entry in json.loads(CATALOGUE.read_text(encoding="utf-8")))


def public_model(name: str) -> PublicModel:
    """Find a model of the catalogue.

    Raises
    ------
    ModelPackageError
        If there is none of that name.
    """
    known = {model.name: model for model in public_models()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, 1)
    meant = f"Did you mean {close[0]}? " if close else ""
    raise ModelPackageError(f"The catalogue has no model {name!r}.", f"{meant}It has {', '.join(known)}.")
