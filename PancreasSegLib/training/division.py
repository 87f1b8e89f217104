"""Who learns, who is held out to watch the run, and who is kept for a test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from PancreasSegLib.data import patient_folds
from PancreasSegLib.data.splits import FOLDS, HOLDOUT, read_split
from PancreasSegLib.data.splits import Split as PatientSplit
from PancreasSegLib.errors import DatasetError, RecipeError
from PancreasSegLib.training.recipe import DataRecipe, FileSplit, FoldSplit, HoldoutSplit, Recipe


class _Divided(Protocol):
    """What is divided: something that belongs to a patient."""

    @property
    def patient(self) -> str: ...

    @property
    def phantom(self) -> bool: ...


Divided = TypeVar("Divided", bound=_Divided)


@dataclass(frozen=True)
class Split:
    """Training and held-out cases of one fold."""

    training: list
    validation: list


def patient_split(data: DataRecipe, patients: Iterable[str]) -> PatientSplit:
    """Return how the recipe divides patients.

    Parameters
    ----------
    data : DataRecipe
        ``split``, or ``folds`` and ``split_seed``.
    patients : iterable of str
        All patients of the dataset that are not excluded.

    Raises
    ------
    RecipeError
        If the patients do not suffice, or one is named that is not there.
    DatasetError
        If the file with the split is missing, damaged, or made for other patients.
    """
    division, known = data.division, sorted(set(patients))
    if isinstance(division, FoldSplit):
        if division.folds > len(known):
            raise RecipeError(
                f"data.folds: {division.folds} folds cannot be made of {len(known)} patients.", "Choose fewer."
            )
        folds = tuple(tuple(fold) for fold in patient_folds(known, division.folds, division.seed))
        return PatientSplit(FOLDS, folds, seed=division.seed)
    if isinstance(division, FileSplit):
        return _of_file(division.file, data, known)
    return _holdout(division, known)


def _of_file(file: Path, data: DataRecipe, known: Sequence[str]) -> PatientSplit:
    beside = data.root / file
    split = read_split(beside if beside.is_file() or not file.is_file() else file)
    left_out = sorted(set(known) - split.patients)
    if left_out:
        raise DatasetError(
            f"The split in {file} leaves out {', '.join(left_out[:3])}, so nobody knows what becomes of them.",
            "Make it again with `pancreasseg data split`, or name them under data.exclude.",
        )
    return split  # it may name patients who were excluded since


def _holdout(division: HoldoutSplit, known: Sequence[str]) -> PatientSplit:
    """Take the named ones, then draw the others: first those of the test, then those to watch."""
    order = [known[i] for i in np.random.default_rng(division.seed).permutation(len(known))]
    named = {"validation": division.validation, "test": division.test}
    for part, wanted in named.items():
        unknown = sorted(set(wanted) - set(known)) if isinstance(wanted, tuple) else []
        if unknown:
            raise RecipeError(f"data.split.{part}: there is no patient {', '.join(unknown)} in the dataset.")
    taken: dict[str, tuple[str, ...]] = {p: w for p, w in named.items() if isinstance(w, tuple)}
    for part in ("test", "validation"):
        wanted = named[part]
        if not isinstance(wanted, tuple):
            free = [name for name in order if not any(name in names for names in taken.values())]
            taken[part] = tuple(free[: _count(wanted, len(known))])
    training = tuple(name for name in known if name not in {*taken["validation"], *taken["test"]})
    if not training:
        raise RecipeError(
            f"data.split: of {len(known)} patients nobody is left to learn from.", "Hold out fewer of them."
        )
    return PatientSplit(
        HOLDOUT, (tuple(sorted(taken["validation"])),), tuple(sorted(taken["test"])), training, division.seed
    )


def _count(wanted: int | float, patients: int) -> int:
    """Return how many patients a number or a share is: at least one where a share is above nothing."""
    if isinstance(wanted, int):
        return wanted
    return max(1, math.floor(wanted * patients + 0.5)) if wanted > 0 else 0


def split_cases(cases: Sequence[Divided], recipe: Recipe) -> Split:
    """Split cases by patient; phantoms only ever train, ``fold: all`` holds out the test patients alone.

    Raises
    ------
    RecipeError, DatasetError
        As `patient_split`, or if there is no such fold.
    """
    if recipe.fold == "all" and isinstance(recipe.data.division, FoldSplit):
        return Split(list(cases), [])
    split = patient_split(recipe.data, [case.patient for case in cases if not case.phantom])
    watched = set(() if recipe.fold == "all" else split.validation_of(recipe.fold))
    unseen = watched | set(split.test)
    return Split(
        [case for case in cases if case.phantom or case.patient not in unseen],
        [case for case in cases if not case.phantom and case.patient in watched],
    )
