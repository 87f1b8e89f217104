"""Who watches a run, by its recipe: the one place where monitoring is put together."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence

from PancreasSegLib.errors import MissingPackageError
from PancreasSegLib.training.monitor.curves import Curves
from PancreasSegLib.training.monitor.forgiving import Forgiving
from PancreasSegLib.training.monitor.previews import Previews
from PancreasSegLib.training.monitor.run_record import RunRecord
from PancreasSegLib.training.monitor.tensorboard import TensorBoard
from PancreasSegLib.training.observer import TrainingObserver
from PancreasSegLib.training.recipe import MonitorRecipe, Recipe

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def monitored(
    recipe: Recipe, device: str, progress: Callable[[float, str], None] | None = None
) -> Iterator[tuple[TrainingObserver, ...]]:
    """Keep ``run.json`` while the block lasts, and give the observers that the recipe asks for.

    None of them can end the run.

    Parameters
    ----------
    recipe : Recipe
        Its ``monitor`` part decides.
    device : str
        torch's name of the device.
    progress : callable, optional
        Told of the hashing of the data: share done, case.

    Yields
    ------
    tuple of TrainingObserver
    """
    with RunRecord(recipe, device, progress) as record:
        yield (Forgiving(record, "run.json"), *observers_of(recipe.monitor, recipe.data.written))


def observers_of(settings: MonitorRecipe, labels: Sequence[str]) -> tuple[TrainingObserver, ...]:
    """Return the observers that a recipe asks for, none of which can end the run.

    Parameters
    ----------
    settings : MonitorRecipe
        The ``monitor`` part of the recipe.
    labels : sequence of str
        Labels that previews show.
    """
    chosen: list[tuple[str, TrainingObserver]] = []
    if settings.curves:
        chosen.append(("metrics.png", Curves()))
    board = _tensorboard() if settings.tensorboard else None
    if settings.previews:
        drawn = board.pictured if board else None
        chosen.append(("previews", Previews(settings.previews, settings.preview_every, labels, drawn)))
    if board:
        chosen.append(("TensorBoard", board))
    return tuple(Forgiving(observer, name) for name, observer in chosen)


def _tensorboard() -> TensorBoard | None:
    try:
        return TensorBoard()
    except MissingPackageError as error:
        _log.warning("%s", error)
        return None
