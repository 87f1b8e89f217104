"""How a mark is carried beyond the voxels it covers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.mark import EXCLUDED, INCLUDED
from PancreasSegLib.volume import Box, Volume, resample


class Propagation(Protocol):
    """Corrects a mask inside a window.

    Attributes
    ----------
    reach_mm : float
        How far beyond a mark the mask may change.
    """

    reach_mm: float

    def __call__(
        self,
        ct: Volume,
        probability: Volume | None,
        mask: NDArray[np.bool_],
        marks: NDArray[np.uint8],
        window: Box,
        seeds: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Return the mask inside the window.

        Parameters
        ----------
        ct : Volume
            The whole CT, HU.
        probability : Volume or None
            A network's foreground probability, on any grid.
        mask : ndarray of bool, shape (z, y, x)
            The mask until now, on the CT's grid; not to be written to.
        marks : ndarray of uint8, shape (z, y, x)
            Everything marked so far, the new marks included; not to be written to.
        window : Box
            The part that may change: all within `reach_mm` of the new marks.
        seeds : ndarray of uint8, shape (z, y, x)
            The new scribbles and points alone, cut to `window`.
        """


class WeightFree:
    """Grow a mark over voxels of like HU that the network, or the mask, agrees with or is in doubt about."""

    reach_mm = 25.0

    def __call__(
        self,
        ct: Volume,
        probability: Volume | None,
        mask: NDArray[np.bool_],
        marks: NDArray[np.uint8],
        window: Box,
        seeds: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Return the mask inside the window; see :class:`Propagation`."""
        from scipy.ndimage import distance_transform_edt

        grid = window.geometry(ct.geometry)
        hu = ct.voxels[window.slices_zyx].astype(np.float32)
        mask = mask[window.slices_zyx]
        belief = mask.astype(np.float32)
        if probability is not None:
            belief = resample(probability.voxels.astype(np.float32), probability.geometry, grid)
        result = mask.copy()
        for value, wanted in ((INCLUDED, True), (EXCLUDED, False)):
            seed = seeds == value
            if not seed.any():
                continue
            distance = distance_transform_edt(~seed, sampling=grid.spacing_mm[::-1])
            alike = np.abs(hu - np.median(hu[seed])) < 30
            doubt = belief > 0.15 if wanted else belief < 0.9
            result[(distance < 8) & alike & doubt] = wanted
        return result
