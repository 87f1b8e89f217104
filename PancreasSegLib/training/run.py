"""A whole training run: every network of a recipe, one fold or all patients, then the model package."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from PancreasSegLib.data.folder_lock import folder_lock
from PancreasSegLib.errors import DatasetError, RecipeError
from PancreasSegLib.inference.device import choose_precision
from PancreasSegLib.inference.engine.torch_engine import DTYPES, choose_torch_device
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.training.cache import CaseCache
from PancreasSegLib.training.determinism import deterministic_algorithms
from PancreasSegLib.training.distributed import World, joined_world, local_rank, several_processes
from PancreasSegLib.training.division import split_cases
from PancreasSegLib.training.loop import LoopSettings, NetworkTask, NetworkTrainer
from PancreasSegLib.training.monitor.monitors import monitored
from PancreasSegLib.training.observer import TrainingObserver
from PancreasSegLib.training.plan import as_run, planned
from PancreasSegLib.training.prepared import PreparedCase, StoredCase
from PancreasSegLib.training.recipe import Recipe, load_recipe

__all__ = [
    "missing_networks",
    "network_file",
    "network_tasks",
    "split_cases",
    "train_networks",
    "training_device",
]

_log = logging.getLogger(__name__)
_MADE_OF = ("data", "stages", "seed", "fold")
"""What of a recipe decides what a network becomes."""


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


def train_networks(
    recipe: Recipe,
    *,
    resume: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    observers: Iterable[TrainingObserver] = (),
) -> list[Path]:
    """Train the recipe's networks that are not finished yet.

    Under ``torchrun`` the processes train together; only the first writes and tells.

    Parameters
    ----------
    recipe : Recipe
        The recipe; ``recipe.only`` restricts it to some networks. What it leaves to be chosen (``auto``, ``labels:
        all``) is chosen first and stated in the run folder's ``recipe.yaml``.
    resume : bool
        Skip finished networks and go on from checkpoints; otherwise a run folder that holds work is refused.
    progress : callable, optional
        Told of preparation and of every 25th step.
    cancel : CancelToken, optional
        Obeyed at every step.
    observers : iterable of TrainingObserver, optional
        Told of each network's steps, scores and epochs, beside those that ``recipe.monitor`` asks for.

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
    device, dtype = training_device(recipe.device, recipe.precision)
    with joined_world(device) as world, deterministic_algorithms(recipe.deterministic):
        shown = progress if world.first else None

        def begin() -> Recipe:
            preparing = _preparing("cases", shown, cancel)
            chosen = planned(_checked(recipe, resume), device, dtype, world.size, preparing)
            _write_recipe(chosen)
            return chosen

        chosen = world.from_first(begin)
        tasks = network_tasks(chosen)
        todo = [task for task in tasks if not chosen.only or task.name in chosen.only]
        todo = [task for task in todo if not world.from_first(network_file(chosen, task.name).is_file)]
        with _watched(chosen, device, todo, world, _preparing("data hashes", shown, cancel)) as monitors:
            everyone = (*observers, *monitors)
            settings = LoopSettings(world, everyone, chosen.monitor.log_every, chosen.data.cache_memory_gb)
            run = _Run(chosen, device, dtype, settings, resume, shown, cancel)
            for task in todo:
                with _alone(task.folder) if world.first else nullcontext():
                    run.train(task)
        files = [network_file(chosen, task.name) for task in tasks]
        return world.from_first(lambda: [path for path in files if path.is_file()])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a network's folder against another training; processes that train other networks may go on."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(folder_lock(folder, patience_s=0.0))
        except DatasetError as error:
            raise RecipeError(
                f"Another training is writing to {folder}.", "Wait for its end, or give another name or output."
            ) from error
        yield


def _checked(recipe: Recipe, resume: bool) -> Recipe:
    """Check that the run may begin; return the recipe, with what an earlier call chose where the run goes on."""
    tasks = network_tasks(recipe)
    unknown = set(recipe.only) - {task.name for task in tasks}
    if unknown:
        raise RecipeError(f"only: there is no network {', '.join(sorted(unknown))} in the recipe {recipe.name}.")
    todo = [task for task in tasks if not recipe.only or task.name in recipe.only]
    if resume:
        _refuse_other_recipe(recipe)
    begun = [task.folder for task in todo if (task.folder / "checkpoint.pt").is_file()]
    if begun and not resume:
        raise RecipeError(f"{begun[0]} already holds a run.", "Add --resume, or choose another output or name.")
    return as_run(recipe) if resume else recipe


