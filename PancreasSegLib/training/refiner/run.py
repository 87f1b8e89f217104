"""Train the refiner of a finished cross-validation."""

from __future__ import annotations

import logging
from pathlib import Path

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.progress import CancelToken, ProgressCallback
from PancreasSegLib.training.distributed import several_processes
from PancreasSegLib.training.export import REFINER
from PancreasSegLib.training.recipe import Recipe
from PancreasSegLib.training.refiner.cases import phantom_cases, refiner_cases
from PancreasSegLib.training.refiner.trainer import RefinerTrainer
from PancreasSegLib.training.run import network_file, training_device

_log = logging.getLogger(__name__)


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
        The weights, ``run_folder/refiner-0/network.safetensors``; `export_run` puts them into the package.

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
    cases += phantom_cases(recipe.refiner.phantoms)
    device, dtype = training_device(recipe.device, recipe.precision)
    _log.info("refiner: %d cases on %s", len(cases), device)
    trainer = RefinerTrainer(cases, recipe.refiner, target.parent, device, dtype, recipe.seed)
    network = trainer.run(resume=resume, progress=progress, cancel=cancel)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(target) as temporary:
        save_file(weights, temporary)
    return target
