"""Exports a package's networks, each checked against the original before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib._version import __version__
from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.models.checksums import verify_package, write_checksums
from PancreasSegLib.models.ownership import EXPORT_FILE, refuse_foreign_folder
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.models.weights import build_stage_network
from PancreasSegLib.models.write import write_json
from PancreasSegLib.networks.imported import TORCHSCRIPT
from PancreasSegLib.storage.replacement import new_folder

if TYPE_CHECKING:
    from torch import nn

    from PancreasSegLib.models.exports.writers import GraphWriter

FORMATS = ("torchscript", "torch-export", "onnx")
TOLERANCE = 1e-4
"""Probabilities may differ by this much from the original's."""

_REFUSALS = (RuntimeError, ValueError, TypeError, AssertionError, ModelPackageError)
"""How torch's exporters, and the check, say that a network cannot be written this way."""

_COPIED = ("MODEL_CARD.md", "LICENSE")


@dataclass(frozen=True)
class Parity:
    """How far an exported graph was from the original.

    Attributes
    ----------
    shape : tuple of int
        Spatial shape of the image, in the network's axes.
    difference : float
        Largest difference of a probability.
    """

    shape: tuple[int, ...]
    difference: float


@dataclass(frozen=True)
class ExportedGraph:
    """A file that was written.

    Attributes
    ----------
    path : Path
        The graph; beside it lies a ``.json`` that says how to feed it.
    parity : list of Parity
        What was measured.
    """

    path: Path
    parity: list[Parity] = field(default_factory=list)


