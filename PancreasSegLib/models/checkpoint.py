"""Torch checkpoints, which are pickles, read as data: tensors and plain values, never code."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError

if TYPE_CHECKING:
    from torch import Tensor

_SAFE_TORCH = (2, 6)
_STATE_KEYS = ("state_dict", "model", "network", "network_weights", "model_state_dict")


def read_checkpoint(path: Path, allowed: Sequence[Any] = ()) -> Any:
    """Read a ``.pt`` or ``.pth`` file with ``weights_only=True``.

    Parameters
    ----------
    path : Path
        The file.
    allowed : sequence
        Harmless classes and functions that the pickle may name besides torch's own, as
        `torch.serialization.safe_globals` takes them.

    Raises
    ------
    UntrustedModelError
        If it would run code, is a TorchScript program, or this torch can be tricked into running code.
    ModelPackageError
        If it is no checkpoint.
    """
    import torch

    if tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2]) < _SAFE_TORCH:
        # CVE-2025-32434: before torch 2.6 a crafted file runs code in spite of weights_only=True
        raise UntrustedModelError(
            f"{path} is a pickle, and torch {torch.__version__} can be tricked into running code by one.",
            "Update torch to 2.6 or later, or use a package with safetensors.",
        )
    try:
        with torch.serialization.safe_globals(list(allowed)) if allowed else nullcontext():
            return torch.load(path, map_location="cpu", weights_only=True)
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
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelPackageError(f"{path} is not a torch checkpoint: {reason}.") from error


def state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the state dict in a checkpoint: bare, or under ``state_dict``, ``model``, ``network`` or the like.

    Raises
    ------
    ModelPackageError
        If there is none.
    """
    for key in _STATE_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(_is_weight(k, v) for k, v in content.items()):
        raise ModelPackageError(f"{path} holds no state dict: names with a tensor each.")
    return content


def _is_weight(key: Any, value: Any) -> bool:
    import torch

    return isinstance(key, str) and isinstance(value, torch.Tensor)


def harmless_globals() -> list[Any]:
    """What checkpoints hold besides tensors: numpy's numbers in the training log. None of it is code."""
    import _codecs

    import numpy as np

    scalar, reconstruct = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool")]
    both_names = [
        (function, f"numpy.{core}.multiarray.{name}")  # as numpy 1 and numpy 2 write them
        for core in ("core", "_core")
        for function, name in ((scalar, "scalar"), (reconstruct, "_reconstruct"))
    ]
    return [*both_names, np.dtype, np.ndarray, *kinds, _codecs.encode]
