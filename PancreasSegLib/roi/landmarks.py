"""What is seen of the patient: body, spine, diaphragm and pelvis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.body import body_mask, edge_share
from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.lung import Hemithorax, hemithorax, lung_mask
from PancreasSegLib.roi.pelvis import Crests, iliac_crests
from PancreasSegLib.roi.spine import spine_path

Interval = tuple[float, float]

_THORAX_MM = 80.0
_EFFUSION_MM = 100.0  # the left lung never reaches so far below the right dome, unless fluid lifts the right lung
_LEFT_BASE_MM = 90.0
_DOME_ABOVE_BASE_MM = (5.0, 110.0)  # of either lung; 6 to 102 mm in the patients measured
_CREST_BELOW_DOME_MM = 100.0
_HEAD_CM2 = 330.0
_HEAD_BONE = 0.10
_MEDIAL_MM = 30.0
_USUAL_DEPTH = 0.65  # of the spine on the way from front to back
_CROPPED_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks in mm along the canonical axes, from the centre of the first canonical voxel.

    Attributes
    ----------
    scan : CoarseScan
        The coarse grid they were found on.
    body : ndarray of bool, shape (z, y, x)
        The body on that grid.
    lungs : ndarray of bool, shape (z, y, x)
        The lungs on that grid.
    spine : ndarray of float, shape (z, 3), or None
        Centre (x, y, z) of the spine in every coarse slice, smoothed, in mm.
    right_lung, left_lung : Hemithorax or None
        The lungs as far as they are in view.
    crests : Crests or None
        The iliac crests.
    head_only : bool
        Whether the scan looks like a head.
    """

    scan: CoarseScan
    body: NDArray[np.bool_]
    lungs: NDArray[np.bool_]
    spine: NDArray[np.float64] | None
    right_lung: Hemithorax | None
    left_lung: Hemithorax | None
    crests: Crests | None
    head_only: bool

    @classmethod
    def of(cls, scan: CoarseScan) -> Landmarks:
        """Find the landmarks of a scan; the body is empty if there is none."""
        body = body_mask(scan)
        path = spine_path(scan, body) if body.any() else None
        lungs = lung_mask(scan, body, path)
        right = left = None
        if body.any():
            centre = _thoracic_centre(scan, body, path)
            right = hemithorax(scan, body, lungs, centre, -1)
            left = hemithorax(scan, body, lungs, centre, 1)
        head = not (right or left) and _looks_like_a_head(scan, body)
        crests = None
        if body.any() and not head:
            crests = iliac_crests(scan, body, _middle_path(scan, body) if path is None else path)
        dome = right.dome_mm if right else None
        if crests and dome is not None and crests.level_mm > dome - _CREST_BELOW_DOME_MM:
            crests = None  # shoulders
        return cls(scan, body, lungs, _smooth(scan, path), right, left, crests, head)

    @property
    def dome_mm(self) -> Interval | None:
        """Least and greatest likely level of the right diaphragm's dome, None if no lung is in view."""
        left_base = self.left_lung.base_mm if self.left_lung else None
        right_base = self.right_lung.base_mm if self.right_lung else None
        dome = self.right_lung.dome_mm if self.right_lung else None
        if dome is not None:
            if left_base is not None and left_base < dome - _EFFUSION_MM:
                return left_base + _LEFT_BASE_MM, dome
            return dome, dome
        bases = [base for base in (right_base, left_base) if base is not None]
        if not bases:
            return None
        return min(bases) + _DOME_ABOVE_BASE_MM[0], max(bases) + _DOME_ABOVE_BASE_MM[1]

    @property
    def scan_mm(self) -> Interval:
        """Level of the first and last slice of the scan."""
        return 0.0, (self.scan.axes.target.size_ijk[2] - 1) * self.scan.axes.target.spacing_mm[2]

    @property
    def dome_in_view(self) -> bool:
        """Whether the right dome itself was seen."""
        return self.right_lung is not None and self.right_lung.dome_mm is not None

    @property
    def cropped(self) -> bool:
        """Whether the scan was cut out from inside the body, so that its edges say nothing of the patient."""
        return edge_share(self.body) > _CROPPED_SHARE

    @property
    def thorax_only(self) -> bool:
        """Whether the lungs run out through the scan's bottom."""
        lungs = [lung for lung in (self.right_lung, self.left_lung) if lung]
        return bool(lungs) and all(lung.below_scan for lung in lungs)

    @property
    def pelvis_only(self) -> bool:
        """Whether the iliac bones run out through the scan's top."""
        return self.crests is not None and self.crests.above_scan and not (self.right_lung or self.left_lung)

    def body_mm(self, axis: int, levels: Interval | None = None) -> Interval:
        """Return the body's bounds along canonical axis 0, 1 or 2, between two levels if given."""
        body = self.body
        if levels is not None:
            z = self.scan.position_mm(2)
            inside = body[(z >= levels[0]) & (z <= levels[1])]
            body = inside if inside.any() else body
        others = tuple(a for a in range(3) if a != 2 - axis)
        hit = np.flatnonzero(body.any(axis=others))
        position = self.scan.position_mm(axis)
        half = 0.5 * self.scan.geometry.spacing_mm[axis]
        return float(position[hit[0]] - half), float(position[hit[-1]] + half)

    def spine_mm(self, levels: Interval) -> tuple[float, float] | None:
        """Return the spine's median (x, y) between two levels."""
        if self.spine is None:
            return None
        inside = (self.spine[:, 2] >= levels[0]) & (self.spine[:, 2] <= levels[1])
        part = self.spine[inside] if inside.any() else self.spine
        return float(np.median(part[:, 0])), float(np.median(part[:, 1]))

    def skin_mm(self, levels: Interval) -> tuple[float, float, float] | None:
        """Return the median way from the spine's centre to the skin between two levels: right, left, front."""
        middle = self.spine_mm(levels)
        if middle is None:
            return None
        z, y, x = (self.scan.position_mm(axis) for axis in (2, 1, 0))
        body = self.body[(z >= levels[0]) & (z <= levels[1])]
        body = body[np.any(body, axis=(1, 2))]
        if len(body) == 0:
            return None
        across = np.any(body, axis=1)
        right = middle[0] - x[across.argmax(axis=1)]
        left = x[len(x) - 1 - across[:, ::-1].argmax(axis=1)] - middle[0]
        medial = np.any(body[:, :, np.abs(x - middle[0]) < _MEDIAL_MM], axis=2)
        front = middle[1] - y[medial.argmax(axis=1)]
        return float(np.median(right)), float(np.median(left)), float(np.median(front))


