"""A patient as the refiner learns from it: CT, a network's probability and the truth, on the grid of the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.refine.evidence import WINDOW_HU
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import Box, Volume

MARGIN_MM = 45.0
ORGAN = 1
"""Value of the organ in a case's labels; its neighbours have larger ones."""


@dataclass(frozen=True, eq=False)
class RefinerCase:
    """One patient, or one patient in the shape of another.

    Attributes
    ----------
    name : str
        Of the case.
    hu : ndarray of float32, shape (z, y, x)
        Clipped HU around the organ.
    probability : ndarray of float32, shape (z, y, x), or None
        Of the organ, from networks that never saw the patient; None where no network spoke.
    labels : ndarray of uint8, shape (z, y, x)
        The truth: 1 the organ, larger values its neighbours as far as they are known, 0 elsewhere.
    patient : str
        What cases of one patient share; the name by default.
    morph : bool
        Whether it is a patient in the shape of another.
    """

    name: str
    hu: NDArray[np.float32]
    probability: NDArray[np.float32] | None
    labels: NDArray[np.uint8]
    patient: str = ""
    morph: bool = False

    def __post_init__(self) -> None:
        if not self.patient:
            object.__setattr__(self, "patient", self.name)

    @property
    def reference(self) -> NDArray[np.bool_]:
        """The organ."""
        return self.labels == ORGAN

    @classmethod
    def of(
        cls,
        name: str,
        ct: Volume,
        labels: NDArray,
        mask: NDArray[np.bool_],
        probability: Volume | None,
        *,
        patient: str = "",
        morph: bool = False,
    ) -> RefinerCase:
        """Sample a case on the work grid around the organ and its mask; arrays lie on the CT's grid.

        Raises
        ------
        DatasetError
            If the reference is empty.
        """
        labels = np.asarray(labels, dtype=np.uint8)
        organ = labels == ORGAN
        if not organ.any():
            raise DatasetError(f"The label of {name} holds no voxel of the organ.", "Exclude it: data.exclude.")
        box = Box.of_mask(organ | mask)
        assert box is not None
        grid = WorkGrid.around(box, ct.geometry, MARGIN_MM)
        sampled = np.zeros(grid.geometry.shape_zyx, dtype=np.uint8)
        for value in np.unique(labels[labels > 0])[::-1]:  # the organ last, over all others
            sampled[grid.sampled(labels == value) > 0.5] = value
        return cls(
            name,
            grid.sampled(ct.voxels, low=WINDOW_HU[0], high=WINDOW_HU[1]),
            None if probability is None else grid.sampled_volume(probability),
            sampled,
            patient,
            morph,
        )

    def save(self, path: Path) -> None:
        """Write the case; HU are rounded to whole numbers and the probability to 8 bits."""
        arrays: dict[str, Any] = {"hu": np.round(self.hu).astype(np.int16), "labels": self.labels}
        arrays |= {"patient": np.array(self.patient), "morph": np.array(self.morph)}
        if self.probability is not None:
            arrays["probability"] = np.round(self.probability * 255).astype(np.uint8)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> RefinerCase:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            kept = {name: arrays[name] for name in arrays.files}
        probability = None
        if "probability" in kept:
            probability = kept["probability"].astype(np.float32) / 255
        hu, labels, patient = kept["hu"].astype(np.float32), kept["labels"], str(kept["patient"])
        return cls(path.stem, hu, probability, labels, patient, bool(kept["morph"]))


@dataclass(frozen=True)
class CasePool:
    """The cases to learn from: every patient is as likely, however many shapes there are of one.

    Parameters
    ----------
    cases : sequence of RefinerCase
        Patients, and patients in the shape of others.
    morph_share : float
        How often a patient appears in the shape of another, where there are any.
    """

    cases: Sequence[RefinerCase]
    morph_share: float

    def choose(self, rng: np.random.Generator) -> RefinerCase:
        """Draw a case."""
        patients = sorted({case.patient for case in self.cases})
        patient = patients[int(rng.integers(len(patients)))]
        own = [case for case in self.cases if case.patient == patient]
        morph = bool(rng.random() < self.morph_share)
        wanted = [case for case in own if case.morph == morph] or own
        return wanted[int(rng.integers(len(wanted)))]
