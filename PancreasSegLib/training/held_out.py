"""Scores of held-out patients by the model package of a run, on the CTs' own grids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from PancreasSegLib.data import Case, Dataset
from PancreasSegLib.data.reference import read_case
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.evaluation import CaseScore
from PancreasSegLib.evaluation.model import in_plane
from PancreasSegLib.evaluation.model_source import predict_by_model
from PancreasSegLib.evaluation.traits import traits_of
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.progress import CancelToken
from PancreasSegLib.training.division import patient_split
from PancreasSegLib.training.recipe import DataRecipe, Recipe
from PancreasSegLib.volume import Volume


def used_cases(recipe: Recipe, dataset: Dataset) -> list[Case]:
    """Return the cases of the dataset that the recipe does not exclude."""
    return [case for case in dataset.cases if case.name not in recipe.data.exclude]


def folds_of(recipe: Recipe, dataset: Dataset) -> list[tuple[str, ...]]:
    """Return the held-out patients of each fold; of a holdout those of its test, or else of its validation.

    Raises
    ------
    RecipeError, DatasetError
        As `patient_split`; or if a fold holds nobody out.
    """
    split = patient_split(recipe.data, [case.patient for case in used_cases(recipe, dataset)])
    if split.kind == "holdout" and split.test:
        return [split.test]
    empty = [number for number, fold in enumerate(split.folds) if not fold]
    if empty:
        raise RecipeError(
            f"data.split: fold {empty[0]} holds nobody out, so nothing can be measured.", "Hold out some patients."
        )
    return list(split.folds)


def score_held_out(
    segmenter: Segmenter,
    cases: Iterable[Case],
    data: DataRecipe,
    dataset: Dataset,
    *,
    in_plane_mm: float | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[CaseScore]:
    """Segment each case once and compare every label that the package writes with its reference.

    A case that is refused scores as empty masks with the reason. What a case was not read for is not scored.

    Parameters
    ----------
    segmenter : Segmenter
        A loaded model.
    cases : iterable of Case
        CTs with reference masks.
    data : DataRecipe
        Which labels, and what they are made of.
    dataset : Dataset
        Gives the values in the label maps.
    in_plane_mm : float, optional
        Resample CT and reference to this in-plane spacing first.
    cancel : CancelToken, optional
        Obeyed inside each case.

    Yields
    ------
    CaseScore
        Case by case, label by label.
    """
    sources = {label: data.sources_of(label) for label in data.written}
    for case in cases:
        known = set(dataset.labels) if case.labels_present is None else set(case.labels_present)
        read = [label for label, parts in sources.items() if set(parts) <= known]
        if not read:
            continue
        ct, reference = read_case(case, dataset.labels)
        classes = np.zeros(reference.voxels.shape, dtype=np.uint8)
        for index, label in enumerate(read, 1):
            classes[np.isin(reference.voxels, [dataset.labels[part] for part in sources[label]])] = index
        organs = Volume(classes, reference.geometry)
        if in_plane_mm is not None:
            ct, organs = in_plane(ct, organs, in_plane_mm)
        found = predict_by_model(segmenter, ct, read, cancel)
        for index, label in enumerate(read, 1):
            inside = organs.voxels == index
            yield found.score(case, label, inside, ct.geometry, traits_of(ct.geometry, inside, ct))
