"""Cross-validation: every patient is segmented by the whole cascade of a model that never saw the patient."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial

from PancreasSegLib.data import Dataset, read_dataset
from PancreasSegLib.evaluation import CaseScore, Cohort, write_cohort
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.progress import CancelToken, ProgressCallback
from PancreasSegLib.training.distributed import joined_world
from PancreasSegLib.training.export import export_run
from PancreasSegLib.training.held_out import folds_of, score_held_out, used_cases
from PancreasSegLib.training.observer import TrainingObserver
from PancreasSegLib.training.plan import as_run
from PancreasSegLib.training.recipe import Recipe
from PancreasSegLib.training.run import train_networks, training_device

_log = logging.getLogger(__name__)


def cross_validate(
    recipe: Recipe,
    *,
    resume: bool = False,
    in_plane_mm: float | None = None,
    progress: ProgressCallback | None = None,
    scored: Callable[[CaseScore], None] | None = None,
    cancel: CancelToken | None = None,
    observers: Iterable[TrainingObserver] = (),
) -> Cohort:
    """Train every fold of a recipe and score its held-out patients on their CTs' own grids, label by label.

    The figures are those of proposal, localiser and segmenter together, as a user would get them. They are written
    to ``output/name/cross-validation`` (and ``-in-plane-X`` when resampled) beside the folds' runs.

    Parameters
    ----------
    recipe : Recipe
        ``fold`` is ignored: every fold is run.
    resume : bool
        Go on with folds that are begun; finished ones are only scored.
    in_plane_mm : float, optional
        Score on CTs resampled to this in-plane spacing.
    progress, scored : callable, optional
        Told of training steps and of each scored patient.
    cancel : CancelToken, optional
        Obeyed throughout.
    observers : iterable of TrainingObserver, optional
        Told of each network of each fold.

    Returns
    -------
    Cohort
        One score a held-out case and label. A recipe with a holdout has one fold; where it keeps patients for a
        test, these are scored instead of those that the training was watched on.
    """
    dataset = read_dataset(recipe.data.root)
    folds = folds_of(recipe, dataset)
    scores: list[CaseScore] = []
    with joined_world(training_device(recipe.device, recipe.precision)[0]) as world:
        for number, held_out in enumerate(folds):
            fold = recipe.model_copy(update={"fold": number, "only": ()})
            train_networks(fold, resume=resume, progress=progress, cancel=cancel, observers=observers)
            recipe = world.from_first(partial(as_run, fold))  # what the first fold chose holds for all
            score = partial(_fold_scores, recipe, dataset, held_out, in_plane_mm, scored, cancel)
            scores += world.from_first(score)
        about = {
            "recipe": recipe.name,
            "dataset": dataset.name,
            "folds": [list(fold) for fold in folds],
            "in_plane_mm": in_plane_mm,
        }
        cohort = Cohort(tuple(scores), about)
        if world.first:
            suffix = f"-in-plane-{in_plane_mm:g}" if in_plane_mm else ""
            write_cohort(recipe.output / recipe.name / f"cross-validation{suffix}", cohort)
    return cohort


def _fold_scores(
    fold: Recipe,
    dataset: Dataset,
    held_out: Collection[str],
    in_plane_mm: float | None,
    scored: Callable[[CaseScore], None] | None,
    cancel: CancelToken | None,
) -> list[CaseScore]:
    """Make the package of a fold and score the patients that it never saw."""
    segmenter = Segmenter.load(str(export_run(fold)), device=fold.device)
    chosen = [case for case in used_cases(fold, dataset) if case.patient in set(held_out)]
    scores = []
    for score in score_held_out(segmenter, chosen, fold.data, dataset, in_plane_mm=in_plane_mm, cancel=cancel):
        _log.info("fold %s %s %s: Dice %.3f", fold.fold, score.case, score.label, score.dice)
        scores.append(score)
        if scored:
            scored(score)
    return scores
