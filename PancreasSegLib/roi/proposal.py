"""The proposed region, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PancreasSegLib.volume import Box, Geometry


@dataclass(frozen=True)
class RoiProposal:
    """Where the pancreas lies, judged from HU thresholds alone.

    Attributes
    ----------
    box : Box
        Half-open voxel ranges on `geometry`, the CT's own grid and axis order.
    geometry : Geometry
        The CT's grid.
    landmarks : dict
        What was seen (body box, lung base, spine, ...) with positions in LPS mm, JSON-ready.
    reasons : list of str
        One sentence for each decision and each fall-back.
    body_box : Box
        The patient's body on the CT's own grid, table removed.
    """

    box: Box
    geometry: Geometry
    landmarks: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    body_box: Box | None = None

    @property
    def volume_fraction(self) -> float:
        """Volume of the box over that of the scan."""
        i, j, k = self.box.size_ijk
        si, sj, sk = self.geometry.size_ijk
        return (i * j * k) / (si * sj * sk)

    def to_json(self) -> dict[str, Any]:
        """Return what ``pancreasseg roi --json`` prints."""
        return {
            "box_ijk": self.box.to_json(),
            "volume_fraction": self.volume_fraction,
            "landmarks": self.landmarks,
            "reasons": self.reasons,
            "body_box_ijk": self.body_box.to_json() if self.body_box else None,
            "geometry": self.geometry.to_json(),
        }
