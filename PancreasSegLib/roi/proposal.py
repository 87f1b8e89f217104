"""The proposed region, with its reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from PancreasSegLib.errors import NoPancreasError
from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.extent import predicted_extent
from PancreasSegLib.roi.landmarks import Interval, Landmarks
from PancreasSegLib.roi.sides import liver_side
from PancreasSegLib.roi.statistics import LocationStatistics, location_statistics
from PancreasSegLib.volume import Box, Geometry, Volume


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


def propose_roi(volume: Volume, statistics: LocationStatistics | None = None) -> RoiProposal:
    """Propose the box in which the pancreas lies, from HU thresholds, without a network.

    Body, spine, lungs and iliac crests are found on a grid of about 4 mm; the box spans the places that the
    pancreas takes relative to them in known patients, with a margin. Where a landmark is missing the box widens
    and `reasons` says why. A scan without an abdomen still gets a box (the whole body), with
    ``landmarks["abdomen_in_view"]`` false.

    Parameters
    ----------
    volume : Volume
        CT in HU on any grid: axes in any order and direction, oblique, clipped intensities.
    statistics : LocationStatistics, optional
        Where the pancreas lies relative to the landmarks; those kept with the library by default.

    Returns
    -------
    RoiProposal

    Raises
    ------
    NoPancreasError
        If there is no body in the scan at all.

    Examples
    --------
    >>> import numpy as np
    >>> z, y, x = np.ogrid[:60, :96, :96]
    >>> inside = ((x - 48) / 42) ** 2 + ((y - 48) / 30) ** 2 < 1
    >>> hu = np.broadcast_to(np.where(inside, 40, -1000), (60, 96, 96)).astype(np.int16)
    >>> proposal = propose_roi(Volume(hu, Geometry((96, 96, 60), (4.0, 4.0, 5.0))))
    >>> 0 < proposal.volume_fraction < 1
    True
    """
    scan = CoarseScan.of(volume)
    marks = Landmarks.of(scan)
    if not marks.body.any():
        raise NoPancreasError(
            "There is no body in the scan: no large piece of tissue is denser than air.",
            "Check that the file is a CT in Hounsfield units.",
        )
    extent = predicted_extent(marks, statistics or location_statistics())
    reasons = list(extent.reasons)
    if scan.intensities.clipped_low:
        reasons.append(
            f"Intensities are clipped at {scan.intensities.low:.0f} HU: lung, gas and air are told apart by place."
        )
    box = _own_box(scan, extent.x, extent.y, extent.z)
    body_box = _own_box(scan, marks.body_mm(0), marks.body_mm(1), marks.body_mm(2))
    found = _described(marks, extent.abdomen_in_view)
    return RoiProposal(box, volume.geometry, found, reasons, body_box)


def _own_box(scan: CoarseScan, x: Interval, y: Interval, z: Interval) -> Box:
    """Return the CT's own voxels between canonical positions in mm."""
    grid = scan.axes.target
    lower, upper = [], []
    for (low, high), mm in zip((x, y, z), grid.spacing_mm, strict=True):
        lower.append(math.floor(low / mm + 0.5))
        upper.append(math.ceil(high / mm + 0.5))
    box = Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])).clipped(grid)
    return scan.axes.invert_box(box)


def _described(marks: Landmarks, abdomen_in_view: bool) -> dict[str, Any]:
    """Return the landmarks in LPS mm, JSON-ready; null where one is not in view."""
    x, y, z = (marks.body_mm(axis) for axis in range(3))
    middle = 0.5 * (x[0] + x[1]), 0.5 * (y[0] + y[1])

    def point(px: float, py: float, pz: float) -> list[float]:
        grid = marks.scan.axes.target
        index = [value / mm for value, mm in zip((px, py, pz), grid.spacing_mm, strict=True)]
        return [round(float(v), 1) for v in grid.index_to_lps(index)]

    def level(pz: float | None) -> list[float] | None:
        return None if pz is None else point(*(marks.spine_mm((pz, pz)) or middle), pz)

    right, left = marks.right_lung, marks.left_lung
    return {
        "abdomen_in_view": abdomen_in_view,
        "liver_side": liver_side(marks.scan, marks.body, marks.spine) or None,
        "intensities_clipped": marks.scan.intensities.clipped_low,
        "body_centre_lps": point(*middle, 0.5 * (z[0] + z[1])),
        "body_size_mm": [round(high - low, 1) for low, high in (x, y, z)],
        "spine_bottom_lps": point(*marks.spine[0]) if marks.spine is not None else None,
        "spine_top_lps": point(*marks.spine[-1]) if marks.spine is not None else None,
        "right_lung_ml": round(right.volume_ml) if right else None,
        "left_lung_ml": round(left.volume_ml) if left else None,
        "right_lung_base_lps": level(right.base_mm) if right else None,
        "left_lung_base_lps": level(left.base_mm) if left else None,
        "right_dome_lps": level(right.dome_mm) if right else None,
        "iliac_crest_lps": level(marks.crests.level_mm) if marks.crests else None,
    }