def _thoracic_centre(
    scan: CoarseScan, body: NDArray[np.bool_], path: NDArray[np.int64] | None
) -> tuple[float, float]:
    """Return the spine's centre (y, x) in the scan's upper part, or where it would be in the body."""
    if path is None:
        path = _middle_path(scan, body)
    upper = path[-max(1, round(_THORAX_MM / scan.spacing_zyx[0])) :]
    return float(np.median(upper[:, 0])), float(np.median(upper[:, 1]))


def _middle_path(scan: CoarseScan, body: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where the spine would be in the body, (y, x) for every slice."""
    rows, columns = (np.flatnonzero(np.any(body, axis=axes)) for axes in ((0, 2), (0, 1)))
    centre = rows[0] + _USUAL_DEPTH * (rows[-1] - rows[0]), 0.5 * (columns[0] + columns[-1])
    return np.tile(np.round(centre).astype(np.int64), (len(body), 1))


def _smooth(scan: CoarseScan, path: NDArray[np.int64] | None) -> NDArray[np.float64] | None:
    """Return the path in mm, (x, y, z) in every slice, without the jumps of whole voxels."""
    if path is None:
        return None
    smooth = ndimage.gaussian_filter1d(path.astype(float), 15.0 / scan.spacing_zyx[0], axis=0, mode="nearest")
    x0, y0 = scan.position_mm(0)[0], scan.position_mm(1)[0]
    dx, dy, _ = scan.geometry.spacing_mm
    return np.column_stack([x0 + smooth[:, 1] * dx, y0 + smooth[:, 0] * dy, scan.position_mm(2)])


def _looks_like_a_head(scan: CoarseScan, body: NDArray[np.bool_]) -> bool:
    """Whether the body is narrow and bony in every slice, as no trunk of an adult is."""
    if not body.any():
        return False
    area = body.sum(axis=(1, 2)) * scan.spacing_zyx[1] * scan.spacing_zyx[2] / 100.0
    bone = float(np.mean(scan.hu[body] > scan.intensities.bone_hu))
    return bool(np.percentile(area, 90) < _HEAD_CM2 and bone > _HEAD_BONE)
