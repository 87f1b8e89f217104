"""A whole training run: every network of a recipe, one fold or all patients, then the model package."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from PancreasSegLib.data import patient_folds
from PancreasSegLib.errors import RecipeError
from PancreasSegLib.inference.device import choose_device, choose_precision
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.training.cache import CaseCache, PreparedCase
from PancreasSegLib.training.loop import NetworkTask, NetworkTrainer
from PancreasSegLib.training.recipe import Recipe

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """Training and held-out cases of one fold."""

    training: list[PreparedCase]
    validation: list[PreparedCase]


def network_tasks(recipe: Recipe) -> list[NetworkTask]:
    """Return every network that the recipe asks for, stage by stage, member by member."""
    tasks = []
    for number, (role, stage) in enumerate(recipe.stages.items()):
        for member in range(stage.members):
            name = f"{role}-{member}"
            seed = recipe.seed + 1000 * number + member
            folder = recipe.run_folder / name
            start = None
            if stage.initial_weights:
                start = Path(str(stage.initial_weights[member]).replace("{run}", str(recipe.run_folder)))
            tasks.append(NetworkTask(name, stage, recipe.data.labels, recipe.data.organ, seed, folder, start))
    return tasks


def network_file(recipe: Recipe, name: str) -> Path:
    """Return where the finished weights of a network go (safetensors, fp32, the moving average)."""
    return recipe.run_folder / name / "network.safetensors"


def missing_networks(recipe: Recipe) -> list[str]:
    """Return the names of the recipe's networks that are not finished."""
    return [task.name for task in network_tasks(recipe) if not network_file(recipe, task.name).is_file()]


def split_cases(cases: list[PreparedCase], recipe: Recipe) -> Split:
    """Split prepared cases by patient; phantoms only ever train, ``fold: all`` holds nobody out."""
    if recipe.fold == "all":
        return Split(cases, [])
    patients = [case.patient for case in cases if not case.phantom]
    held_out = set(patient_folds(patients, recipe.data.folds, recipe.data.split_seed)[recipe.fold])
    return Split(
        [case for case in cases if case.patient not in held_out],
        [case for case in cases if case.patient in held_out],
    )


def train_networks(
    recipe: Recipe,
    *,
    resume: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> list[Path]:
    """Train the recipe's networks that are not finished yet.

    Parameters
    ----------
    recipe : Recipe
        The recipe; ``recipe.only`` restricts it to some networks.
    resume : bool
        Skip finished networks and go on from checkpoints; otherwise a run folder that holds work is refused.
    progress : callable, optional
        Told of preparation and of every 25th step.
    cancel : CancelToken, optional
        Obeyed at every step.

    Returns
    -------
    list of Path
        The weights (safetensors, fp32) of all networks named by the recipe that are finished.

    Raises
    ------
    RecipeError
        If the run folder already holds a run and `resume` is off, or ``only`` names an unknown network.
    CancelledError
        If cancelled.
    """
    tasks = network_tasks(recipe)
    unknown = set(recipe.only) - {task.name for task in tasks}
    if unknown:
        raise RecipeError(f"only: there is no network {', '.join(sorted(unknown))} in the recipe {recipe.name}.")
    todo = [task for task in tasks if not recipe.only or task.name in recipe.only]
    begun = [task.folder for task in todo if (task.folder / "checkpoint.pt").is_file()]
    if begun and not resume:
        raise RecipeError(f"{begun[0]} already holds a run.", "Add --resume, or choose another output or name.")
    _write_recipe(recipe)
    device, dtype = training_device(recipe.device, recipe.precision)
    for task in todo:
        if not network_file(recipe, task.name).is_file():
            _train(task, recipe, device, dtype, resume, progress, cancel)
    return [path for task in tasks if (path := network_file(recipe, task.name)).is_file()]


def _train(
    task: NetworkTask,
    recipe: Recipe,
    device: torch.device,
    dtype: torch.dtype,
    resume: bool,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> None:
    from safetensors.torch import save_file

    def preparing(fraction: float, name: str) -> None:
        if cancel:
            cancel.check()
        if progress:
            progress(ProgressEvent(f"prepare {task.name}", fraction, None, name))

    cases = CaseCache(recipe.data, task.stage).load(preparing)
    split = split_cases(cases, recipe)
    _log.info("%s: %d cases, %d held out, on %s", task.name, len(split.training), len(split.validation), device)
    trainer = NetworkTrainer(task, split.training, split.validation, device, dtype)
    network = trainer.run(resume=resume, progress=progress, cancel=cancel)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(network_file(recipe, task.name)) as temporary:
        save_file(weights, temporary)


def training_device(name: str, precision: str) -> tuple[torch.device, torch.dtype]:
    """Return the device and the autocast precision of a run.

    ``auto`` takes what inference takes: bf16 or fp16 where the device computes it fast, else fp32.

    Raises
    ------
    DeviceError
        If the device is not there.
    """
    device = choose_device(name)
    if precision == "auto":
        return device, choose_precision(device).dtype
    return device, {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


def _write_recipe(recipe: Recipe) -> None:
    recipe.run_folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    (recipe.run_folder / "recipe.yaml").write_text(text, encoding="utf-8")
