"""A package's networks on a device, by the engine that can run them there."""

from __future__ import annotations

import logging
import math

from PancreasSegLib.errors import DeviceError, ModelPackageError
from PancreasSegLib.inference.device import Device, Precision, choose_device, choose_precision
from PancreasSegLib.inference.engine import engine_of, is_installed
from PancreasSegLib.inference.prediction import is_out_of_memory
from PancreasSegLib.inference.result import SegmentationWarning
from PancreasSegLib.inference.settings import CascadeSettings
from PancreasSegLib.inference.stage_network import StageNetwork
from PancreasSegLib.models import ModelPackage, Stage, find_package
from PancreasSegLib.models.engine_graph import lacks_graphs
from PancreasSegLib.packages import EXTRAS

_log = logging.getLogger(__name__)


def load_networks(
    package: ModelPackage, device: str, precision: str, threads: int, settings: CascadeSettings
) -> tuple[dict[str, StageNetwork], list[SegmentationWarning]]:
    """Load all stages of a package.

    Parameters
    ----------
    package : ModelPackage
        The model.
    device, precision : str
        As for `Segmenter.load`.
    threads : int
        CPU threads.
    settings : CascadeSettings
        How often a stage will see a scan.

    Returns
    -------
    networks : dict of str to StageNetwork
        Stages by role.
    warnings : list of SegmentationWarning
        What had to be given up.

    Raises
    ------
    ModelPackageError
        If files are missing or damaged.
    DeviceError
        If the device is not there, or its memory does not suffice for the model.
    """
    place = able_to_run(package, package.stages, choose_device(device))
    try:
        return _load(package, place, choose_precision(place, precision), threads, settings), []
    except RuntimeError as error:
        if place.on_cpu or not is_out_of_memory(error):
            raise
        sentence = f"The memory of {place} does not suffice for the model"
        if device != "auto":
            raise DeviceError(f"{sentence}.", "Close what else uses it, or use --device cpu.") from error
    warning = SegmentationWarning("cpu-fallback", f"{sentence}, so the CPU is used.")
    _log.warning(warning.sentence)
    place = able_to_run(package, package.stages, choose_device("cpu"))
    return _load(package, place, choose_precision(place), threads, settings), [warning]


def uses_default_localiser(package: ModelPackage, settings: CascadeSettings) -> bool:
    """Whether the built-in model's localiser finds the pancreas for a package that has none."""
    return settings.localiser == "default" and package.seeks_pancreas and package.stage("localiser") is None


def load_default_localiser(device: str, precision: str, threads: int) -> StageNetwork:
    """Load the localiser of the built-in model.

    Raises
    ------
    ModelPackageError
        If the built-in model is missing or damaged.
    """
    package = find_package()
    stage = package.stage("localiser")
    if stage is None:
        raise ModelPackageError("The built-in model has no localiser.", "Import the model with --localiser none.")
    place = able_to_run(package, (stage,), choose_device(device))
    return load_stage(package, stage, place, choose_precision(place, precision), threads, 1)


def able_to_run(package: ModelPackage, stages: tuple[Stage, ...], device: Device) -> Device:
    """Return the device on which stages can be run: for those without graphs, one of PyTorch's.

    Graphs that are missing, of a package that an earlier version made, are made where PyTorch is installed.

    Raises
    ------
    ModelPackageError
        If there are no graphs and there is no PyTorch.
    """
    if device.engine == "torch" or not any(lacks_graphs(package, stage) for stage in stages):
        return device
    if not is_installed("torch"):
        raise ModelPackageError(
            f"The model {package.name} has no graph that can be run without PyTorch: an earlier version made it, "
            "or it is a program.",
            f"{EXTRAS['torch'].command} The graph is then made when the model is next used.",
        )
    from PancreasSegLib.models.graph_writing import add_graphs

    if add_graphs(package):
        return device
    _log.info("%s has no graph: PyTorch runs it", package.name)
    return Device("torch", "cpu")


def _load(
    package: ModelPackage, device: Device, precision: Precision, threads: int, settings: CascadeSettings
) -> dict[str, StageNetwork]:
    return {
        stage.role: load_stage(package, stage, device, precision, threads, _passes(package, stage, settings))
        for stage in package.stages
    }


def load_stage(
    package: ModelPackage, stage: Stage, device: Device, precision: Precision, threads: int, passes: float
) -> StageNetwork:
    """Load all members of a stage, which make up to so many passes over a scan at once."""
    engine, members = engine_of(device.engine), len(stage.weights)
    wide, streams = shared_threads(threads, members, passes)
    loaded = [
        engine.load(package, stage, member, device, precision, threads=wide, streams=streams)
        for member in range(members)
    ]
    return StageNetwork(stage, loaded, device, precision)


def _passes(package: ModelPackage, stage: Stage, settings: CascadeSettings) -> float:
    """Return how many passes of a stage over a scan do not wait for each other, by a lower bound."""
    if stage.role == "localiser":
        return len(stage.weights)
    if package.stage("localiser") is None and not uses_default_localiser(package, settings):
        return math.inf  # the whole body, in windows
    return max(len(stage.weights), 1 + len(settings.extra_scales))


def shared_threads(threads: int, members: int, passes: float) -> tuple[int, int]:
    """Share threads out among the passes that run at once.

    Returns
    -------
    wide : int
        Threads inside a layer.
    streams : int
        Images at once in each member.

    Examples
    --------
    >>> shared_threads(2, 1, 1), shared_threads(2, 3, 3), shared_threads(16, 1, 3), shared_threads(8, 1, math.inf)
    ((2, 1), (1, 1), (5, 3), (1, 8))
    """
    at_once = int(min(threads, passes))
    return max(1, threads // at_once), -(-at_once // members)
