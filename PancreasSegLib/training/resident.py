"""A case on the training device, with the places where patches may be centred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from PancreasSegLib.training.prepared import PreparedCase

_VOXELS_KEPT = 20_000  # foreground voxels remembered a class and case as possible centres


@dataclass(frozen=True, eq=False)
class ResidentCase:
    """A case on the training device with the places where patches may be centred (z, y, x).

    Attributes
    ----------
    image, label : Tensor of uint8, shape (z, y, x)
        On the training device; at least two slices.
    organ : ndarray of int32, shape (n, 3)
        Voxels of the organ.
    others : list of ndarray of int32, shape (n, 3)
        Voxels of each other label that is there.
    read : tuple of int, or None
        The classes that were read; None means all.
    """

    image: torch.Tensor
    label: torch.Tensor
    organ: NDArray[np.int32]
    others: list[NDArray[np.int32]]
    read: tuple[int, ...] | None

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.image.nbytes + self.label.nbytes + sum(p.nbytes for p in (self.organ, *self.others))


def resident_case(case: PreparedCase, organ: int, device: torch.device, seed: int) -> ResidentCase:
    """Bring a case onto the training device.

    Parameters
    ----------
    case : PreparedCase
        On the stage's grid.
    organ : int
        Class index of the organ.
    device : torch.device
        Where patches are made.
    seed : int
        Decides which voxels of a large organ are kept as possible centres.
    """
    rng = np.random.default_rng(seed)

    def places(index: int) -> NDArray[np.int32]:
        voxels = np.argwhere(case.label == index).astype(np.int32)
        return voxels[rng.permutation(len(voxels))[:_VOXELS_KEPT]]

    def resident(voxels: NDArray[np.uint8]) -> torch.Tensor:
        pair = voxels if len(voxels) > 1 else np.repeat(voxels, 2, axis=0)  # interpolation needs two slices
        return torch.from_numpy(np.ascontiguousarray(pair)).to(device)

    others = [places(int(index)) for index in np.unique(case.label) if index not in (0, organ)]
    return ResidentCase(resident(case.image), resident(case.label), places(organ), others, case.read)
