"""Draw a patient-wise split, with the volumes of an organ spread evenly over its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from PancreasSegLib.data.dataset import QUALITY_FOLDER, Case, Dataset, read_dataset
from PancreasSegLib.data.quality_cohort import Overlap, duplicates
from PancreasSegLib.data.quality_files import QUALITY_FILE, read_qualities
from PancreasSegLib.data.splits import FOLDS, HOLDOUT, Split
from PancreasSegLib.errors import DatasetError


def draw_folds(volumes_ml: Mapping[str, float | None], folds: int, *, test: float = 0.0, seed: int = 0) -> Split:
    """Draw folds for cross-validation.

    Patients are sorted by volume and dealt out in blocks, at random within a block, so that every fold gets small
    and large organs. Patients of unknown volume are dealt out at random.

    Parameters
    ----------
    volumes_ml : mapping of str to float or None
        By patient; None where it is not known.
    folds : int
        Number of folds.
    test : float
        Share of the patients (or, from 1 on, number of them) that is in no fold.
    seed : int

    Raises
    ------
    DatasetError
        If there are fewer patients than folds.

    Examples
    --------
    >>> split = draw_folds({"a": 80.0, "b": 81.0, "c": 20.0, "d": 19.0}, 2)
    >>> [len({"a", "b"} & set(fold)) for fold in split.folds]
    [1, 1]
    """
    rng = np.random.default_rng(seed)
    order = _by_volume(volumes_ml, rng)
    held, rest = _taken(order, _count(test, len(order)), rng)
    if not 2 <= folds <= len(rest):
        raise DatasetError(
            f"{folds} folds cannot be made of {len(rest)} patients.", f"Take 2 to {len(rest)} folds."
        )
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for start in range(0, len(rest), folds):
        block = rest[start : start + folds]
        # The last, short block goes to folds that are drawn; the others get one patient of each block.
        for fold, patient in zip(rng.permutation(folds), block, strict=False):
            dealt[fold].append(patient)
    return Split(FOLDS, tuple(tuple(sorted(fold)) for fold in dealt), tuple(sorted(held)), seed=seed)


def draw_holdout(
    volumes_ml: Mapping[str, float | None], *, validation: float, test: float = 0.0, seed: int = 0
) -> Split:
    """Draw one division into training, validation and test, with volumes spread alike.

    Parameters
    ----------
    volumes_ml : mapping of str to float or None
        By patient.
    validation, test : float
        Share of the patients below 1, else their number.
    seed : int

    Raises
    ------
    DatasetError
        If nobody is left to learn from, or nobody to validate on.
    """
    rng = np.random.default_rng(seed)
    order = _by_volume(volumes_ml, rng)
    numbers = (_count(validation, len(order)), _count(test, len(order)))
    if numbers[0] < 1 or sum(numbers) >= len(order):
        raise DatasetError(
            f"Of {len(order)} patients, {numbers[0]} for validation and {numbers[1]} for test leave no training.",
            "Take smaller shares, and at least one patient for validation.",
        )
    tested, rest = _taken(order, numbers[1], rng)
    validated, training = _taken(rest, numbers[0], rng)
    parts = (tuple(sorted(part)) for part in (validated, tested, training))
    first, second, third = parts
    return Split(HOLDOUT, (first,), second, third, seed)


def _by_volume(volumes_ml: Mapping[str, float | None], rng: np.random.Generator) -> list[str]:
    """Return the patients by volume; those of unknown volume last, in random order."""
    patients = sorted(volumes_ml)
    chance = dict(zip(patients, rng.permutation(len(patients)), strict=True))

    def place(patient: str) -> tuple[bool, float, int]:
        volume = volumes_ml[patient]
        return volume is None, volume or 0.0, int(chance[patient])

    return sorted(patients, key=place)


def _count(wanted: float, patients: int) -> int:
    return round(wanted * patients) if wanted < 1 else round(wanted)


def _taken(order: Sequence[str], number: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Draw patients at even distances in the order, each from its own stretch of it."""
    if number <= 0:
        return [], list(order)
    borders = np.linspace(0, len(order), min(number, len(order)) + 1).astype(int)
    taken = {int(rng.integers(low, high)) for low, high in pairwise(borders)}
    return [order[i] for i in sorted(taken)], [name for i, name in enumerate(order) if i not in taken]


def patient_volumes(dataset: Dataset, label: str | None) -> dict[str, float | None]:
    """Return the volume of a label of every patient, the mean of the patient's scans; None where it is not known.

    Volumes come from ``provenance.json``, or from the quality report of the folder.

    Parameters
    ----------
    dataset : Dataset
    label : str or None
        None for none.

    Raises
    ------
    DatasetError
        If the dataset has no such label.
    """
    if label is not None and label not in dataset.labels:
        known = ", ".join(name for name in dataset.labels if dataset.labels[name] != 0)
        raise DatasetError(f"The dataset {dataset.name} has no label {label!r}.", f"It has: {known}.")
    report = dataset.root / QUALITY_FOLDER / QUALITY_FILE
    measured = {case.name: case.labels for case in read_qualities(report)} if report.is_file() else {}
    volumes: dict[str, list[float]] = defaultdict(list)
    for case in dataset.cases:
        known_ml = _volume(case, label) if label is not None else None
        if known_ml is None and label is not None and label in measured.get(case.name, {}):
            known_ml = measured[case.name][label].volume_ml
        volumes[case.patient] += [] if known_ml is None else [known_ml]
    return {patient: float(np.mean(found)) if found else None for patient, found in volumes.items()}


def _volume(case: Case, label: str) -> float | None:
    return None if case.record is None else case.record.volume_ml.get(label)


def check_patients(dataset: Dataset) -> None:
    """Refuse a dataset in which one scan goes under two patients: a split would tear it apart.

    Raises
    ------
    DatasetError
        If two cases of different patients hold the same voxels, by the hashes in ``provenance.json``.
    """
    seen: dict[str, Case] = {}
    for case in dataset.cases:
        content = case.record.content_sha256 if case.record is not None else ""
        other = seen.setdefault(content, case) if content else case
        if other.patient != case.patient:
            raise DatasetError(
                f"{other.name} and {case.name} hold the same CT under two patients"
                f" ({other.patient}, {case.patient}), so one of them would be learnt from and the other measured.",
                "Remove one of them, or give both the same patient in provenance.json.",
            )


def look_alikes(dataset: Dataset) -> list[Overlap]:
    """Return pairs of cases of different patients that look like one scan, where the dataset was inspected."""
    report = dataset.root / QUALITY_FOLDER / QUALITY_FILE
    patients = {case.name: case.patient for case in dataset.cases}
    pairs = duplicates(read_qualities(report)) if report.is_file() else []
    known = [pair for pair in pairs if {pair.case, pair.other} <= patients.keys()]
    return [pair for pair in known if patients[pair.case] != patients[pair.other]]


def read_for_split(root: Path) -> Dataset:
    """Read a dataset that is to be split.

    Raises
    ------
    DatasetError
        If it is none, or one scan goes under two patients.
    """
    dataset = read_dataset(root)
    check_patients(dataset)
    return dataset
