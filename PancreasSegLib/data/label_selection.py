"""Which structures of a dataset become labels, and which are merged: ``pancreas=pancreas+tumour``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PancreasSegLib.data.structure_name import has_wildcard, matching, plain_name
from PancreasSegLib.errors import DatasetError

MAX_LABELS = 255


@dataclass(frozen=True)
class LabelSelection:
    """The labels that are wanted, in order; label `n` of them gets the value `n + 1`.

    Attributes
    ----------
    sources : dict of str to tuple of str
        A label's name, and the names (or patterns) of the structures that are merged into it.

    Examples
    --------
    >>> wanted = LabelSelection.parse(["pancreas=pancreas+tumour", "liver"])
    >>> wanted.sources
    {'pancreas': ('pancreas', 'tumour'), 'liver': ('liver',)}
    >>> wanted.values
    {'pancreas': 1, 'liver': 2}
    """

    sources: dict[str, tuple[str, ...]]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> LabelSelection:
        """Read ``NAME``, ``NAME=A+B`` and ``NAME=A*``; several in one text are separated by commas.

        Raises
        ------
        DatasetError
            If a text says nothing, or a label is named twice.
        """
        sources: dict[str, tuple[str, ...]] = {}
        for text in (part for whole in texts for part in whole.split(",")):
            name, equals, merged = (word.strip() for word in text.partition("="))
            parts = tuple(word.strip() for word in merged.split("+")) if equals else (name,)
            if not name or not all(parts) or has_wildcard(name):
                raise DatasetError(
                    f"{text!r} says no label.",
                    'Write NAME or NAME=A+B, as in --labels "pancreas=pancreas+tumour".',
                )
            if name in sources or plain_name(name) == "background":
                raise DatasetError(
                    f"The label {name!r} is named twice, or is the background.", "Name each label once."
                )
            sources[name] = parts
        return cls._checked(sources)

    @classmethod
    def all_of(cls, structures: Sequence[str]) -> LabelSelection:
        """Return every structure as a label of its own.

        Raises
        ------
        DatasetError
            If there are more than a mask can hold.
        """
        return cls._checked({name: (name,) for name in structures})

    @classmethod
    def _checked(cls, sources: dict[str, tuple[str, ...]]) -> LabelSelection:
        if not 0 < len(sources) <= MAX_LABELS:
            raise DatasetError(f"{len(sources)} labels do not fit into a mask.", "Name 1 to 255 with --labels.")
        return cls(sources)

    @property
    def values(self) -> dict[str, int]:
        """Value of each label in the mask."""
        return {name: number for number, name in enumerate(self.sources, 1)}

    def check(self, structures: Sequence[str], dataset: str) -> None:
        """Refuse names that a dataset does not know.

        Raises
        ------
        DatasetError
            If a name or pattern fits nothing; near names are given.
        """
        known = tuple(structures)
        for name in (source for sources in self.sources.values() for source in sources):
            if matching(name, known):
                continue
            near = difflib.get_close_matches(plain_name(name), [plain_name(other) for other in known], 1)
            meant = next((other for other in known if near and plain_name(other) == near[0]), None)
            listed = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
            raise DatasetError(
                f"{dataset} has no structure {name!r}{f'; perhaps {meant!r}' if meant else ''}.",
                f"It has: {listed}.",
            )

    def of_case(self, structures: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the labels that a case was read for, each with its structures there.

        A label counts as read where all structures named for it are there; patterns may fit none, unless nothing
        else is named. In a case that lacks one, the label is unknown, which is not the same as absent.

        Examples
        --------
        >>> LabelSelection.parse(["liver=liver+livertumor*", "pancreas"]).of_case(["liver", "skin"])
        {'liver': ('liver',)}
        """
        have = tuple(structures)
        read: dict[str, tuple[str, ...]] = {}
        for name, sources in self.sources.items():
            found = {source: matching(source, have) for source in sources}
            lacking = [source for source, fits in found.items() if not fits and not has_wildcard(source)]
            merged = tuple(dict.fromkeys(part for fits in found.values() for part in fits))
            if merged and not lacking:
                read[name] = merged
        return read
