"""Counts what a network of PyTorch costs, by a small pass through it."""

from __future__ import annotations

import logging
import math
import weakref
from typing import Any

import torch
from torch import nn

from PancreasSegLib.inference.cost import USUAL_COST, NetworkCost

_log = logging.getLogger(__name__)

_FLOP_PER_VALUE = 10.0  # memory traffic in terms of operations, for the shares of the work


def measure_cost(network: nn.Module, in_channels: int, shape_zyx: tuple[int, ...]) -> NetworkCost:
    """Count one small pass on the CPU, layer by layer.

    Parameters
    ----------
    network : Module
        On the CPU, in evaluation mode; it is not changed.
    in_channels : int
        Channels of the input.
    shape_zyx : tuple of int
        A small shape that the network accepts: (z, y, x), or (y, x) in 2D.

    Returns
    -------
    NetworkCost
        Of a usual U-Net if the network fails on that shape.
    """
    counter = _Counter()
    hooks = []
    for leaf in leaf_modules(network):
        hooks.append(leaf.register_forward_pre_hook(counter.before))
        hooks.append(leaf.register_forward_hook(counter.after))
    try:
        with torch.no_grad():
            network(torch.zeros((1, in_channels, *shape_zyx)))
    except (RuntimeError, ValueError) as error:  # a network that wants another size: the forecast is then rougher
        _log.debug("the cost of %s cannot be counted: %s", type(network).__name__, error)
        return USUAL_COST
    finally:
        for hook in hooks:
            hook.remove()
    voxels = float(math.prod(shape_zyx))
    work = counter.work()
    return NetworkCost(
        counter.flop / voxels / 1e3,
        counter.values / voxels,
        counter.peak / voxels,
        counter.largest / voxels / 1e3,
        tuple(mark / work for mark in counter.marks) if work > 0 else (),
    )


def leaf_modules(network: nn.Module) -> list[nn.Module]:
    """Return the layers without layers of their own, each once."""
    return [module for module in network.modules() if next(module.children(), None) is None]


class _Counter:
    """Counts operations, numbers written and numbers alive, as hooks around the leaf layers."""

    def __init__(self) -> None:
        self.flop = self.values = self.alive = self.peak = self.largest = 0.0
        self.marks: list[float] = []
        self._known: set[int] = set()

    def work(self) -> float:
        """Work so far."""
        return self.flop + _FLOP_PER_VALUE * self.values

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note the inputs: those not seen yet were made between the layers, by joining or adding."""
        for tensor in inputs:
            self._written(tensor)
        self.marks.append(self.work())

    def after(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Note the output and the operations that made it."""
        self._written(output)
        flop = _flop(module, inputs[0], output) if inputs and isinstance(output, torch.Tensor) else 0.0
        self.flop += flop
        self.largest = max(self.largest, flop)

    def _written(self, tensor: Any) -> None:
        if not isinstance(tensor, torch.Tensor):
            return
        storage = tensor.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes() / tensor.element_size()
        if key in self._known:
            return  # a view, or written in place
        self._known.add(key)
        self.values += size
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: float) -> None:
        self._known.discard(key)
        self.alive -= size


def _flop(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Operations of a layer; only those that multiply matrices count."""
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return 2.0 * x.numel() * module.weight[0].numel()
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        return 2.0 * y.numel() * module.weight[0].numel()
    return 0.0
