"""A network that carries a reader's marks further than the weight-free evidence does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.inference.device import choose_device, choose_precision
from PancreasSegLib.inference.engine import Member, engine_of
from PancreasSegLib.inference.loading import able_to_run
from PancreasSegLib.inference.threads import default_threads
from PancreasSegLib.models import ModelPackage, find_package
from PancreasSegLib.refine.evidence import Evidence, Window
from PancreasSegLib.refine.propagation import WeightFree, WindowPropagation, smoothed, walked

_MOST = 1.0
"""Most that the network says, in log-odds: it sways what is open, and cannot silence a reader on an unknown CT."""


class NetworkPropagation(WindowPropagation):
    """Adds a network's score to the weight-free evidence, and smooths what comes out up to HU edges.

    Trained on the masks of one model, it works on masks of any origin; it sees the CT, the mask, a probability
    where there is one, and the marks. Use `load`.

    Parameters
    ----------
    member : Member
        The network, on its device; it gives one score a voxel.
    channels : int
        Images that it takes: 11, of an earlier model the first 9.
    """

    inertia = 0.15

    def __init__(self, member: Member, channels: int) -> None:
        self._member, self._channels = member, channels

    @classmethod
    def load(cls, model: str | Path | ModelPackage = "default", device: str = "cpu") -> NetworkPropagation | None:
        """Load the refiner of a model package; None if it has none.

        Raises
        ------
        ModelPackageError
            If the package is missing or damaged.
        DeviceError
            If the device is not there.
        """
        package = model if isinstance(model, ModelPackage) else find_package(model)
        if package.refiner is None:
            return None
        place = able_to_run(package, (package.refiner,), choose_device(device))
        member = engine_of(place.engine).load(
            package, package.refiner, 0, place, choose_precision(place), threads=default_threads()
        )
        return cls(member, package.refiner.in_channels)

    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window; see `WindowPropagation`."""
        evidence = Evidence.of(window)
        total = self.scores(evidence.images) + evidence.score
        found = (1 / (1 + np.exp(-total))).astype(np.float32)
        if window.whole_slice:  # each errs where the other does not
            return 0.5 * (found + walked(window))
        return smoothed(window, found, weight=0.3)

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network says, in log-odds, shape (z, y, x), of images (11, z, y, x)."""
        found = self._member.run(np.ascontiguousarray(images[None, : self._channels]), None, lambda share: None)
        return np.clip(found[0, 0], -_MOST, _MOST)


def propagation_of(model: str | Path = "default", device: str = "cpu") -> WindowPropagation:
    """Return the best method for correcting a mask: the model's refiner, else the default's, else the weight-free.

    Parameters
    ----------
    model : str or Path
        Name of an installed model, or the folder of one.
    device : str
        As for `Segmenter.load`.

    Raises
    ------
    ModelPackageError
        If the package is missing or damaged.
    """
    own = NetworkPropagation.load(model, device)
    return own or NetworkPropagation.load("default", device) or WeightFree()
