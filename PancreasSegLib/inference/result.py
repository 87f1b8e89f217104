"""What a segmentation run gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.volume import Geometry, Volume

if TYPE_CHECKING:
    from PancreasSegLib.roi import RoiProposal


@dataclass(frozen=True)
class SegmentationWarning:
    """Something the user should know about a result: a stable code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, eq=False)
class SeenOrgans:
    """Organs around the pancreas, as the localiser saw them on its coarse grid, inside the region it looked in.

    Attributes
    ----------
    labels : Volume
        uint8; 0 is background.
    values : dict of str to int
        Meaning of the values.
    certainty : dict of str to float
        Mean probability inside each organ that was seen; a coarse network's word, no reader's.
    """

    labels: Volume
    values: dict[str, int]
    certainty: dict[str, float]

    @classmethod
    def of(cls, probabilities: NDArray[np.floating], grid: Geometry, values: dict[str, int]) -> SeenOrgans:
        """Take the most likely class of each voxel; `probabilities` has shape (classes, z, y, x)."""
        classes = probabilities.argmax(axis=0).astype(np.uint8)
        certainty = {
            name: float(probabilities[value][classes == value].mean(dtype=np.float64))
            for name, value in values.items()
            if value and (classes == value).any()
        }
        return cls(Volume(classes, grid), values, certainty)

    def masks(self) -> dict[str, Volume]:
        """Return each organ that was seen, as bool on the coarse grid."""
        return {
            name: Volume(self.labels.voxels == self.values[name], self.labels.geometry) for name in self.certainty
        }


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The result of `Segmenter.segment`.

    Attributes
    ----------
    mask : ndarray of uint8, shape (z, y, x)
        Labels on the CT's own grid.
    geometry : Geometry
        The CT's grid.
    labels : dict of str to int
        Meaning of the values in `mask`, e.g. ``{"pancreas": 1}``.
    probability : dict of str to Volume
        Foreground probability a label (float16), on the crop's own grid.
    roi : RoiProposal or None
        The HU-threshold proposal, None when it was switched off.
    statistics : dict
        ``volume_ml``, ``mean_hu``, ``sd_hu``, ``extent_mm`` (Left, Posterior, Superior), ``centre_lps``,
        ``confidence`` (expected Dice, 0 to 1), a label; keys are label names.
    warnings : list of SegmentationWarning
        What was noticed on the way; empty when all is well.
    timings : dict of str to float
        Seconds a stage.
    provenance : dict
        Version, model name, version and checksums, device, precision, settings, input.
    organs : SeenOrgans or None
        What the localiser saw around; None where none was run.
    """

    mask: NDArray[np.uint8]
    geometry: Geometry
    labels: dict[str, int]
    probability: dict[str, Volume] = field(default_factory=dict)
    roi: RoiProposal | None = None
    statistics: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[SegmentationWarning] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    organs: SeenOrgans | None = None
