"""A network that carries a reader's marks further than the weight-free evidence does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from PancreasSegLib.inference.device import choose_device, choose_precision
from PancreasSegLib.models import ModelPackage, build_stage_network, find_package
from PancreasSegLib.networks.instance_norm import keep_channels_last
from PancreasSegLib.refine.evidence import Evidence, Window
from PancreasSegLib.refine.propagation import WeightFree, WindowPropagation, smoothed, walked

_MOST = 1.0
"""Most that the network says, in log-odds: it sways what is open, and cannot silence a reader on an unknown CT."""


class NetworkPropagation(WindowPropagation):
    """Adds a network's score to the weight-free evidence, and smooths what comes out up to HU edges.

    Trained on the masks of one model, it works on masks of any origin; it sees the CT, the mask, a probability
    where there is one, and the marks. Use :meth:`load`.

    Parameters
    ----------
    network : Module
        Takes images (n, 11, z, y, x), of an earlier model the first 9, and gives one score a voxel.
    device : str
        As for :meth:`Segmenter.load`.
    precision : str
        ``auto``, ``fp32``, ``bf16`` or ``fp16``.
    """

    inertia = 0.15

    def __init__(self, network: nn.Module, device: str = "cpu", precision: str = "auto") -> None:
        self.device = choose_device(device)
        self.precision = choose_precision(self.device, precision)
        layout = torch.channels_last_3d if self.precision.channels_last else torch.contiguous_format
        network = keep_channels_last(network).eval()
        self._network = network.to(device=self.device, memory_format=layout)  # type: ignore[call-overload]
        self._layout = layout
        self._channels = next(m for m in network.modules() if isinstance(m, nn.Conv3d)).in_channels

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
        return cls(build_stage_network(package, package.refiner), device)

    def corrected(self, window: Window) -> NDArray[np.float32]:
        """Return the probability of the organ inside a window; see :class:`WindowPropagation`."""
        evidence = Evidence.of(window)
        total = self.scores(evidence.images) + evidence.score
        found = (1 / (1 + np.exp(-total))).astype(np.float32)
        if window.whole_slice:  # each errs where the other does not
            return 0.5 * (found + walked(window, evidence.smooth_hu))
        return smoothed(window, found, evidence.smooth_hu, weight=0.3)

    @torch.inference_mode()
    def scores(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network says, in log-odds, shape (z, y, x), of images (11, z, y, x)."""
        taken = torch.from_numpy(images[: self._channels])[None].to(self.device)
        taken = taken.contiguous(memory_format=self._layout)
        with torch.autocast(self.device.type, self.precision.dtype, enabled=self.precision.name != "fp32"):
            scores = self._network(taken)
        if scores.shape[2:] != taken.shape[2:]:
            scores = F.interpolate(scores.float(), size=taken.shape[2:], mode="trilinear")
        return np.asarray(scores[0, 0].float().clamp(-_MOST, _MOST).cpu().numpy())


def propagation_of(model: str | Path = "default", device: str = "cpu") -> WindowPropagation:
    """Return the best method for correcting a mask: the model's refiner, else the default's, else the weight-free.

    Parameters
    ----------
    model : str or Path
        Name of an installed model, or the folder of one.
    device : str
        As for :meth:`Segmenter.load`.

    Raises
    ------
    ModelPackageError
        If the package is missing or damaged.
    """
    own = NetworkPropagation.load(model, device)
    return own or NetworkPropagation.load("default", device) or WeightFree()
