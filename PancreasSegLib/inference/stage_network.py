"""A stage's networks on a device: images in, class probabilities out."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from PancreasSegLib.inference.cost import USUAL_COST, NetworkCost, leaf_modules, measure_cost
from PancreasSegLib.inference.device import Precision
from PancreasSegLib.inference.stage_grid import takes_one_size
from PancreasSegLib.models import Stage
from PancreasSegLib.models.axes import NetworkAxes
from PancreasSegLib.networks.imported import TORCHSCRIPT
from PancreasSegLib.networks.instance_norm import keep_channels_last


class StageNetwork:
    """The members of a stage's ensemble, loaded once and used for many images.

    Parameters
    ----------
    stage : Stage
        What the networks were trained on.
    networks : sequence of Module
        One or more members; their probabilities are averaged.
    device : device
        Where to run.
    precision : Precision
        Of the activations.
    """

    def __init__(
        self, stage: Stage, networks: Sequence[nn.Module], device: torch.device, precision: Precision
    ) -> None:
        self.stage = stage
        self.device, self.precision = torch.device("cpu"), precision
        self.in_channels = 2 if stage.hu_mask == "channel" else 1
        self.axes = NetworkAxes(stage.axes)
        self._networks = [keep_channels_last(network).eval() for network in networks]
        self._cost: NetworkCost | None = None
        self._home = (device, precision)
        self.go_home()

    @property
    def cost(self) -> NetworkCost:
        """Cost of one member, counted on first use by a small pass on the CPU."""
        if self.stage.network == TORCHSCRIPT:
            return USUAL_COST  # its layers cannot be seen from outside
        if self._cost is None:
            device, precision = self.device, self.precision
            self.move(torch.device("cpu"), precision)
            x, y, z = self._probe_ijk()
            shape = self.axes.of_zyx((z, y, x))
            self._cost = measure_cost(self._networks[0], self.in_channels, shape[3 - self.stage.spatial_dims :])
            self.move(device, precision)
        return self._cost

    def _probe_ijk(self) -> tuple[int, int, int]:
        """Size of the smallest image that has more than one voxel at the deepest level."""
        if takes_one_size(self.stage):
            return self.stage.patch_ijk
        x, y, z = self.stage.multiple_ijk
        return 2 * x, 2 * y, z

    def changed(self, change: Callable[[nn.Module], None]) -> StageNetwork:
        """Return the stage with a copy of each member that a function has changed; these stay as they are."""
        copies = []
        for network in self._networks:
            copies.append(copy.deepcopy(network))
            change(copies[-1])
        other = StageNetwork(self.stage, copies, *self._home)
        other._cost = self._cost
        return other

    @property
    def members(self) -> int:
        """Networks whose probabilities are averaged."""
        return len(self._networks)

    def go_home(self) -> None:
        """Return to the device the networks were loaded for, after a fall-back to another."""
        self.move(*self._home)

    def move(self, device: torch.device, precision: Precision) -> None:
        """Move the networks to another device and precision."""
        layout = self._layout(precision)
        for network in self._networks:
            network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        self.device, self.precision = device, precision

    def _layout(self, precision: Precision) -> torch.memory_format:
        if not precision.channels_last:
            return torch.contiguous_format
        return torch.channels_last_3d if self.stage.spatial_dims == 3 else torch.channels_last

    @torch.inference_mode()
    def probabilities(
        self, image: NDArray[np.float32], keep: Sequence[int], on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """Run one image through all members; a 2D network takes its slices as one batch.

        Parameters
        ----------
        image : ndarray of float32, shape (c, z, y, x)
            Normalised input; its sizes are multiples of the stage's.
        keep : sequence of int
            Output channels to return.
        on_work : callable
            Called with the share of the work done before every layer; it may raise to stop the run.

        Returns
        -------
        ndarray of float32, shape (len(keep), z, y, x)
            Probabilities by the stage's activation, averaged over the members.
        """
        seen = np.ascontiguousarray(self.axes.apply(image))
        whole = torch.from_numpy(seen).to(self.device)
        batch = whole[None] if self.stage.spatial_dims == 3 else whole.transpose(0, 1)  # slices, channels, y, x
        x = batch.contiguous(memory_format=self._layout(self.precision))
        total: torch.Tensor | None = None
        for number, network in enumerate(self._networks):
            with _watched(network, self.cost.shares, number, self.members, on_work), self._autocast():
                scores = network(x)
            part = self._activated(scores.float() / self.stage.temperature)[:, list(keep)]
            total = part if total is None else total.add_(part)
        assert total is not None
        on_work(1.0)
        average = (total / self.members).cpu()
        volume = average[0] if self.stage.spatial_dims == 3 else average.transpose(0, 1)
        found = self.axes.invert(volume.numpy())
        result: NDArray[np.float32] = np.ascontiguousarray(found)
        return result

    def _activated(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (n, classes, ...) of scores (n, channels, ...), the background first."""
        if self.stage.activation == "softmax":
            return torch.softmax(scores, dim=1)
        labels = torch.sigmoid(scores)
        return torch.cat([1 - labels.amax(dim=1, keepdim=True), labels], dim=1)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision.name == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision.dtype)


@contextmanager
def _watched(
    network: nn.Module, shares: Sequence[float], number: int, members: int, on_work: Callable[[float], None]
) -> Iterator[None]:
    """Call `on_work` before every layer, so that a pass of seconds shows progress and can be cancelled."""
    calls = 0

    def before(module: nn.Module, inputs: Any) -> None:
        nonlocal calls
        share = shares[calls] if calls < len(shares) else 1.0
        calls += 1
        on_work((number + share) / members)

    hooks = [leaf.register_forward_pre_hook(before) for leaf in leaf_modules(network)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
