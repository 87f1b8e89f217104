"""All architectures, and the functions that find and build them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.architecture import Architecture
from PancreasSegLib.networks.convolutional import CONVOLUTIONAL

if TYPE_CHECKING:
    from torch import nn

NETWORKS: dict[str, Architecture] = {a.name: a for a in (*CONVOLUTIONAL,)}


def architecture(name: str) -> Architecture:
    """Find an architecture.

    Raises
    ------
    NetworkError
        If there is none of that name; the sentence lists the names.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    close = difflib.get_close_matches(str(name).lower(), NETWORKS, 1)
    meant = f"Did you mean {close[0]}? " if close else ""
    raise NetworkError(f"There is no network {name!r}.", f"{meant}Choose one of {', '.join(NETWORKS)}.")


def build_network(name: str, *, lean: bool = False, **arguments: Any) -> nn.Module:
    """Build a network by name, with fresh random weights.

    Parameters
    ----------
    name : str
        A key of :data:`NETWORKS`.
    lean : bool
        Where there is one, build the equal network of plain torch layers (same state dict, same scores), which
        spares the import of MONAI, well over a second of a cold start.
    **arguments
        Of the architecture, see :func:`describe`; axes in z, y, x order.

    Returns
    -------
    torch.nn.Module
        In training mode. ``network(x)`` is one tensor ``(n, out_channels, z, y, x)`` in evaluation mode, and a
        list of scores from fine to coarse in training mode.

    Raises
    ------
    NetworkError
        If the name or an argument is unknown, or the arguments do not fit together.

    Examples
    --------
    >>> import torch
    >>> network = build_network("dynunet", out_channels=2, filters=[4, 8, 16], strides=[1, 2, [1, 2, 2]])
    >>> x = torch.zeros(1, 1, 8, 16, 16)
    >>> network.eval()(x).shape
    torch.Size([1, 2, 8, 16, 16])
    >>> [tuple(y.shape[2:]) for y in network.train()(x)]
    [(8, 16, 16)]
    """
    found = architecture(name)
    complete = found.complete(arguments)
    try:
        return (found.lean if lean and found.lean else found.build)(**complete)
    except (ValueError, TypeError, AssertionError, KeyError, IndexError, RuntimeError) as error:
        raise NetworkError(
            f"The network {name} cannot be built from these arguments: {error}.",
            "Compare them with `pancreasseg networks " + name + "`.",
        ) from error


def describe(name: str) -> dict[str, Any]:
    """Describe an architecture as plain JSON: summary, source, arguments with type, default and meaning.

    Raises
    ------
    NetworkError
        If there is no such architecture.
    """
    found = architecture(name)
    return {
        "name": found.name,
        "summary": found.summary,
        "source": found.source,
        "arguments": {
            a.name: {"type": a.kind, "meaning": a.meaning} | ({} if a.required else {"default": a.default})
            for a in found.arguments.values()
        },
    }


def input_multiple(name: str, **arguments: Any) -> tuple[int, int, int]:
    """What the size of an input must be a multiple of.

    Parameters
    ----------
    name : str
        A key of :data:`NETWORKS`.
    **arguments
        Those that the network is built with.

    Returns
    -------
    tuple of 3 int
        Along i, j and k: x, y, z, as :attr:`Stage.multiple_ijk` holds it; the reverse of the order in the
        arguments.

    Raises
    ------
    NetworkError
        As :func:`build_network`.

    Examples
    --------
    >>> input_multiple("dynunet", filters=[4, 8, 16], strides=[1, 2, [1, 2, 2]])
    (4, 4, 2)
    """
    found = architecture(name)
    zyx = found.multiple(found.complete(arguments))
    return (zyx[-1], zyx[-2], zyx[0] if len(zyx) == 3 else 1)
