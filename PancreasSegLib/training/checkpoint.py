"""Checkpoints that survive a kill at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.io.atomic import atomic_path


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
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise RecipeError(
            f"The checkpoint {path} cannot be read ({type(error).__name__}).", "Delete it to start the stage anew."
        ) from error