def export_graphs(
    package: ModelPackage,
    destination: Path | str,
    form: str,
    *,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[ExportedGraph]:
    """Write every stage of a package as a graph from HU to probabilities.

    Members of an ensemble are averaged inside the graph. The refiner, which needs more images than the CT, is left
    out.

    Parameters
    ----------
    package : ModelPackage
        See `PancreasSegLib.models.find_package`.
    destination : Path or str
        A new folder: a graph and a ``.json`` a stage, model card and licence.
    form : str
        One of `FORMATS`.
    overwrite : bool
        Whether what is there is replaced.
    progress : callable
        Takes a sentence before each step that takes long.

    Returns
    -------
    list of ExportedGraph

    Raises
    ------
    ModelPackageError
        If the package is damaged, a stage cannot be written in this form, or the graph gives other probabilities
        than the original; nothing is written then.
    MissingPackageError
        If a Python package of the extra ``export`` is not there.
    OutputError
        If the destination exists or cannot be written.
    """
    from PancreasSegLib.models.exports.writers import writer_of

    destination = Path(destination).expanduser()
    writer = writer_of(form)
    verify_package(package.path)
    for stage in package.stages:
        _check(package, stage, form)
    graphs = []
    with new_folder(destination, overwrite, refuse_foreign_folder) as part:
        for stage in package.stages:
            progress(f"Writing the {stage.role}; this can take a minute")
            name = f"{stage.role}{writer.suffix}"
            parity, fixed = _written(package, stage, writer, part / name)
            write_json(part / f"{stage.role}.json", _description(package, stage, name, parity, fixed))
            graphs.append(ExportedGraph(destination / name, parity))
        for name in _COPIED:
            if (package.path / name).is_file():
                shutil.copyfile(package.path / name, part / name)
        write_json(part / EXPORT_FILE, {"exported_by": f"PancreasSeg {__version__}", "package": package.name})
        write_checksums(part)
    return graphs


def _check(package: ModelPackage, stage: Stage, form: str) -> None:
    if stage.hu_mask != "none":
        raise ModelPackageError(
            f"The {stage.role} of {package.name} needs the soft-tissue mask of this library, which no graph holds."
        )
    if stage.network == TORCHSCRIPT and form != "torchscript":
        raise ModelPackageError(f"The {stage.role} of {package.name} is a TorchScript program and stays one.")


def _written(package: ModelPackage, stage: Stage, writer: GraphWriter, path: Path) -> tuple[list[Parity], bool]:
    """Write a stage for images of any size, or of the patch's alone where the network allows no more."""
    from PancreasSegLib.models.exports.stage_graph import StageGraph

    members = [build_stage_network(package, stage, member) for member in range(len(stage.weights))]
    graph = StageGraph(stage, members).eval()
    patch, multiple = _network_sizes(stage)
    other = tuple(2 * m for m in multiple)
    attempts: list[tuple[tuple[int, ...] | None, list[tuple[int, ...]]]] = []
    if stage.network != TORCHSCRIPT and "image_size" not in stage.arguments:
        attempts.append((multiple, [patch, other]))
    if stage.is_imported or not attempts:
        attempts.append((None, [patch]))
    for number, (sizes, shapes) in enumerate(attempts, 1):
        try:
            writer.write(graph, path, patch, sizes)
            return _parity(graph, writer, path, shapes), sizes is None
        except _REFUSALS as error:
            if number < len(attempts):
                continue
            if isinstance(error, ModelPackageError):
                raise
            raise ModelPackageError(f"The {stage.role} cannot be exported: {_first_line(error)}.") from error
    raise AssertionError("there is always an attempt")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _network_sizes(stage: Stage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Patch and multiple in the network's axes, without the slices of a 2D network."""
    axes = NetworkAxes(stage.axes)
    first = 3 - stage.spatial_dims
    return axes.of_zyx(stage.patch_ijk[::-1])[first:], axes.of_zyx(stage.multiple_ijk[::-1])[first:]


def _parity(graph: nn.Module, writer: GraphWriter, path: Path, shapes: Sequence[tuple[int, ...]]) -> list[Parity]:
    """Compare the file with the original on random HU of several shapes.

    Raises
    ------
    ModelPackageError
        If they differ by more than `TOLERANCE`.
    """
    import torch

    run, found = writer.load(path), []
    for seed, shape in enumerate(shapes):
        hu = 200 * torch.randn((1, 1, *shape), generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            expected = graph(hu)
        got = run(hu)
        same = got.shape == expected.shape
        difference = float((got - expected).abs().max()) if same else float("inf")
        if not difference <= TOLERANCE:
            size = " x ".join(map(str, shape))
            raise ModelPackageError(
                f"The exported {path.stem} differs from the original by {difference:.2g} on {size} voxels.",
                "Nothing was written.",
            )
        found.append(Parity(shape, difference))
    return found


def _description(
    package: ModelPackage, stage: Stage, file: str, parity: Sequence[Parity], fixed: bool
) -> dict[str, Any]:
    """How to feed the graph and what it gives, as plain JSON."""
    axes = NetworkAxes(stage.axes)
    patch, multiple = _network_sizes(stage)
    shift = 1 if stage.activation == "sigmoid" else 0
    letters = {"L": "Left", "R": "Right", "P": "Posterior", "A": "Anterior", "S": "Superior", "I": "Inferior"}
    return {
        "file": file,
        "package": {"name": package.name, "version": package.version, "licence": package.licence},
        "role": stage.role,
        "input": {
            "name": "hu",
            "dtype": "float32",
            "layout": ["batch", "channel", *(letters[a] for a in stage.axes[3 - stage.spatial_dims :])],
            "unit": "HU, interpolated linearly to the spacing; the graph clips and normalises them",
            "axes": stage.axes,
            "spacing_mm": list(axes.of_zyx(stage.spacing_mm[::-1])),
            "patch": list(patch),
            "size": "the patch alone" if fixed else "any multiple of `multiple`",
            "multiple": list(patch if fixed else multiple),
        },
        "output": {
            "name": "probabilities",
            "dtype": "float32",
            "activation": stage.activation,
            "channels": {label: value - shift for label, value in stage.labels.items() if value >= shift},
        },
        "inside": {
            "window_hu": list(stage.window_hu),
            "mean_hu": stage.mean_hu,
            "std_hu": stage.std_hu,
            "temperature": stage.temperature,
            "members": len(stage.weights),
        },
        "mask_labels": package.labels,
        "parity": [asdict(check) for check in parity],
        "made_with": {name: version(name) for name in ("torch",)},
    }
