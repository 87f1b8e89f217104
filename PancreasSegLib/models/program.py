"""TorchScript programs of packages: code, which is loaded only where the user has agreed to it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.models.checksums import sha256
from PancreasSegLib.models.trust import is_trusted

if TYPE_CHECKING:
    from torch import nn


def load_program(path: Path) -> nn.Module:
    """Load a TorchScript program that the user trusts.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UntrustedModelError
        If the user has not agreed to run it.
    ModelPackageError
        If it is no TorchScript program.
    """
    if not is_trusted(sha256(path)):
        raise UntrustedModelError(
            f"{path} is a TorchScript program: it is code, and you have not agreed to run it.",
            "If you trust its maker: `pancreasseg models import FOLDER --trust`.",
        )
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
