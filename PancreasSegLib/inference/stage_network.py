"""A stage's networks on a device: images in, class probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.cost import NetworkCost
from PancreasSegLib.inference.device import Device, Precision
from PancreasSegLib.inference.engine.protocol import Member
from PancreasSegLib.models import Stage
from PancreasSegLib.models.axes import NetworkAxes


class StageNetwork:
    """The members of a stage's ensemble, loaded once and used for many images.

    Parameters
    ----------
    stage : Stage
        What the networks were trained on.
    members : sequence of Member
        One or more networks; their probabilities are averaged.
    device : Device
        Where they are.
    precision : Precision
        Of the activations.
    """

    def __init__(self, stage: Stage, members: Sequence[Member], device: Device, precision: Precision) -> None:
        self.stage = stage
        self.device, self.precision = device, precision
        self.axes = NetworkAxes(stage.axes)
        self.members = tuple(members)
        self._home = (device, precision)

    @property
    def cost(self) -> NetworkCost:
        """Cost of one member."""
        return self.members[0].cost

    def go_home(self) -> None:
        """Return to the device the networks were loaded for, after a fall-back to another."""
        if (self.device, self.precision) != self._home:
            self.move(*self._home)

    def move(self, device: Device, precision: Precision) -> None:
        """Move the networks to another device and precision."""
        for member in self.members:
            member.move(device, precision)
        self.device, self.precision = device, precision

    def release(self) -> None:
        """Give back the memory of the activations."""
        for member in self.members:
            member.release()

    def run(
        self, number: int, image: NDArray[np.float32], keep: Sequence[int], on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """Run one image through one member; a 2D network takes its slices as one batch.

        Parameters
        ----------
        number : int
            Which member.
        image : ndarray of float32, shape (c, z, y, x)
            Normalised input; its sizes are multiples of the stage's.
        keep : sequence of int
            Output channels to return.
        on_work : callable
            Called with the share of the work done, several times a second; it may raise to stop the run.

        Returns
        -------
        ndarray of float32, shape (len(keep), z, y, x)
            Probabilities by the stage's activation.
        """
        seen = self.axes.apply(image)
        batch = seen[None] if self.stage.spatial_dims == 3 else seen.swapaxes(0, 1)  # slices, channels, y, x
        member, batch = self.members[number], np.ascontiguousarray(batch)
        if self.stage.gives_scores:
            found = _probabilities(member.run(batch, None, on_work), self.stage)[:, list(keep)]
        else:
            found = member.run(batch, keep, on_work)
        volume = found[0] if self.stage.spatial_dims == 3 else found.swapaxes(0, 1)
        result: NDArray[np.float32] = np.ascontiguousarray(self.axes.invert(volume))
        return result

    def probabilities(
        self, image: NDArray[np.float32], keep: Sequence[int], on_work: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """Run one image through all members, one after the other, and average; see `run`."""
        count = len(self.members)
        parts = [
            self.run(n, image, keep, lambda share, n=n: on_work((n + share) / count))  # type: ignore[misc]
            for n in range(count)
        ]
        on_work(1.0)
        return average(parts)


def _probabilities(scores: NDArray[np.float32], stage: Stage) -> NDArray[np.float32]:
    """Return the probabilities (n, 1 + labels, ...) of an imported network, before them the likeliest rest."""
    if stage.activation == "sigmoid":
        labels = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
        return np.concatenate([1 - labels.max(axis=1, keepdims=True), labels], axis=1)
    last = 1 + max(stage.labels.values())
    found = np.exp(scores - scores.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    found[:, 0] = np.maximum(found[:, 0], found[:, last:].max(axis=1, initial=0.0))
    return found[:, :last]


def average(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of the members' probabilities, added in their order, in place of the first."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    total /= len(parts)
    return total
