"""Which labels are compared, and which of a dataset's labels each of them is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError


@dataclass(frozen=True)
class LabelChoice:
    """Labels with their values in a label map, some of them made of several.

    Attributes
    ----------
    values : dict of str to int
        Value of each label, after `merged`.
    parts : dict of str to tuple of str
        What a merged label is made of, by the dataset's names.
    known : dict of str to int
        All labels of the dataset.

    Examples
    --------
    >>> choice = LabelChoice.parse(["organ=pancreas+tumour"], {"background": 0, "pancreas": 1, "tumour": 2})
    >>> choice.values, choice.merged(np.array([0, 1, 2])).tolist()
    ({'organ': 3}, [0, 3, 3])
    """

    values: dict[str, int]
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str], known: Mapping[str, int]) -> LabelChoice:
        """Return the choice that was written as ``pancreas``, ``pancreas=pancreas+tumour`` and the like.

        Raises
        ------
        DatasetError
            If a label is not known, or is part of two.
        """
        values: dict[str, int] = {}
        parts: dict[str, tuple[str, ...]] = {}
        for text in texts:
            name, separator, made_of = (part.strip() for part in text.partition("="))
            members = tuple(part.strip() for part in made_of.split("+")) if separator else (name,)
            unknown = [part for part in members if not known.get(part)]
            if unknown or not name:
                has = ", ".join(label for label, value in known.items() if value)
                raise DatasetError(
                    f"The dataset has no label {unknown[0] if unknown else repr(text)}.", f"It has: {has}."
                )
            if separator:
                parts[name] = members
                # a value of its own, unless it is the name of one of its parts
                values[name] = known[name] if name in members else max(*known.values(), *values.values()) + 1
            else:
                values[name] = known[name]
        taken = [part for name in values for part in parts.get(name, (name,))]
        twice = sorted({part for part in taken if taken.count(part) > 1})
        if twice:
            raise DatasetError(f"The label {twice[0]} would be counted twice.", "Name it once.")
        return cls(values, parts, dict(known))

    def merged(self, voxels: NDArray) -> NDArray:
        """Return a label map in which merged labels have one value; others stay as they are."""
        if not self.parts:
            return voxels
        found = voxels.copy()
        for name, members in self.parts.items():
            found[np.isin(voxels, [self.known[part] for part in members])] = self.values[name]
        return found

    def read_in(self, present: Sequence[str] | None) -> dict[str, int]:
        """Return the labels, with their values, of a case that was read for `present` (None: for all)."""
        return {
            name: value
            for name, value in self.values.items()
            if present is None or name in present or set(self.parts.get(name, ("",))) <= set(present)
        }
