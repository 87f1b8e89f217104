"""Patient-wise splits, and ``splits.json`` beside a dataset."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path

SPLITS_FILE = "splits.json"
FOLDS, HOLDOUT = "folds", "holdout"
_PARTS = ("training", "validation", "test")


def patient_folds(names: Sequence[str], folds: int, seed: int = 0) -> list[list[str]]:
    """Split patients into folds of nearly equal size; the same names, count and seed give the same folds.

    Parameters
    ----------
    names : sequence of str
        Patient identities; their order does not matter.
    folds : int
        Number of folds, at most the number of patients.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    list of list of str
        The held-out patients of each fold, sorted; every patient is in exactly one.

    Examples
    --------
    >>> [len(fold) for fold in patient_folds(["a", "b", "c", "d", "e"], 2)]
    [3, 2]
    """
    unique = sorted(set(names))
    if not 2 <= folds <= len(unique):
        raise ValueError(f"{folds} folds cannot be made of {len(unique)} patients")
    order = np.random.default_rng(seed).permutation(len(unique))
    return [sorted(unique[i] for i in order[fold::folds]) for fold in range(folds)]


@dataclass(frozen=True)
class Split:
    """Which patients a model learns from, is watched on, and is tested on. Nobody is in two parts.

    Attributes
    ----------
    kind : {"folds", "holdout"}
        Cross-validation, or one fixed division.
    folds : tuple of tuple of str
        The held-out patients of each fold; of a holdout one fold, its validation patients.
    test : tuple of str
        Patients that no training sees, in no fold.
    training : tuple of str
        Of a holdout; with folds it follows from the fold, see `training_of`.
    seed : int or None
        What the split was drawn with; None where it was made by hand.

    Examples
    --------
    >>> split = Split("folds", (("a", "b"), ("c",)), seed=0)
    >>> split.validation_of(1), split.training_of(1)
    (('c',), ('a', 'b'))
    """

    kind: str
    folds: tuple[tuple[str, ...], ...]
    test: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(self._all()).items() if count > 1]
        if twice:
            raise DatasetError(
                f"The split names the patient {min(twice)!r} twice, so a model would be measured on a patient whom"
                f" it knows{f' ({len(twice)} such)' if len(twice) > 1 else ''}.",
                "Name every patient in one place only.",
            )

    def _all(self) -> Iterable[str]:
        yield from (name for fold in self.folds for name in fold)
        yield from self.training
        yield from self.test

    @property
    def patients(self) -> frozenset[str]:
        """Everybody whom the split names."""
        return frozenset(self._all())

    def validation_of(self, fold: int) -> tuple[str, ...]:
        """Return the held-out patients of a fold; a holdout has the fold 0 alone.

        Raises
        ------
        DatasetError
            If there is no such fold.
        """
        if not 0 <= fold < len(self.folds):
            raise DatasetError(
                f"The split has no fold {fold}.",
                f"It has {len(self.folds)}, counted from 0 to {len(self.folds) - 1}.",
            )
        return self.folds[fold]

    def training_of(self, fold: int) -> tuple[str, ...]:
        """Return the patients that are learnt from in a fold, sorted.

        Raises
        ------
        DatasetError
            If there is no such fold.
        """
        held_out = self.validation_of(fold)
        if self.kind == HOLDOUT:
            return self.training
        return tuple(sorted(name for other in self.folds if other is not held_out for name in other))

    def check_patients(self, patients: Iterable[str]) -> None:
        """Refuse a split that does not fit a dataset.

        Parameters
        ----------
        patients : iterable of str
            Everybody in the dataset.

        Raises
        ------
        DatasetError
            If the split names a patient who is not there, or leaves one out.
        """
        have = set(patients)
        hint = "Make the split again: pancreasseg data split."
        if unknown := sorted(self.patients - have):
            raise DatasetError(
                f"The split names {len(unknown)} patients who are not in the dataset, {unknown[0]!r} the first.",
                hint,
            )
        if left_out := sorted(have - self.patients):
            raise DatasetError(
                f"The split leaves out {len(left_out)} patients of the dataset, {left_out[0]!r} the first.", hint
            )

    def to_json(self) -> dict[str, Any]:
        """Return what ``splits.json`` holds."""
        content: dict[str, Any] = {"kind": self.kind, "seed": self.seed}
        if self.kind == FOLDS:
            content["folds"] = [list(fold) for fold in self.folds]
            return content | ({"test": list(self.test)} if self.test else {})
        return content | {
            "training": list(self.training),
            "validation": list(self.folds[0]),
            "test": list(self.test),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Split:
        """Rebuild from `to_json`.

        Raises
        ------
        DatasetError
            If it is not a split, or a patient is in two parts.
        """
        try:
            kind, seed = content["kind"], content.get("seed")
            if kind == FOLDS:
                folds = tuple(_names(fold) for fold in content["folds"])
                if len(folds) < 2 or not all(folds):
                    raise ValueError("folds: at least two, none empty")
                return cls(FOLDS, folds, test=_names(content.get("test", [])), seed=seed)
            if kind != HOLDOUT:
                raise ValueError(f"kind: {kind!r} is neither 'folds' nor 'holdout'")
            training, validation, test = (_names(content.get(part, [])) for part in _PARTS)
            if not training:
                raise ValueError("training: empty")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"This is not a split: {error!r}.", 'It needs "kind" and "folds", or "training" and "validation".'
            ) from error
        return cls(HOLDOUT, (validation,), test, training, seed)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise TypeError(f"{value!r} is not a list of patients")
    return tuple(sorted(value))


def read_split(path: str | Path) -> Split:
    """Read a split.

    Parameters
    ----------
    path : str or Path
        ``splits.json``, or the dataset's folder that holds one.

    Returns
    -------
    Split

    Raises
    ------
    DatasetError
        If it is missing, damaged, no split, or names a patient twice.
    """
    file = Path(path).expanduser()
    file = file / SPLITS_FILE if file.is_dir() else file
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"There is no split at {file}.", "Make one: pancreasseg data split DATASET.") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file} cannot be read: {error}.", "Make it again: pancreasseg data split.") from error
    try:
        return Split.from_json(content)
    except DatasetError as error:
        raise DatasetError(f"{file}: {error.message}", error.hint) from error


def write_split(path: str | Path, split: Split) -> Path:
    """Write a split, whole or not at all, and return the file.

    Parameters
    ----------
    path : str or Path
        A file, or a dataset's folder, which gets a ``splits.json``.
    split : Split

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    file = Path(path).expanduser()
    file = file / SPLITS_FILE if file.is_dir() else file
    text = json.dumps(split.to_json(), indent=1, ensure_ascii=False)
    with atomic_path(file) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return file
