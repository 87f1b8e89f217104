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
class Segmentation:
    """The result of :meth:`Segmenter.segment`.

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
