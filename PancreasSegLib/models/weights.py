"""Weights as data: loaded without running anything, checked against their sum and their network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, NetworkError
from PancreasSegLib.models.checkpoint import read_checkpoint, state_dict_in
from PancreasSegLib.models.checksums import file_inside, verify_files
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.models.program import load_program
from PancreasSegLib.networks import build_network
from PancreasSegLib.networks.imported import TORCHSCRIPT

if TYPE_CHECKING:
    from torch import Tensor, nn

_LARGEST_KERNEL = 5**3


def load_weights(package: ModelPackage, stage: Stage, member: int = 0) -> dict[str, Tensor]:
    """Load the weights of one network of a stage onto the CPU.

    The file is checked against the package's SHA256SUMS first. Safetensors hold nothing but numbers; a ``.pt``
    file is a pickle, which is read with ``weights_only=True`` and refused if it holds anything else than tensors.

    Parameters
    ----------
    package : ModelPackage
        Where the weights lie.
    stage : Stage
        One of its stages.
    member : int
        Which network of the ensemble.

    Returns
    -------
    dict of str to Tensor
        As stored, usually float16; every value finite.

    Raises
    ------
    UntrustedModelError
        If the file would run code.
    ModelPackageError
        If it is missing, damaged, not weights, or holds NaN or infinite values.
    """
    name = _member(package, stage, member)
    verify_files(package.path, [name])
    path = file_inside(package.path, name)
    if path.suffix == ".safetensors":
        weights = _load_safetensors(path)
    else:
        weights = state_dict_in(read_checkpoint(path), path)
    check_finite(weights, path)
    return weights


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not numbers.

    Raises
    ------
    ModelPackageError
        If any value is NaN or infinite; the sentence names the tensor.
    """
    for key, value in weights.items():
        # a sum meets every value, and takes a hundredth of the time that isfinite takes on float16
        if value.is_floating_point() and not math.isfinite(float(value.float().sum())):
            raise ModelPackageError(f"{path} holds NaN or infinite values in {key}.", "The training went wrong.")


def _member(package: ModelPackage, stage: Stage, member: int) -> str:
    if not 0 <= member < len(stage.weights):
        raise ModelPackageError(
            f"The {stage.role} of {package.name} has no member {member}.", f"It has {len(stage.weights)}."
        )
    return stage.weights[member]


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelPackageError(f"{path} is not a safetensors file: {error}.") from error


def build_stage_network(package: ModelPackage, stage: Stage, member: int = 0, *, lean: bool = True) -> nn.Module:
    """Build the network of a stage with its weights.

    Parameters
    ----------
    package : ModelPackage
        Where the weights lie.
    stage : Stage
        One of its stages.
    member : int
        Which network of the ensemble.
    lean : bool
        Whether to spare the import of MONAI where the architecture has an equal without it.

    Returns
    -------
    torch.nn.Module
        On the CPU, float32, in evaluation mode, without gradients.

    Raises
    ------
    ModelPackageError
        If the weights cannot be loaded or do not fit the network; the sentence names what differs.
    """
    if stage.network == TORCHSCRIPT:
        name = _member(package, stage, member)
        verify_files(package.path, [name])
        program, kept = load_program(file_inside(package.path, name)), stage.arguments.get("kept")
        if not kept:
            return program
        from PancreasSegLib.networks.kept_channels import keep_channels

        return keep_channels(program, kept, stage.arguments.get("background", True))
    weights = load_weights(package, stage, member)
    path = package.path / stage.weights[member]
    try:
        return network_with(stage, weights, path, lean=lean)
    except NetworkError as error:
        raise ModelPackageError(f"The {stage.role} of {package.path}: {error.message}", error.hint) from error


def network_with(stage: Stage, weights: Mapping[str, Tensor], path: Path, *, lean: bool = True) -> nn.Module:
    """Build a stage's network and give it weights; see `build_stage_network`.

    Parameters
    ----------
    stage : Stage
        Network and arguments.
    weights : mapping of str to Tensor
        Its weights.
    path : Path
        Where they come from, for the errors.
    lean : bool
        As for `build_stage_network`.
    """
    _check_size(path, stage, weights)
    network = build_network(stage.network, lean=lean, **stage.arguments)
    expected = network.state_dict()
    _check_fit(path, expected, weights)
    full = {key: value.to(expected[key].dtype) for key, value in weights.items()}
    network.load_state_dict(full, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def _check_size(path: Path, stage: Stage, weights: Mapping[str, Tensor]) -> None:
    """Refuse a network far larger than its weights before memory is taken for it.

    A layer of n channels holds a kernel of n² weights or more. (Building on torch's ``meta`` device takes no
    memory either, but over a second to import what it needs.)
    """
    named = [stage.arguments.get(name, 0) for name in ("filters", "width", "hidden_size", "mlp_size", "options")]
    widest = max(_whole_numbers(named), default=0)
    largest = max((value.numel() for value in weights.values()), default=0)
    if widest**2 > _LARGEST_KERNEL * largest:
        raise ModelPackageError(f"{path} does not fit its network: it is too small for {widest} channels.")


def _whole_numbers(value: Any) -> Iterator[int]:
    """Yield the whole numbers in nested arguments."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _whole_numbers(item)
    elif isinstance(value, int):
        yield value


def _check_fit(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        what = f"lacks {missing[0]}" if missing else f"holds {extra[0]}, which the network lacks"
        raise ModelPackageError(
            f"{path} does not fit its network: it {what} ({len(missing)} missing, {len(extra)} too many)."
        )
    for key, value in expected.items():
        if value.shape != found[key].shape:
            shapes = f"{list(found[key].shape)}, not {list(value.shape)}"
            raise ModelPackageError(f"{path} does not fit its network: {key} has shape {shapes}.")
