"""What one network is to learn, and what its run needs besides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.training.distributed import ALONE, World
from PancreasSegLib.training.observer import TrainingObserver
from PancreasSegLib.training.recipe import StageRecipe


@dataclass(frozen=True)
class NetworkTask:
    """What one network is to learn.

    Attributes
    ----------
    name : str
        Shown in progress and logs, e.g. ``"segmenter-0"``.
    stage : StageRecipe
        The stage's recipe.
    labels : tuple of str
        Foreground classes in the order of the output channels from 1.
    organ : str
        The class that counts.
    seed : int
        Seed of the initial weights and of every patch.
    folder : Path
        Where checkpoint and CSV files go.
    initial_weights : Path or None
        Safetensors file to start from instead of random weights.
    """

    name: str
    stage: StageRecipe
    labels: tuple[str, ...]
    organ: str
    seed: int
    folder: Path
    initial_weights: Path | None = None


@dataclass(frozen=True)
class LoopSettings:
    """What a run needs besides what it learns.

    Attributes
    ----------
    world : World
        The processes that share it.
    observers : iterable of TrainingObserver
        Told how it goes on; the CSV files are written in any case.
    log_every : int
        Steps whose mean loss is told at once.
    memory_gb : float or None
        Budget for the cases held in memory.
    """

    world: World = ALONE
    observers: Iterable[TrainingObserver] = ()
    log_every: int = 25
    memory_gb: float | None = None
