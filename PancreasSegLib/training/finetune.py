"""Learn from corrected cases without forgetting: a model package in, a better one out."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.data import Case
from PancreasSegLib.errors import CancelledError, OutputError, RecipeError
from PancreasSegLib.evaluation.model import evaluate_model
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.models import ModelPackage, find_package, load_weights
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.storage.contents import foreign_files, remove_held
from PancreasSegLib.training.distributed import several_processes
from PancreasSegLib.training.fine_tuner import Criteria, FineTuner
from PancreasSegLib.training.finetune_cases import FinetuneData, open_data, prepare
from PancreasSegLib.training.finetune_export import FinetuneScores, export_finetuned
from PancreasSegLib.training.finetune_recipe import (
    FinetuneRecipe,
    class_names,
    package_stage,
    tuned_stage,
    write_finetune_recipe,
)
from PancreasSegLib.training.loop import LoopSettings, NetworkTask
from PancreasSegLib.training.monitor.monitors import observers_of
from PancreasSegLib.training.recipe import MonitorRecipe, StageRecipe
from PancreasSegLib.training.run import training_device

_RUN_FILES = (
    *("split.json", "parent.json", "before.json", "finetune.yaml", "run.json", "package/**"),
    *(f"{role}-[0-9]*/**" for role in ("localiser", "segmenter", "refiner")),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finetuned:
    """What came out.

    Attributes
    ----------
    package : Path
        The new model package.
    scores : FinetuneScores
        Dice before and after, on corrected and base cases that were held out.
    better : bool or None
        Whether the held-out corrected cases gained and the base cases lost no more than the tolerance; None where
        nobody was held out.
    steps : dict of str to int
        The step whose state was kept, by network.
    """

    package: Path
    scores: FinetuneScores
    better: bool | None
    steps: dict[str, int]


def finetune(
    recipe: FinetuneRecipe,
    *,
    resume: bool = False,
    restart: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Finetuned:
    """Train a model package on with corrected cases and write what comes out as a new package.

    Parameters
    ----------
    recipe : FinetuneRecipe
        Model, folders and settings.
    resume : bool
        Go on with a run that was cut off.
    restart : bool
        Delete an earlier run of that name first; without either, a run folder that holds work is refused.
    progress : callable, optional
        Told of preparation, measuring and every 25th step.
    cancel : CancelToken, optional
        Obeyed at every case and step; what was reached is kept for `resume`.

    Returns
    -------
    Finetuned

    Raises
    ------
    RecipeError
        If a setting makes no sense, or the run folder holds another run.
    DatasetError
        If a dataset cannot be read.
    ModelPackageError
        If the model cannot be read.
    CancelledError
        If cancelled.
    """
    if several_processes():
        raise RecipeError("A model is fine-tuned in one process.", "Run it without torchrun.")
    package = find_package(recipe.model)
    organ = _organ(package)
    folder = recipe.run_folder
    begun = (folder / "split.json").is_file() and not resume
    if begun and not restart:
        raise RecipeError(
            f"{folder} already holds a run.",
            "--resume goes on with it, --force starts anew; or give another --name.",
        )
    stages = {role: tuned_stage(package, package_stage(package, role), recipe) for role in recipe.stages}
    if begun:
        _clear(folder)
    data = open_data(recipe, organ, resume=resume)
    _keep_parent(folder, package)
    write_finetune_recipe(recipe)
    before = _measured(package, data, organ, recipe, folder / "before.json", "measure before", progress, cancel)
    weights: dict[str, Path] = {}
    steps: dict[str, int] = {}
    for role, stage in stages.items():
        _train_stage(package, role, stage, recipe, data, organ, weights, steps, progress, cancel)
    tuned = export_finetuned(package, weights, recipe, data, None)
    scores = before
    if before.held_out or before.base:
        after = _measured(tuned, data, organ, recipe, None, "measure after", progress, cancel)
        scores = before.compared(after)
    tuned = export_finetuned(package, weights, recipe, data, scores)
    return Finetuned(tuned.path, scores, scores.better(recipe.tolerance), steps)


def _clear(folder: Path) -> None:
    """Remove the files of an earlier run, and nothing else."""
    try:
        foreign = foreign_files(folder, _RUN_FILES)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be looked at: {error.strerror or error}.", "Give another --name."
        ) from error
    if foreign:
        raise RecipeError(
            f"{folder} holds what is not the run's: {foreign[0].relative_to(folder)}.",
            "Move it away, or give another --name.",
        )
    if not remove_held(folder, _RUN_FILES):
        raise OutputError(f"{folder} could not be removed.", "Check its permissions, or give another --name.")


def _organ(package: ModelPackage) -> str:
    return "pancreas" if "pancreas" in package.labels else next(iter(package.labels))


def _keep_parent(folder: Path, package: ModelPackage) -> None:
    """Note which model the run began from; a resumed run must begin from the same."""
    identity = {"name": package.name, "version": package.version}
    path = folder / "parent.json"
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != identity:
            raise RecipeError(f"{folder} was begun from another model.", "Give another --name.")
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(identity), encoding="utf-8")


def _train_stage(
    package: ModelPackage,
    role: str,
    stage: StageRecipe,
    recipe: FinetuneRecipe,
    data: FinetuneData,
    organ: str,
    weights: dict[str, Path],
    steps: dict[str, int],
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> None:
    """Train every network of a stage that is not finished; note its weights and the step that was kept."""
    from safetensors.torch import save_file

    labels = class_names(package_stage(package, role))
    device, dtype = training_device(recipe.device, recipe.precision)
    training, validation = None, None
    for member in range(stage.members):
        name = f"{role}-{member}"
        folder = recipe.run_folder / name
        finished = folder / "network.safetensors"
        if not finished.is_file():
            if training is None or validation is None:
                training, validation = _prepared(data, labels, organ, stage, role, recipe, progress, cancel)
            start = _start_weights(package, role, member, folder)
            task = NetworkTask(name, stage, labels, organ, recipe.seed + member, folder, start)
            criteria = Criteria(recipe.tolerance, recipe.patience, recipe.anchor)
            _log.info("%s: %d cases, %d held out, on %s", name, len(training), len(validation), device)
            settings = LoopSettings(observers=observers_of(MonitorRecipe(), (organ,)))
            tuner = FineTuner(task, training, validation, device, dtype, criteria, settings)
            network = tuner.run(resume=True, progress=progress, cancel=cancel)
            state = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
            with atomic_path(folder / "kept.json") as temporary:
                kept = tuner.best_step if validation else tuner.step
                temporary.write_text(json.dumps({"step": kept, "steps": tuner.step}), encoding="utf-8")
            with atomic_path(finished) as temporary:
                save_file(state, temporary)
        steps[name] = int(json.loads((folder / "kept.json").read_text(encoding="utf-8"))["step"])
        weights[f"models/{name}.safetensors"] = finished


def _start_weights(package: ModelPackage, role: str, member: int, folder: Path) -> Path:
    """Write the package's weights, checked against its sums, where the trainer takes them from."""
    from safetensors.torch import save_file

    path = folder / "start.safetensors"
    if not path.is_file():
        loaded = load_weights(package, package_stage(package, role), member)
        full = {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}
        with atomic_path(path) as temporary:
            save_file({key: value.contiguous() for key, value in full.items()}, temporary)
    return path


