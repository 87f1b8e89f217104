"""The cases that a refiner learns from: patients and morphs by networks that never saw them, and phantoms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data import Case, Dataset, read_dataset
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.refine.work_grid import SPACING_MM
from PancreasSegLib.training.division import patient_split
from PancreasSegLib.training.prepared import PreparedCase, StoredCase
from PancreasSegLib.training.recipe import Recipe
from PancreasSegLib.training.refiner.case import ORGAN, RefinerCase
from PancreasSegLib.volume import Box, Volume

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmenter
    from PancreasSegLib.inference.cascade import Roi

_Maker = Callable[["Segmenter", CancelToken | None], RefinerCase]


def refiner_cases(
    recipe: Recipe, *, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
) -> dict[int, list[RefinerCase]]:
    """Return the cases of each fold, each predicted by the fold's package, which never saw it.

    With ``data.shapes``, every patient is there in the shapes of others too, predicted alike. Predictions are kept
    in ``output/name/refiner-cases``.

    Raises
    ------
    RecipeError
        If a fold has no package yet.
    """
    dataset = read_dataset(recipe.data.root)
    cases = {case.name: case for case in dataset.cases if case.name not in recipe.data.exclude}
    split = patient_split(recipe.data, [case.patient for case in cases.values()])
    morphs = _morphs(recipe)
    found: dict[int, list[RefinerCase]] = {}
    done, total = 0, len(cases) + len(morphs)
    for number, held_out in enumerate(split.folds):
        makers: dict[str, _Maker] = {}
        for name in sorted(name for name, case in cases.items() if case.patient in held_out):
            makers[name] = partial(_of_patient, cases[name], dataset, recipe)
        for morph in morphs:
            if morph.patient in held_out:
                makers[morph.name] = partial(_of_morph, morph, recipe)
        found[number] = _kept(recipe, number, makers, cancel)
        done += len(makers)
        if progress:
            progress(ProgressEvent("prepare refiner", done / total, None, f"fold {number}"))
    return found


def _kept(
    recipe: Recipe, fold: int, makers: Mapping[str, _Maker], cancel: CancelToken | None
) -> list[RefinerCase]:
    """Return cases from the disk, and make those that are not there yet with the fold's package."""
    folder = recipe.output / recipe.name
    kept = folder / "refiner-cases"
    segmenter: Segmenter | None = None
    for name, make in makers.items():
        if (kept / f"{name}.npz").is_file():
            continue
        if segmenter is None:
            segmenter = _segmenter(folder / f"fold-{fold}" / "package", fold, recipe)
        make(segmenter, cancel).save(kept / f"{name}.npz")
    return [RefinerCase.load(kept / f"{name}.npz") for name in makers]


def _segmenter(package: Path, fold: int, recipe: Recipe) -> Segmenter:
    from PancreasSegLib.inference import Segmenter

    if not package.is_dir():
        raise RecipeError(
            f"There is no model package of fold {fold} in {package.parent}.",
            "Run `pancreasseg cross-validate` on the same recipe first.",
        )
    return Segmenter.load(str(package), device=recipe.device)


def _of_patient(
    case: Case, dataset: Dataset, recipe: Recipe, segmenter: Segmenter, cancel: CancelToken | None
) -> RefinerCase:
    from PancreasSegLib.data.reference import read_case

    ct, reference = read_case(case, dataset.labels)
    read = reference.voxels
    labels = np.zeros(read.shape, dtype=np.uint8)
    for value, label in enumerate(_organ_first(recipe), ORGAN):
        parts = [dataset.labels[part] for part in recipe.data.sources_of(label)]
        labels[np.isin(read, parts)] = value
    return _predicted(case.name, ct, labels, recipe, segmenter, cancel, patient=case.patient)


def _of_morph(
    stored: PreparedCase | StoredCase, recipe: Recipe, segmenter: Segmenter, cancel: CancelToken | None
) -> RefinerCase:
    morph = stored.load()
    low, high = recipe.stages["segmenter"].window_hu
    hu = np.round(morph.image * ((high - low) / 255.0) + low).astype(np.int16)
    table = np.zeros(256, dtype=np.uint8)
    for value, label in enumerate(_organ_first(recipe), ORGAN):
        table[1 + recipe.data.labels.index(label)] = value
    ct = Volume(hu, morph.geometry)
    roi = Box.whole(ct.geometry)  # cut around the organ: there is nothing to look for
    kinds = {"patient": morph.patient, "morph": True}
    return _predicted(morph.name, ct, table[morph.label], recipe, segmenter, cancel, roi=roi, **kinds)


def _predicted(
    name: str,
    ct: Volume,
    labels: NDArray[np.uint8],
    recipe: Recipe,
    segmenter: Segmenter,
    cancel: CancelToken | None,
    roi: Roi = "auto",
    **kinds: Any,
) -> RefinerCase:
    result = segmenter.segment(ct, roi=roi, cancel=cancel, allow_empty=True)
    organ = recipe.data.organ
    mask = result.mask == result.labels[organ]
    return RefinerCase.of(name, ct, labels, mask, result.probability[organ], **kinds)


def _organ_first(recipe: Recipe) -> list[str]:
    organ = recipe.data.organ
    return [organ, *(label for label in recipe.data.labels if label != organ)]


def _morphs(recipe: Recipe) -> Sequence[PreparedCase | StoredCase]:
    """Return all patients in the shapes of others, where the recipe names such shapes."""
    if recipe.data.shapes is None or recipe.refiner is None or not recipe.refiner.morph_share:
        return []
    from PancreasSegLib.training.cache import CaseCache
    from PancreasSegLib.training.morphing import MorphStore

    stage = recipe.stages["segmenter"]
    cases = CaseCache(recipe.data, stage).stored()
    return MorphStore(recipe.data, stage).stored(cases, cases)


def phantom_cases(count: int) -> list[RefinerCase]:
    """Return generated patients: simple pictures, on which a mark must do what it says, too."""
    from PancreasSegLib.phantom import PHANTOM_LABELS, make_phantom

    cases = []
    for seed in range(count):
        phantom = make_phantom(seed=1000 + seed, spacing_mm=SPACING_MM)
        organ = phantom.labels.voxels == PHANTOM_LABELS["pancreas"]
        name = f"phantom-{seed}"
        cases.append(RefinerCase.of(name, phantom.ct, organ, organ, None, patient="phantom"))
    return cases