def _refuse_other_recipe(recipe: Recipe) -> None:
    """Refuse to go on with a run that was finished, or partly so, by another recipe: its networks would stay."""
    file = recipe.run_folder / "recipe.yaml"
    if not file.is_file() or not any(network_file(recipe, task.name).is_file() for task in network_tasks(recipe)):
        return
    made = load_recipe(file).model_dump(mode="json")
    wanted = as_run(recipe).model_dump(mode="json")
    changed = sorted(
        _differences({key: made.get(key) for key in _MADE_OF}, {key: wanted[key] for key in _MADE_OF})
    )
    if changed:
        raise RecipeError(
            f"The run in {recipe.run_folder} was made with another recipe: {', '.join(changed[:4])}"
            f"{' and more' if len(changed) > 4 else ''} differ{'s' if len(changed) == 1 else ''}.",
            "Choose another name or output, or give the recipe that it was begun with.",
        )


def _differences(one: object, other: object, path: str = "") -> Iterable[str]:
    """Yield the fields in which two recipes differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif one != other:
        yield path


def _watched(
    recipe: Recipe,
    device: torch.device,
    todo: Sequence[NetworkTask],
    world: World,
    progress: Callable[[float, str], None],
) -> AbstractContextManager[Sequence[TrainingObserver]]:
    """Return the monitoring that the recipe asks for, where there is something to train, in the first process."""
    if not todo or not world.first:
        return nullcontext(())
    return monitored(recipe, str(device), progress)


def _preparing(
    name: str, progress: ProgressCallback | None, cancel: CancelToken | None
) -> Callable[[float, str], None]:
    def preparing(fraction: float, case: str) -> None:
        if cancel:
            cancel.check()
        if progress:
            progress(ProgressEvent(f"prepare {name}", fraction, None, case))

    return preparing


@dataclass(frozen=True)
class _Run:
    """What the networks of a run share."""

    recipe: Recipe
    device: torch.device
    dtype: torch.dtype
    settings: LoopSettings
    resume: bool
    progress: ProgressCallback | None
    cancel: CancelToken | None

    def train(self, task: NetworkTask) -> None:
        """Train one network and write its weights."""
        from safetensors.torch import save_file

        recipe, world = self.recipe, self.settings.world
        cases = self._cases(task)
        split = split_cases(cases, recipe)
        split.training.extend(self._morphs(task, split.training, cases))
        _log.info(
            "%s: %d cases, %d held out, on %s", task.name, len(split.training), len(split.validation), self.device
        )
        trainer = NetworkTrainer(task, split.training, split.validation, self.device, self.dtype, self.settings)
        network = trainer.run(resume=self.resume, progress=self.progress, cancel=self.cancel)
        if world.first:
            weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
            with atomic_path(network_file(recipe, task.name)) as temporary:
                save_file(weights, temporary)

    def _morphs(
        self,
        task: NetworkTask,
        training: Sequence[PreparedCase | StoredCase],
        known: Sequence[PreparedCase | StoredCase],
    ) -> Sequence[PreparedCase | StoredCase]:
        """Return the training cases in other patients' shapes, where the recipe asks for that."""
        if self.recipe.data.shapes is None or not task.stage.sampling.morph_share:
            return []
        from PancreasSegLib.training.morphing import MorphStore

        store = MorphStore(self.recipe.data, task.stage)
        preparing = _preparing(f"shapes for {task.name}", self.progress, self.cancel)
        stored = self.settings.world.in_turn(lambda: store.stored(training, known, preparing))
        return stored if self.settings.memory_gb else [case.load() for case in stored]

    def _cases(self, task: NetworkTask) -> Sequence[PreparedCase | StoredCase]:
        """Return the prepared cases; in memory, unless the recipe sets a limit to that."""
        preparing = _preparing(task.name, self.progress, self.cancel)
        cache = CaseCache(self.recipe.data, task.stage)
        stored = self.settings.world.in_turn(lambda: cache.stored(preparing))
        return stored if self.settings.memory_gb else [case.load() for case in stored]


def training_device(name: str, precision: str) -> tuple[torch.device, torch.dtype]:
    """Return the device and the autocast precision of a run.

    ``auto`` takes what inference takes: bf16 or fp16 where the device computes it fast, else fp32. Under
    ``torchrun`` each process of a machine takes a GPU of its own.

    Raises
    ------
    DeviceError
        If the device is not there.
    """
    if several_processes() and name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{local_rank()}"
        torch.cuda.set_device(local_rank())
    device = choose_torch_device(name)
    if precision == "auto":
        precision = choose_precision(device).name
    return torch.device(device.place), DTYPES[precision]


def _write_recipe(recipe: Recipe) -> None:
    recipe.run_folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    (recipe.run_folder / "recipe.yaml").write_text(text, encoding="utf-8")