def _prepared(
    data: FinetuneData,
    labels: tuple[str, ...],
    organ: str,
    stage: StageRecipe,
    role: str,
    recipe: FinetuneRecipe,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> tuple[list[Any], list[Any]]:
    """Return the cases to learn from and those that are held out, corrected ones and base ones."""
    split = data.split
    total = sum(len(names) for names in asdict(split).values())
    done = 0

    def told(_number: int, name: str) -> None:
        nonlocal done
        done += 1
        if cancel is not None and cancel.cancelled:
            raise _stopped()
        if progress:
            progress(ProgressEvent(f"prepare {role}", done / total, None, f"preparing {name}"))

    folder = recipe.output / "prepared"
    parts = []
    for names, base in (
        (split.learn, False),
        (split.base, True),
        (split.held_out, False),
        (split.base_held_out, True),
    ):
        dataset = data.base if base else data.new
        cases = (
            prepare(dataset, names, labels, organ, stage, folder, base=base, progress=told)
            if dataset and names
            else []
        )
        parts.append(cases)
    return parts[0] + parts[1], parts[2] + parts[3]


def _measured(
    package: ModelPackage,
    data: FinetuneData,
    organ: str,
    recipe: FinetuneRecipe,
    kept: Path | None,
    stage: str,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
) -> FinetuneScores:
    """Return the Dice of the whole cascade on the held-out cases; taken from `kept` where a run goes on."""
    if kept is not None and kept.is_file():
        return FinetuneScores.from_json(json.loads(kept.read_text(encoding="utf-8")))
    new = data.cases(data.split.held_out)
    base = data.cases(data.split.base_held_out, base=True)
    scores = FinetuneScores({}, {})
    if new or base:
        segmenter = Segmenter.load(str(package.path) if package.path else package.name, device=recipe.device)
        total = len(new) + len(base)

        def dice_of(cases: Iterable[Case], value: int, offset: int) -> dict[str, float]:
            found: dict[str, float] = {}
            for score in evaluate_model(segmenter, cases, value, label=organ, cancel=cancel):
                found[score.case] = round(score.dice, 4)
                if progress:
                    done = (offset + len(found)) / total
                    progress(ProgressEvent(stage, done, None, f"{stage}: {score.case} Dice {score.dice:.3f}"))
            return found

        try:
            held_out = dice_of(new, data.new.labels[organ], 0)
            old = dice_of(base, data.base.labels[organ], len(new)) if data.base is not None else {}
        except CancelledError:
            raise _stopped() from None
        scores = FinetuneScores(
            {name: (value, math.nan) for name, value in held_out.items()},
            {name: (value, math.nan) for name, value in old.items()},
        )
    if kept is not None:
        with atomic_path(kept) as temporary:
            temporary.write_text(json.dumps(scores.to_json(), indent=1), encoding="utf-8")
    return scores


def _stopped() -> CancelledError:
    return CancelledError(
        "Stopped; what was reached is kept.", "The same command with --resume goes on from there."
    )
