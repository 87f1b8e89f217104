"""The network of a stage: the arguments that follow from the recipe, and the weights that it begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from PancreasSegLib.errors import RecipeError
from PancreasSegLib.training.recipe import StageRecipe


def stage_arguments(stage: StageRecipe, labels: int) -> dict[str, Any]:
    """Return the network's arguments with the channels that follow from the recipe."""
    channels = 2 if stage.hu_mask == "channel" else 1
    return {**stage.arguments, "in_channels": channels, "out_channels": labels + 1}


def start_from(path: Path, network: nn.Module) -> None:
    """Let a network begin with the weights of another of the same architecture.

    Raises
    ------
    RecipeError
        If the file cannot be read or does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RecipeError(
            f"initial_weights: {path} cannot start this network ({str(error).splitlines()[0]}).",
            "Give the network.safetensors of a run of the same architecture.",
        ) from error
