"""All architectures, and the functions that find and build them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.convolutional import CONVOLUTIONAL
from PancreasSegLib.networks.dilated import HIGHRESNET
from PancreasSegLib.networks.encoders import ENCODER_NETWORKS
from PancreasSegLib.networks.imported import IMPORTED
from PancreasSegLib.networks.mednext import MEDNEXT
from PancreasSegLib.networks.nnunet import NNUNETS
from PancreasSegLib.networks.presets import PRESETS as _PRESETS
from PancreasSegLib.networks.transformer import TRANSFORMERS

if TYPE_CHECKING:
    from torch import nn

NETWORKS: dict[str, Architecture] = {
    a.name: a for a in (*NNUNETS, *CONVOLUTIONAL, MEDNEXT, HIGHRESNET, *ENCODER_NETWORKS, *TRANSFORMERS)
}
"""The architectures by name."""

PRESETS: dict[str, Architecture] = {a.name: a for a in _PRESETS}
"""Published sizes of some of them by name; they can be used wherever an architecture can."""


def find_network(name: str) -> Architecture:
    """Find an architecture.

    Raises
    ------
    NetworkError
        If there is none of that name; the hint lists the names.
    """
    known = NETWORKS | PRESETS
    if name in known:
        return known[name]
    if name in IMPORTED:
        return IMPORTED[name]
    close = difflib.get_close_matches(str(name).lower().replace("_", "-"), known, 1)
    meant = f"Did you mean {close[0]}? " if close else ""
    raise NetworkError(f"There is no network {name!r}.", f"{meant}Choose one of {', '.join(known)}.")


def build_network(name: str, *, lean: bool = False, **arguments: Any) -> nn.Module:
    """Build a network by name, with fresh random weights.

    Parameters
    ----------
    name : str
        A key of `NETWORKS` or `PRESETS`.
    lean : bool
        Where there is one, build the equal network of plain torch layers (same state dict, same scores), which
        spares the import of MONAI, well over a second of a cold start.
    **arguments
        Of the architecture, see `describe`; axes in z, y, x order.

    Returns
    -------
    torch.nn.Module
        In training mode. ``network(x)`` is one tensor ``(n, out_channels, z, y, x)`` in evaluation mode, and a
        list of scores from fine to coarse in training mode.

    Raises
    ------
    NetworkError
        If the name or an argument is unknown, or the arguments do not fit together.
    MissingPackageError
        If the architecture needs a Python package that is not there.

    Examples
    --------
    >>> import torch
    >>> arguments = {"filters": [4, 8, 16, 16], "strides": [1, 2, 2, [1, 2, 2]], "deep_supervision": True}
    >>> network = build_network("dynunet", **arguments)
    >>> x = torch.zeros(1, 1, 8, 16, 16)
    >>> network.eval()(x).shape
    torch.Size([1, 2, 8, 16, 16])
    >>> [tuple(y.shape[2:]) for y in network.train()(x)]
    [(8, 16, 16), (4, 8, 8), (2, 4, 4)]
    """
    return find_network(name).build(arguments, lean)


def describe(name: str) -> dict[str, Any]:
    """Describe an architecture as plain JSON: summary, source, arguments with type, default and meaning.

    Raises
    ------
    NetworkError
        If there is no such architecture.
    """
    found = find_network(name)
    return {
        "name": found.name,
        "summary": found.summary,
        "source": found.source,
        "arguments": {
            a.name: {"type": a.kind, "meaning": a.meaning}
            | ({} if a.required else {"default": list(a.default) if isinstance(a.default, tuple) else a.default})
            for a in found.arguments.values()
        },
    }


def input_multiple(name: str, **arguments: Any) -> tuple[int, int, int]:
    """What the size of an input must be a multiple of.

    Parameters
    ----------
    name : str
        A key of `NETWORKS` or `PRESETS`.
    **arguments
        Those that the network is built with.

    Returns
    -------
    tuple of 3 int
        Along i, j and k (x, y, z), as `PancreasSegLib.models.Stage.multiple_ijk` holds it: the reverse of
        the order in the arguments. The last is 1 for a 2D network. Instance normalisation cannot work on a single
        voxel, so where the deepest level has it the input must be twice as long along at least one axis.

    Raises
    ------
    NetworkError
        As `build_network`.

    Examples
    --------
    >>> input_multiple("dynunet", filters=[4, 8, 16], strides=[1, 2, [1, 2, 2]])
    (4, 4, 2)
    """
    found = find_network(name)
    zyx = found.multiple(found.checked(arguments))
    return (zyx[-1], zyx[-2], zyx[0] if len(zyx) == 3 else 1)


def monai_definition(name: str, **arguments: Any) -> dict[str, Any] | None:
    """Write a network as an entry of a MONAI bundle's configuration.

    Parameters
    ----------
    name : str
        A key of `NETWORKS` or `PRESETS`.
    **arguments
        Those that the network is built with.

    Returns
    -------
    dict or None
        ``{"_target_": "DynUNet", ...}``, which MONAI builds without this library and which takes the same weights;
        None where MONAI has no class that gives the same scores.
    """
    found = find_network(name)
    checked = found.checked(arguments)
    target = found.monai(checked)
    if target is None:
        return None
    # scores of coarser levels serve training only
    return {"_target_": target, **checked} | ({"deep_supervision": False} if "deep_supervision" in checked else {})
