"""Who is told how a training goes on: TensorBoard, tables, previews, anything with these methods.

Observers only look. What they raise ends the run; those that ``monitor:`` asks for are guarded against that. In a
run of several processes only the first has observers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PancreasSegLib.training.prepared import PreparedCase, StoredCase
    from PancreasSegLib.training.recipe import StageRecipe

Ending = Literal["steps", "time", "early stopping", "cancelled"]


@dataclass(frozen=True)
class NetworkRun:
    """One network's run, as it begins or goes on.

    Attributes
    ----------
    name : str
        E.g. ``"segmenter-0"``.
    folder : Path
        Where its files go.
    stage : StageRecipe
        The stage's recipe, nothing in it left to ``auto``.
    labels : tuple of str
        Foreground classes in the order of the output channels from 1.
    organ : str
        The class that counts.
    training, validation : tuple of str
        Names of the cases.
    device, precision : str
        E.g. ``"cpu"`` and ``"bfloat16"``.
    parameters : int
        Of the network.
    step : int
        Where it begins; above 0 after a resume.
    processes : int
        How many share each batch.
    """

    name: str
    folder: Path
    stage: StageRecipe
    labels: tuple[str, ...]
    organ: str
    training: tuple[str, ...]
    validation: tuple[str, ...]
    device: str
    precision: str
    parameters: int
    step: int = 0
    processes: int = 1


@dataclass(frozen=True)
class ValidationScores:
    """Dice on the held-out cases, on the stage's own grid.

    Attributes
    ----------
    step : int
        Steps done.
    seconds : float
        Of the run's clock.
    dice : dict of str to dict of str to float
        By case, then by label; NaN where the case was not read for the label.
    means : dict of str to float
        By label, over the cases that were read for it; NaN where there is none.
    watched : float
        What early stopping, plateau and ``keep: best`` look at; larger is better.
    best : bool
        Whether `watched` is the best so far.
    """

    step: int
    seconds: float
    dice: dict[str, dict[str, float]]
    means: dict[str, float]
    watched: float
    best: bool


@dataclass(frozen=True)
class NetworkView:
    """The network as it stands, for whoever wants to predict with it.

    Attributes
    ----------
    labels : tuple of str
        Foreground classes in the order of the output channels from 1.
    cases : tuple of PreparedCase or StoredCase
        Held-out cases; where nobody is held out, those that it learns from. ``case.load()`` gives the voxels.
    predict : callable
        Takes a case and returns its classes, uint8 of the shape of the case's image (z, y, x).
    """

    labels: tuple[str, ...]
    cases: tuple[PreparedCase | StoredCase, ...]
    predict: Callable[[PreparedCase | StoredCase], NDArray[np.uint8]]


@dataclass(frozen=True)
class RunSummary:
    """How a network's run ended.

    Attributes
    ----------
    step : int
        Steps done.
    seconds : float
        Of the run's clock.
    ending : str
        ``"steps"``, ``"time"``, ``"early stopping"`` or ``"cancelled"``.
    kept_step : int
        The step whose weights were kept.
    best : float
        The best of what was watched; NaN where nothing was.
    """

    step: int
    seconds: float
    ending: Ending
    kept_step: int
    best: float


class TrainingObserver(Protocol):
    """Is told of every network of a run, one after the other."""

    def started(self, run: NetworkRun) -> None:
        """A network's run begins, or goes on."""

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """``monitor.log_every`` steps are done.

        ``fields`` are ``loss`` (their mean), ``rate``, ``seconds`` (of the run's clock), ``seconds_per_step`` (of
        the wall, without validation), ``grad_norm`` (of the last step, before clipping; only where it is clipped),
        ``fraction`` of the run, and ``data_share`` of the steps' time, 0 to 1, that went into patches (on a GPU,
        into asking for them).
        """

    def validated(self, step: int, scores: ValidationScores) -> None:
        """The held-out cases were looked at."""

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """An epoch is over; ``step // stage.epoch_steps`` is its number. One cut short by the run's end counts."""

    def finished(self, summary: RunSummary) -> None:
        """A network's run ended, or was cancelled."""


class Observers:
    """Several observers as one.

    Parameters
    ----------
    observers : iterable of TrainingObserver
        Told in this order.
    """

    def __init__(self, observers: Iterable[TrainingObserver] = ()) -> None:
        self.observers: Sequence[TrainingObserver] = tuple(observers)

    def started(self, run: NetworkRun) -> None:
        """Tell all."""
        for observer in self.observers:
            observer.started(run)

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Tell all."""
        for observer in self.observers:
            observer.stepped(step, fields)

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Tell all."""
        for observer in self.observers:
            observer.validated(step, scores)

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Tell all."""
        for observer in self.observers:
            observer.epoch_ended(step, network_view)

    def finished(self, summary: RunSummary) -> None:
        """Tell all."""
        for observer in self.observers:
            observer.finished(summary)
