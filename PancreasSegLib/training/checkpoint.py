"""Checkpoints that survive a kill at any moment, and that nothing but data is read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.io.atomic import atomic_path

_HINT = "Delete it to start the network anew."


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` whole: the old file stays until the new one is on the disk.

    Parameters
    ----------
    path : Path
        Target file.
    state : dict
        Tensors, numbers, strings and containers of them, so that ``weights_only`` can read it back.
    """
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint as data only.

    Raises
    ------
    RecipeError
        If the file cannot be read as a checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise RecipeError(f"The checkpoint {path} cannot be read ({type(error).__name__}).", _HINT) from error
    if not isinstance(state, dict):
        raise RecipeError(f"The checkpoint {path} holds no state of a training.", _HINT)
    return state


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a state is taken over into a sentence.

    Raises
    ------
    RecipeError
        If the checkpoint lacks something, or belongs to another network or optimiser.
    """
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecipeError(
            f"The checkpoint {path} does not fit this recipe ({reason}).",
            f"It may be of another network or optimiser: choose another name. {_HINT}",
        ) from error
