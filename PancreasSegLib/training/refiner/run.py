"""Train the refiner of a finished cross-validation."""

from __future__ import annotations

import logging
from pathlib import Path

from PancreasSegLib.data import Case, read_dataset
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.training.distributed import several_processes
from PancreasSegLib.training.division import patient_split
from PancreasSegLib.training.export import REFINER
from PancreasSegLib.training.recipe import Recipe
from PancreasSegLib.training.refiner.case import RefinerCase
from PancreasSegLib.training.refiner.trainer import RefinerTrainer
from PancreasSegLib.training.run import network_file, training_device

_log = logging.getLogger(__name__)


def refiner_cases(
    recipe: Recipe, *, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
) -> dict[int, list[RefinerCase]]:
    """Return the cases of each fold, each predicted by the fold's package, which never saw it.

    Predictions are kept in ``output/name/refiner-cases``.

    Raises
    ------
    RecipeError
        If a fold has no package yet.
    """
    dataset = read_dataset(recipe.data.root)
    cases = {case.name: case for case in dataset.cases if case.name not in recipe.data.exclude}
    split = patient_split(recipe.data, [case.patient for case in cases.values()])
    folder = recipe.output / recipe.name
    kept = folder / "refiner-cases"
    found: dict[int, list[RefinerCase]] = {}
    done = 0
    for number, held_out in enumerate(split.folds):
        names = sorted(name for name, case in cases.items() if case.patient in held_out)
        package = folder / f"fold-{number}" / "package"
        missing = [name for name in names if not (kept / f"{name}.npz").is_file()]
        if missing and not package.is_dir():
            raise RecipeError(
                f"There is no model package of fold {number} in {package.parent}.",
                "Run `pancreasseg cross-validate` on the same recipe first.",
            )
        if missing:
            value = dataset.labels[recipe.data.organ]
            _predict(package, [cases[name] for name in missing], value, recipe, kept, cancel)
        found[number] = [RefinerCase.load(kept / f"{name}.npz") for name in names]
        done += len(names)
        if progress:
            progress(ProgressEvent("prepare refiner", done / len(cases), None, f"fold {number}"))
    return found


def _predict(
    package: Path, cases: list[Case], value: int, recipe: Recipe, kept: Path, cancel: CancelToken | None
) -> None:
    from PancreasSegLib.inference import Segmenter
    from PancreasSegLib.io import read_labels, read_volume

    segmenter = Segmenter.load(str(package), device=recipe.device)
    organ = recipe.data.organ
    for case in cases:
        ct = read_volume(case.image, assume_ct=True)
        reference = read_labels(case.label).voxels == value
        result = segmenter.segment(ct, cancel=cancel, allow_empty=True)
        mask = result.mask == result.labels[organ]
        RefinerCase.of(case.name, ct, reference, mask, result.probability[organ]).save(kept / f"{case.name}.npz")


def train_refiner(
    recipe: Recipe,
    *,
    resume: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Train the refiner of a recipe: of one fold without the fold's patients, or of all patients.

    Parameters
    ----------
    recipe : Recipe
        With a ``refiner``; the cross-validation of the same recipe must have been run.
    resume : bool
        Go on from a checkpoint; otherwise a folder that holds one is refused.
    progress : callable, optional
        Told of predictions and of every 25th step.
    cancel : CancelToken, optional
        Obeyed at every step.

    Returns
    -------
    Path
        The weights, ``run_folder/refiner-0/network.safetensors``; :func:`export_run` puts them into the package.

    Raises
    ------
    RecipeError
        If the recipe has no refiner, a fold's package is missing, or the folder already holds a run.
    CancelledError
        If cancelled.
    """
    from safetensors.torch import save_file

    if several_processes():
        raise RecipeError("A refiner is trained in one process.", "Run it without torchrun.")
    if recipe.refiner is None:
        raise RecipeError(f"refiner: the recipe {recipe.name} has none.", "Add `refiner: {}` to it.")
    target = network_file(recipe, REFINER)
    if target.is_file() and resume:
        return target
    if (target.parent / "checkpoint.pt").is_file() and not resume:
        raise RecipeError(
            f"{target.parent} already holds a run.", "Add --resume, or choose another output or name."
        )
    by_fold = refiner_cases(recipe, progress=progress, cancel=cancel)
    cases = [case for number, members in by_fold.items() if number != recipe.fold for case in members]
    device, dtype = training_device(recipe.device, recipe.precision)
    _log.info("refiner: %d cases on %s", len(cases), device)
    trainer = RefinerTrainer(cases, recipe.refiner, target.parent, device, dtype, recipe.seed)
    network = trainer.run(resume=resume, progress=progress, cancel=cancel)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(target) as temporary:
        save_file(weights, temporary)
    return target
