"""Checkpoints that survive a kill at any moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from PancreasSegLib.errors import RecipeError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` beside `path`, flush it to the disk, then rename: the old file stays whole until the new one is.

    Parameters
    ----------
    path : Path
        Target file.
    state : dict
        Tensors, numbers, strings and containers of them, so that ``weights_only`` can read it back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


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
