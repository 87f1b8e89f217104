"""How bright the aorta is, by thresholds: what tells the phases of contrast apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from PancreasSegLib.roi.coarse import CoarseScan
from PancreasSegLib.roi.landmarks import Landmarks
from PancreasSegLib.volume import Volume

_AROUND_SPINE_MM = ((-25.0, 40.0), (-60.0, 25.0))  # to Left, to Posterior of the spine's centre
_BEFORE_SPINE_MM = 10.0
_AREA_MM2 = (150.0, 900.0)  # 14 to 34 mm across
_ROUND = (1.35, 0.68)  # the sides of its box, and how much of the box it fills: 0.79 for a disc
_THRESHOLDS_HU = (110, 140, 170, 200, 250, 300, 350)
_RIM_MM = 3.0
_EVEN_HU = 45.0
_FEWEST_SLICES = 3


def aorta_hu(volume: Volume) -> float | None:
    """Return the median HU of the aorta, as far as contrast makes it stand out.

    In axial slices an even, round spot of 14 to 34 mm is looked for before and beside the spine. It gave 220 and
    140 HU on two portal-venous scans, 192 HU on an arterial one, and nothing on two unenhanced ones.

    Parameters
    ----------
    volume : Volume
        CT in HU on any grid.

    Returns
    -------
    float or None
        None where no contrast is seen in it, or no spine.
    """
    spine = Landmarks.of(CoarseScan.of(volume)).spine
    if spine is None:
        return None
    ct, _ = volume.canonical()
    values = []
    for centre in spine[::2]:
        number = round(centre[2] / ct.geometry.spacing_mm[2])
        if 0 <= number < len(ct.voxels):
            values.append(_spot_hu(ct.voxels[number], centre, ct.geometry.spacing_mm[:2]))
    seen = [value for value in values if value is not None]
    return float(np.median(seen)) if len(seen) >= _FEWEST_SLICES else None


def _spot_hu(plane: NDArray, centre: NDArray[np.float64], spacing_mm: tuple[float, ...]) -> float | None:
    """Return the median HU of the brightest round spot near the spine in an axial slice (y, x)."""
    (x_mm, y_mm), (across, along) = spacing_mm, _AROUND_SPINE_MM
    x0, x1 = (max(0, int((centre[0] + mm) / x_mm)) for mm in across)
    y0, y1 = (max(0, int((centre[1] + mm) / y_mm)) for mm in along)
    part = np.clip(plane[y0:y1, x0:x1].astype(np.float32), -150, 600)
    if min(part.shape, default=0) < 8:
        return None
    smooth = ndimage.gaussian_filter(part, (1.5 / y_mm, 1.5 / x_mm))
    found = None
    for threshold in _THRESHOLDS_HU:
        pieces, _ = ndimage.label(smooth > threshold)
        for number, box in enumerate(ndimage.find_objects(pieces), 1):
            spot = pieces[box] == number
            high, wide = (box[0].stop - box[0].start) * y_mm, (box[1].stop - box[1].start) * x_mm
            area, middle = spot.sum() * x_mm * y_mm, (box[0].start + box[0].stop) / 2 * y_mm + y0 * y_mm
            is_round = max(high, wide) <= _ROUND[0] * min(high, wide) and area >= _ROUND[1] * high * wide
            if not (_AREA_MM2[0] <= area <= _AREA_MM2[1] and is_round and middle < centre[1] - _BEFORE_SPINE_MM):
                continue
            core = part[box][ndimage.binary_erosion(spot, iterations=max(1, int(_RIM_MM / x_mm)))]
            if core.size >= 10 and core.std() <= _EVEN_HU:
                found = float(np.median(core))
    return found
