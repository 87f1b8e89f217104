"""A patient as the refiner learns from it: CT, a network's probability and the truth, on the grid of the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.refine.evidence import WINDOW_HU
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import Box, Volume

MARGIN_MM = 45.0


@dataclass(frozen=True, eq=False)
class RefinerCase:
    """One patient.

    Attributes
    ----------
    name : str
        The patient.
    hu : ndarray of float32, shape (z, y, x)
        Clipped HU around the organ.
    probability : ndarray of float32, shape (z, y, x)
        Of the organ, from networks that never saw the patient.
    reference : ndarray of bool, shape (z, y, x)
        The truth.
    """

    name: str
    hu: NDArray[np.float32]
    probability: NDArray[np.float32]
    reference: NDArray[np.bool_]

    @classmethod
    def of(
        cls, name: str, ct: Volume, reference: NDArray[np.bool_], mask: NDArray[np.bool_], probability: Volume
    ) -> RefinerCase:
        """Sample a case on the work grid around the organ and its mask; arrays lie on the CT's grid.

        Raises
        ------
        DatasetError
            If the reference is empty.
        """
        if not reference.any():
            raise DatasetError(f"The label of {name} holds no voxel of the organ.", "Exclude it: data.exclude.")
        box = Box.of_mask(reference | mask)
        assert box is not None
        grid = WorkGrid.around(box, ct.geometry, MARGIN_MM)
        return cls(
            name,
            grid.sampled(ct.voxels, low=WINDOW_HU[0], high=WINDOW_HU[1]),
            grid.sampled_volume(probability),
            grid.sampled(reference) > 0.5,
        )

    def save(self, path: Path) -> None:
        """Write the case; HU are rounded to whole numbers and the probability to 8 bits."""
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                hu=np.round(self.hu).astype(np.int16),
                probability=np.round(self.probability * 255).astype(np.uint8),
                reference=self.reference,
            )

    @classmethod
    def load(cls, path: Path) -> RefinerCase:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            hu, probability, reference = arrays["hu"], arrays["probability"], arrays["reference"]
        return cls(path.stem, hu.astype(np.float32), probability.astype(np.float32) / 255, reference.astype(bool))
