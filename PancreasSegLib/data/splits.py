"""Patient-wise splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
