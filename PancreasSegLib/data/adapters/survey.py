"""What a folder turned out to hold, and what every adapter can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PancreasSegLib.data.adapters.source_case import SourceCase


@dataclass(frozen=True)
class LeftOut:
    """A case that is not there, or not one of those that are wanted.

    Attributes
    ----------
    name : str
    code : str
        Stable name of the reason, kebab-case.
    sentence : str
    """

    name: str
    code: str
    sentence: str


@dataclass(frozen=True)
class Survey:
    """The cases of a dataset, before any of them is read.

    Attributes
    ----------
    title, licence, reference : str
        What the dataset is called, its terms, and where it comes from.
    structures : tuple of str
        All that its labels name, in its own order.
    cases : tuple of SourceCase
        Sorted by name.
    left_out : tuple of LeftOut
    kin : str
        Which other datasets hold the same patients; empty where none is known.
    """

    title: str
    licence: str
    reference: str
    structures: tuple[str, ...]
    cases: tuple[SourceCase, ...]
    left_out: tuple[LeftOut, ...] = ()
    kin: str = ""


@dataclass(frozen=True)
class SourceOptions:
    """What a user may say about a source; an adapter names in ``options`` those that it heeds.

    Attributes
    ----------
    label_folder : Path, optional
        Where the labels are, if not with the images.
    flip : str, optional
        How the label map's axes run against the CT's, where that is not to be found out: ``"none"`` or of
        ``"xyz"`` those that are reversed.
    values : mapping of str to int, optional
        Label names with their values, where the dataset does not name them.
    """

    label_folder: Path | None = None
    flip: str | None = None
    values: Mapping[str, int] | None = None

    @property
    def given(self) -> frozenset[str]:
        """Names of those that the user has given."""
        return frozenset(name for name, value in vars(self).items() if value is not None)


class DatasetAdapter(Protocol):
    """Knows one dataset's folders, names and traps.

    Attributes
    ----------
    name : str
        What the command line calls it.
    title : str
        What people call it.
    expects : str
        What its folder looks like; stands in the sentence that refuses another folder.
    options : frozenset of str
        Those of `SourceOptions` that it heeds.
    """

    name: str
    title: str
    expects: str
    options: frozenset[str]

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the cases in a folder; reads no image.

        Raises
        ------
        DatasetError
            If the folder is not what the adapter expects: what it expected, and what it found.
        """
