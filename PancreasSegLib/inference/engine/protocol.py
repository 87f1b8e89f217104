"""What an engine is asked for: devices, precisions, and networks that turn images into probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PancreasSegLib.inference.cost import NetworkCost, Speed
    from PancreasSegLib.inference.engine.place import Device, Precision
    from PancreasSegLib.models import ModelPackage, Stage


class Member(Protocol):
    """One network of a stage on a device, loaded once and used for many images."""

    @property
    def cost(self) -> NetworkCost:
        """What an image costs."""

    def run(
        self, images: NDArray[np.float32], keep: Sequence[int] | None, on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """Run images (n, c, ...) and return probabilities (n, len(keep), ...) by the stage's activation.

        Parameters
        ----------
        images : ndarray of float32, shape (n, c, z, y, x) or (n, c, y, x)
            Normalised, in the network's axes.
        keep : sequence of int, optional
            Channels to return, the background first; all scores as they are where it is None, as it must be for a
            stage that `gives_scores`.
        on_work : callable
            Called several times a second with the share that is done, as far as the engine can tell; it may raise,
            which stops the run within a second.
        """

    def move(self, device: Device, precision: Precision) -> None:
        """Move to another device of the same engine."""

    def release(self) -> None:
        """Give back the memory of the activations; the next run takes it again."""


class Engine(Protocol):
    """A library that runs networks.

    Attributes
    ----------
    name : str
        Key of `PancreasSegLib.inference.engine.ENGINES`.
    """

    name: str

    def version(self) -> str:
        """Return the version of its Python package."""

    def places(self) -> list[str]:
        """Return what it can compute on here, ``cpu`` last: ``cuda:0``, ``mps``, ``intel:0``."""

    def failure(self, place: str) -> str:
        """Return why a place cannot compute, a GPU that needs another driver for instance; else nothing."""

    def label(self, place: str) -> str:
        """Return the maker's name of a place."""

    def fastest(self, place: str) -> str:
        """Return the precision that is fastest and exact enough, by what the hardware can do."""

    def speed(self, place: str, precision: Precision, threads: int) -> Speed:
        """Return what such a device usually reaches, from measurements on 3D U-Nets."""

    def free_memory_mb(self, place: str) -> float:
        """Return the memory that activations may take, in MB; infinite where that is not known."""

    def in_use(self, place: str) -> AbstractContextManager[None]:
        """Hold a place for a run, so that the same input gives the same result."""

    def load(
        self,
        package: ModelPackage,
        stage: Stage,
        member: int,
        device: Device,
        precision: Precision,
        threads: int = 1,
        streams: int = 1,
    ) -> Member:
        """Load one network of a stage.

        Parameters
        ----------
        package : ModelPackage
            Where its files lie.
        stage : Stage
            One of its stages, or its refiner.
        member : int
            Which of the stage's networks.
        device : Device
            Of this engine.
        precision : Precision
            Of the activations.
        threads : int
            CPU threads inside a layer.
        streams : int
            Images that run at once.

        Raises
        ------
        ModelPackageError
            If the files are missing, damaged or not for this engine; the sentence says what to do.
        """
