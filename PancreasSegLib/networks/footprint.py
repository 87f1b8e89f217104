"""What a network takes before it is trained: parameters, operations, memory. Nothing is computed.

The network is built on torch's ``meta`` device, where tensors have shapes and no content: a pass takes a second at
most, and no memory, whatever the size of the network and of the image.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from PancreasSegLib.errors import NetworkError
from PancreasSegLib.networks.outputs import training_outputs
from PancreasSegLib.networks.registry import build_network, find_network, input_multiple
from PancreasSegLib.networks.transformer import TOKEN

_MB = 1 << 20
_OPTIMISER_COPIES = 2
"""Adam's two moments of every weight."""


@dataclass(frozen=True)
class Footprint:
    """Cost of a network at one size of its input, in 32-bit numbers.

    Attributes
    ----------
    size_ijk : tuple of 3 int
        The input (x, y, z); z is 1 for a 2D network.
    batch : int
        Images at a time.
    parameters : int
        Weights that are learnt.
    gflops : float
        10^9 operations of one forward pass, a multiplication and its addition counted as two.
    inference_mb : float
        Weights and the most activations that are alive at once in a forward pass.
    training_mb : float
        Weights, their gradients and moments (Adam), and the most activations alive in a forward and backward pass;
        nearly half of the activations in 16 bits. Work space of the convolution library comes on top.
    """

    size_ijk: tuple[int, int, int]
    batch: int
    parameters: int
    gflops: float
    inference_mb: float
    training_mb: float


def network_footprint(
    name: str, arguments: dict[str, Any], size_ijk: tuple[int, int, int], *, batch: int = 1, training: bool = True
) -> Footprint:
    """Count what a network takes.

    Parameters
    ----------
    name : str
        A key of `PancreasSegLib.networks.NETWORKS` or one of its presets.
    arguments : dict
        Those that it is built with.
    size_ijk : tuple of 3 int
        Size of the input (x, y, z), rounded up to what the network accepts; z counts only in 3D. A network that
        is built for one size (``image_size``) is built for this one, unless the arguments say another.
    batch : int
        Images at a time.
    training : bool
        Whether to count the backward pass too, which takes most of the time; 0 MB otherwise.

    Raises
    ------
    NetworkError
        If name or arguments are wrong.
    MissingPackageError
        If the network needs a Python package that is not there.

    Examples
    --------
    >>> found = network_footprint("unet", {"filters": [4, 8], "strides": [1, 2]}, (32, 32, 32))
    >>> found.parameters, round(found.gflops, 3)
    (1875, 0.055)
    """
    known = find_network(name).arguments
    dims = arguments.get("spatial_dims", known["spatial_dims"].default)
    if "image_size" in known and "image_size" not in arguments:
        zyx = [-(-n // TOKEN) * TOKEN for n in size_ijk[::-1]]
        arguments = {**arguments, "image_size": zyx[-dims:]}
    multiple = input_multiple(name, **arguments)
    size = [-(-n // m) * m for n, m in zip(size_ijk, multiple, strict=True)]
    if dims == 2:
        size[2] = 1
    network = _empty_network(name, arguments)
    x = torch.empty((batch, arguments.get("in_channels", 1), *size[dims - 1 :: -1]), device="meta")
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    weights += sum(b.numel() * b.element_size() for b in network.buffers())
    network.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), _AliveMemory() as alive, counter:
        scores = network(x)
    del scores
    inference = alive.peak
    trained = 0
    if training:
        network.train()
        with _AliveMemory() as alive:
            torch.stack([y.mean() for y in training_outputs(network(x))]).sum().backward()
        trained = alive.peak + (1 + _OPTIMISER_COPIES) * weights
    return Footprint(
        (size[0], size[1], size[2]),
        batch,
        sum(p.numel() for p in network.parameters() if p.requires_grad),
        counter.get_total_flops() / 1e9,
        (inference + weights) / _MB,
        trained / _MB,
    )


def _empty_network(name: str, arguments: dict[str, Any]) -> torch.nn.Module:
    try:
        with torch.device("meta"):
            return build_network(name, **arguments)
    except NetworkError:  # some look at their own numbers while they are built
        return build_network(name, **arguments).to("meta")


class _AliveMemory(TorchDispatchMode):
    """Follows the bytes of all tensors made while it is active, and their highest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                self._made(leaf.untyped_storage())
        return output

    def _made(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return  # a view, or written in place
        self._known.add(key)
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._freed, key, storage.nbytes())

    def _freed(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.alive -= size
