"""The same result each time: which algorithms are allowed, and what the draws of a step depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from PancreasSegLib.errors import RecipeError


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Let what a network draws in a step (dropout) depend on seed, step and process alone, so that runs resume."""
    torch.manual_seed((seed * 1_000_003 + step) * 257 + rank)


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Allow only algorithms that give the same result each time on the same machine, and put all back after.

    Raises
    ------
    RecipeError
        If an operation of the network has no such algorithm on the device.
    """
    if not wanted:
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise RecipeError(
            f"deterministic: the device has no such algorithm for this network ({str(error).splitlines()[0]})",
            "Set deterministic=false, choose another network, or device=cpu.",
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before[1:]
