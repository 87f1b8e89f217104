"""Variants of a recipe side by side: the same patients, the same budget, one table."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PancreasSegLib.data import Dataset, read_dataset
from PancreasSegLib.errors import CancelledError, PancreasSegError, RecipeError
from PancreasSegLib.evaluation import CaseScore, Cohort
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.inference.engine.torch_engine import choose_torch_device
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.held_out import folds_of, score_held_out, used_cases
from PancreasSegLib.training.memory_watch import MemoryWatch
from PancreasSegLib.training.observer import TrainingObserver
from PancreasSegLib.training.plan import as_run
from PancreasSegLib.training.recipe import Recipe, read_recipe, set_field
from PancreasSegLib.training.run import network_tasks, train_networks

_log = logging.getLogger(__name__)
_SCORES = "compared.json"


@dataclass(frozen=True)
class VariantResult:
    """What became of a variant.

    Attributes
    ----------
    name : str
        Its name in the recipe.
    recipe : Recipe
        What was trained, of the first fold.
    cohort : Cohort
        One score a held-out patient and label, all folds together; empty where it failed.
    train_seconds : float
        Of the training's clock, all networks and folds together.
    peak_memory_mb : float
        While training: see `MemoryWatch`.
    error : str
        Why there are no scores; else empty.
    """

    name: str
    recipe: Recipe
    cohort: Cohort = field(default_factory=lambda: Cohort((), {}))
    train_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error: str = ""


def variant_recipes(recipe: Recipe) -> dict[str, Recipe]:
    """Return the recipe of every variant, in the folder ``output/name/variants/<variant>``.

    Raises
    ------
    RecipeError
        If the recipe has no variants, or a variant makes a wrong recipe; the sentence names both.
    """
    if not recipe.variants:
        raise RecipeError(
            f"The recipe {recipe.name} has no variants to compare.",
            "Add `variants: {name: {stages.segmenter.network: ...}}`, or use `pancreasseg cross-validate`.",
        )
    found = {}
    for name, changes in recipe.variants.items():
        content = recipe.model_dump(mode="json", exclude_unset=True, exclude={"variants"})
        for key, value in changes.items():
            set_field(content, key, value)
        content |= {"name": name, "output": str(recipe.output / recipe.name / "variants")}
        found[name] = read_recipe(content, f"The variant {name} of {recipe.name}")
    return found


def compare_variants(
    recipe: Recipe,
    *,
    every_fold: bool = False,
    only: Sequence[str] = (),
    resume: bool = False,
    progress: ProgressCallback | None = None,
    observers: Sequence[TrainingObserver] = (),
    told: Callable[[str], None] | None = None,
    cancel: CancelToken | None = None,
) -> list[VariantResult]:
    """Train every variant on the same patients and score it on those held out, on the CTs' own grids.

    The scores are those of the exported package, proposal and all, as a user would get them. A variant that fails
    is kept with its error, and the others go on.

    Parameters
    ----------
    recipe : Recipe
        With ``variants``. Its ``fold`` is trained, the first where it says ``all``.
    every_fold : bool
        Cross-validate: train every fold.
    only : sequence of str
        Names of the variants to run; all where empty.
    resume : bool
        Go on with what is there; what is scored already is not done again.
    progress : callable, optional
        Told of the training.
    observers : sequence of TrainingObserver, optional
        Told of each network of each variant.
    told : callable, optional
        Takes a sentence for each variant and case that is done.
    cancel : CancelToken, optional
        Obeyed throughout.

    Raises
    ------
    RecipeError
        If there are no variants, or their folders hold runs and `resume` is off.
    DatasetError
        If the dataset cannot be read.
    CancelledError
        If cancelled; ``resume=True`` goes on from there.
    """
    variants = variant_recipes(recipe)
    unknown = sorted(set(only) - set(variants))
    if unknown:
        raise RecipeError(
            f"The recipe {recipe.name} has no variant {', '.join(unknown)}.", f"It has: {', '.join(variants)}."
        )
    variants = {name: variant for name, variant in variants.items() if not only or name in only}
    dataset = read_dataset(recipe.data.root)
    held_out = folds_of(recipe, dataset)
    first = 0 if recipe.fold == "all" else recipe.fold
    folds = list(range(len(held_out))) if every_fold else [first]
    if not resume:
        _refuse_begun(variants, folds)
    results = []
    for name, variant in variants.items():
        say = told or (lambda sentence: None)
        result = VariantResult(name, variant.model_copy(update={"fold": folds[0]}))
        try:
            for fold in folds:
                one = _run_fold(name, variant, fold, held_out[fold], dataset, progress, observers, say, cancel)
                result = _joined(result, one)
        except CancelledError:
            raise
        except Exception as error:
            _log.debug("variant %s failed", name, exc_info=True)
            result = replace(result, cohort=Cohort((), {}), error=_sentence(error))
            _keep_traceback(variant, error)
            say(f"{name} failed: {result.error}")
        results.append(result)
        gc.collect()  # the networks of one variant need not lie beside those of the next
    return results


def _run_fold(
    name: str,
    variant: Recipe,
    fold: int,
    patients: Sequence[str],
    dataset: Dataset,
    progress: ProgressCallback | None,
    observers: Sequence[TrainingObserver],
    say: Callable[[str], None],
    cancel: CancelToken | None,
) -> VariantResult:
    """Train, export and score one fold of a variant; what was scored before is read."""
    recipe = variant.model_copy(update={"fold": fold})
    file = recipe.run_folder / _SCORES
    known = _read_scores(file, recipe)
    if known is not None:
        return VariantResult(name, recipe, **known)

    def named(event: ProgressEvent) -> None:
        if progress:
            progress(replace(event, stage=f"{name} fold {fold} {event.stage}"))

    before = _read_peak(recipe.run_folder)
    with MemoryWatch(choose_torch_device(recipe.device).place) as watch:
        train_networks(recipe, resume=True, progress=named, cancel=cancel, observers=observers)
    peak = max(before, watch.peak_mb)
    _write_peak(recipe.run_folder, peak)
    made = as_run(recipe)
    segmenter = Segmenter.load(str(export_run(made)), device=recipe.device)
    cases = [case for case in used_cases(made, dataset) if case.patient in set(patients)]
    scores = []
    for score in score_held_out(segmenter, cases, made.data, dataset, cancel=cancel):
        scores.append(score)
        say(f"{name} fold {fold} {score.case} {score.label}: Dice {score.dice:.3f} {score.error}".rstrip())
    seconds = sum(_seconds(task.folder) for task in network_tasks(recipe))
    result = VariantResult(name, recipe, Cohort(tuple(scores), {}), seconds, peak)
    _write_scores(file, recipe, result)
    return result


def _refuse_begun(variants: dict[str, Recipe], folds: Sequence[int]) -> None:
    for variant in variants.values():
        for fold in folds:
            recipe = variant.model_copy(update={"fold": fold})
            if any((task.folder / "checkpoint.pt").is_file() for task in network_tasks(recipe)):
                raise RecipeError(
                    f"{recipe.run_folder} already holds a run.", "Add --resume, or choose another output or name."
                )


def _joined(a: VariantResult, b: VariantResult) -> VariantResult:
    return replace(
        a,
        cohort=Cohort(a.cohort.scores + b.cohort.scores, {}),
        train_seconds=a.train_seconds + b.train_seconds,
        peak_memory_mb=max(a.peak_memory_mb, b.peak_memory_mb),
    )


def _sentence(error: Exception) -> str:
    if isinstance(error, PancreasSegError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _keep_traceback(variant: Recipe, error: Exception) -> None:
    folder = variant.output / variant.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")


def _digest(recipe: Recipe) -> str:
    """What decides the scores of a fold; where it is run does not."""
    content = recipe.model_dump(mode="json", exclude={"output", "device", "monitor", "description", "variants"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_scores(file: Path, recipe: Recipe) -> dict[str, Any] | None:
    """Return what a finished fold left, None if there is none or the recipe has changed since."""
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["recipe"] != _digest(recipe):
        return None
    return {
        "cohort": Cohort(tuple(CaseScore.from_json(score) for score in content["scores"]), {}),
        "train_seconds": float(content["train_seconds"]),
        "peak_memory_mb": float(content["peak_memory_mb"]),
    }


def _write_scores(file: Path, recipe: Recipe, result: VariantResult) -> None:
    content = {
        "recipe": _digest(recipe),
        "train_seconds": result.train_seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "scores": [score.to_json() for score in result.cohort.scores],
    }
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def _read_peak(folder: Path) -> float:
    """Return the peak of the part of a run that was trained before it was cut off."""
    file = folder / "peak_memory_mb.txt"
    return float(file.read_text(encoding="utf-8")) if file.is_file() else 0.0


def _write_peak(folder: Path, peak_mb: float) -> None:
    (folder / "peak_memory_mb.txt").write_text(f"{peak_mb:.1f}", encoding="utf-8")


def _seconds(folder: Path) -> float:
    """Return the seconds of a network's training, as the last lines of its CSV files tell."""
    found = [0.0]
    for name in ("losses.csv", "validation.csv"):
        file = folder / name
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        if len(lines) > 1:
            found.append(float(dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))["seconds"]))
    return max(found)
