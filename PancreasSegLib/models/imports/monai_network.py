"""A network of MONAI from the name of its class, plain arguments and a state dict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, NetworkError
from PancreasSegLib.models.imports.probe import probe_network
from PancreasSegLib.models.package import Stage
from PancreasSegLib.models.weights import network_with

if TYPE_CHECKING:
    from torch import Tensor


def rebuilt_network(
    known: str, options: dict[str, Any], weights: dict[str, Tensor], path: Path, patch: Sequence[int]
) -> tuple[str, dict[str, Any], dict[str, Tensor], int, tuple[int, ...]]:
    """Build a network of MONAI from the name of its class and give it its weights.

    Parameters
    ----------
    known : str
        The class.
    options : dict
        Its keyword arguments.
    weights : dict of str to Tensor
        Its state dict.
    path : Path
        Where that comes from, for the errors.
    patch : sequence of int
        Its usual input.

    Returns
    -------
    network, arguments
        Of the stage.
    weights : dict of str to Tensor
    out_channels, multiple
        As `probe_network`.

    Raises
    ------
    ModelPackageError
        If it takes more than a CT, or the weights do not fit.
    """
    if options.get("in_channels", 1) != 1 or options.get("spatial_dims", 3) != 3:
        raise ModelPackageError(
            f"The network of {path.parent.parent} takes {options.get('in_channels', 1)} image(s) of "
            f"{options.get('spatial_dims', 3)} dimensions, not one CT.",
        )
    arguments: dict[str, Any] = {"class_name": known, "options": options, "in_channels": 1, "spatial_dims": 3}
    size = (patch[0], patch[1], patch[2])
    files = ("models/segmenter-0.safetensors",)
    stage = Stage("segmenter", "monai", arguments, files, (1, 1, 1), (0, 1), 0, 1, size, (1, 1, 1), {})
    try:
        network = network_with(stage, weights, path)
    except NetworkError as error:
        raise ModelPackageError(f"{path.parent.parent}: {error.message}", error.hint) from error
    out_channels, multiple = probe_network(network, 1, patch, str(path.parent.parent))
    return "monai", {**arguments, "out_channels": out_channels}, weights, out_channels, multiple
