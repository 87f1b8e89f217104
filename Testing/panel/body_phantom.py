"""The least that passes for a CT: a cylinder of soft tissue in air."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.volume import Geometry, Volume


def body(geometry: Geometry) -> Volume:
    """A cylinder of soft tissue in air."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in geometry.shape_zyx)]
    _, height, width = geometry.shape_zyx
    inside = ((y - height / 2) / (0.4 * height)) ** 2 + ((x - width / 2) / (0.4 * width)) ** 2 < 1
    hu = np.broadcast_to(np.where(inside, 40, -1000), geometry.shape_zyx) + (z % 3) * 5
    return Volume(hu.astype(np.int16), geometry)
