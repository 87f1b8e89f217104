"""Networks that only code can build: opened or traced as TorchScript, for a user who trusts their maker."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PancreasSegLib.errors import ModelPackageError

if TYPE_CHECKING:
    from torch import nn

_TOLERANCE = 1e-3


def opened_program(path: Path) -> nn.Module:
    """Open a TorchScript program that the user has just said to trust.

    Raises
    ------
    ModelPackageError
        If it is none.
    """
    import torch

    from PancreasSegLib.networks.torchscript import TorchScriptNetwork

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer versions of torch say that TorchScript is deprecated
            program = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ModelPackageError(f"{path} is not a TorchScript program: {reason}.") from error
    return TorchScriptNetwork(program).requires_grad_(False).eval()


def traced_program(network: nn.Module, patch: Sequence[int], work: Path) -> Path:
    """Trace a network that cannot be rebuilt from data, so that it can be run without the code that built it.

    Parameters
    ----------
    network : Module
        On the CPU, in evaluation mode.
    patch : sequence of int
        The size of all windows.
    work : Path
        Folder for the program.

    Raises
    ------
    ModelPackageError
        If it cannot be traced, or the trace gives other scores.
    """
    import torch

    path = work / "model.ts"
    example = torch.randn((1, 1, *patch), generator=torch.Generator().manual_seed(0))
    other = torch.randn((1, 1, *patch), generator=torch.Generator().manual_seed(1))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(network, example, check_trace=False)
            torch.jit.save(traced, str(path))
            difference = float((opened_program(path)(other) - network(other)).abs().max())
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ModelPackageError(f"The network cannot be traced: {reason}.") from error
    if not difference <= _TOLERANCE:
        raise ModelPackageError(f"The traced network differs from the original by {difference:.3g}.")
    return path
