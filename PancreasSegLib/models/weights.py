"""Weights as data: loaded without running anything, checked against their sum and their network."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, NetworkError, UntrustedModelError
from PancreasSegLib.models.checksums import file_inside, verify_files
from PancreasSegLib.models.package import ModelPackage, Stage
from PancreasSegLib.networks import build_network

if TYPE_CHECKING:
    from torch import Tensor, nn

_SAFE_TORCH = (2, 6)
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
    if not 0 <= member < len(stage.weights):
        raise ModelPackageError(
            f"The {stage.role} of {package.name} has no member {member}.", f"It has {len(stage.weights)}."
        )
    name = stage.weights[member]
    verify_files(package.path, [name])
    path = file_inside(package.path, name)
    weights = _load_safetensors(path) if path.suffix == ".safetensors" else _load_checkpoint(path)
    for key, value in weights.items():
        # a sum meets every value, and takes a hundredth of the time that isfinite takes on float16
        if value.is_floating_point() and not math.isfinite(float(value.float().sum())):
            raise ModelPackageError(f"{path} holds NaN or infinite values in {key}.", "The training went wrong.")
    return weights


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelPackageError(f"{path} is not a safetensors file: {error}.") from error


def _load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Load a state dict from a ``.pt`` file, bare or under ``state_dict``, ``model`` or ``network``."""
    import torch

    if tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2]) < _SAFE_TORCH:
        # CVE-2025-32434: before torch 2.6 a crafted file runs code in spite of weights_only=True
        raise UntrustedModelError(
            f"{path} is a pickle, and torch {torch.__version__} can be tricked into running code by one.",
            "Update torch to 2.6 or later, or use a package with safetensors.",
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UntrustedModelError(
            f"{path} holds more than tensors and would run code when loaded.",
            "Ask its maker for safetensors, or for a file with the state dict alone.",
        ) from error
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise UntrustedModelError(
                f"{path} is a TorchScript program, which runs code.", "Ask its maker for safetensors."
            ) from error
        raise ModelPackageError(f"{path} is not a torch checkpoint: {str(error).splitlines()[0]}.") from error
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelPackageError(f"{path} is not a torch checkpoint: {str(error).splitlines()[0]}.") from error
    for key in ("state_dict", "model", "network"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(_is_weight(k, v) for k, v in content.items()):
        raise ModelPackageError(f"{path} holds no state dict: names with a tensor each.")
    return content


def _is_weight(key: Any, value: Any) -> bool:
    import torch

    return isinstance(key, str) and isinstance(value, torch.Tensor)


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
    weights = load_weights(package, stage, member)
    path = package.path / stage.weights[member]
    _check_size(path, stage, weights)
    try:
        network = build_network(stage.network, lean=lean, **stage.arguments)
    except NetworkError as error:
        raise ModelPackageError(f"The {stage.role} of {package.path}: {error.message}", error.hint) from error
    expected = network.state_dict()
    _check_fit(path, expected, weights)
    full = {key: value.to(expected[key].dtype) for key, value in weights.items()}
    network.load_state_dict(full, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def _check_size(path: Path, stage: Stage, weights: dict[str, Tensor]) -> None:
    """Refuse a network far larger than its weights before memory is taken for it.

    A layer of n channels holds a kernel of n² weights or more. (Building on torch's ``meta`` device takes no
    memory either, but over a second to import what it needs.)
    """
    widths = [stage.arguments.get(name, 0) for name in ("filters", "width", "hidden_size", "mlp_size")]
    widest = max(max(width) if isinstance(width, (list, tuple)) else width for width in widths)
    largest = max((value.numel() for value in weights.values()), default=0)
    if widest**2 > _LARGEST_KERNEL * largest:
        raise ModelPackageError(f"{path} does not fit its network: it is too small for {widest} channels.")


def _check_fit(path: Path, expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
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
