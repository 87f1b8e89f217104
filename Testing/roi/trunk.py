"""A generated trunk with the landmarks that matter: spine, lungs on a domed diaphragm, iliac wings, a table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from PancreasSegLib.volume import Geometry, Volume

SPINE_Y, CREST_Z, DOME_Z = 60.0, 160.0, 400.0
PANCREAS_CENTRE, PANCREAS_HALF = (30.0, -5.0, 275.0), (75.0, 25.0, 40.0)


@dataclass(frozen=True)
class Trunk:
    """A trunk in a frame of mm: x to the Left, y to Posterior, z to Superior; the spine at x = 0."""

    spacing: tuple[float, float, float] = (4.0, 4.0, 5.0)
    levels: tuple[float, float] = (0.0, 480.0)
    half_fov: float = 220.0
    scale: float = 1.0
    extras: tuple[str, ...] = field(default=("lungs", "spine", "wings", "table"))

    def volume(self) -> Volume:
        """Return the CT, canonical axes, full HU range."""
        return Volume(self._hu().astype(np.int16), self.geometry)

    @property
    def geometry(self) -> Geometry:
        sx, sy, sz = self.spacing
        n = [int(2 * self.half_fov / sx), int(2 * self.half_fov / sy), int((self.levels[1] - self.levels[0]) / sz)]
        return Geometry(tuple(n), self.spacing, (-self.half_fov + sx / 2, -self.half_fov + sy / 2, self.levels[0]))

    def grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        g = self.geometry
        x, y, z = (o + s * np.arange(n) for o, s, n in zip(g.origin_lps, g.spacing_mm, g.size_ijk, strict=True))
        f = self.scale
        return x[None, None, :] / f, y[None, :, None] / f, z[:, None, None] / f

    def pancreas(self) -> np.ndarray:
        """Return where its pancreas lies, (z, y, x) bool."""
        x, y, z = self.grid()
        (cx, cy, cz), (hx, hy, hz) = PANCREAS_CENTRE, PANCREAS_HALF
        return ((x - cx) / hx) ** 2 + ((y - cy) / hy) ** 2 + ((z - cz) / hz) ** 2 < 1

    def _hu(self) -> np.ndarray:
        x, y, z = self.grid()
        radius = (x / 170) ** 2 + (y / 120) ** 2
        hu = np.where((radius < 1) & (z > -1e9), -95.0, -1000.0)
        hu[(radius < 0.85) & (z > -1e9)] = 45
        if "lungs" in self.extras or "right lung" in self.extras:
            hu[self._lung(x, y, z, -78)] = -850
        if "lungs" in self.extras:
            hu[self._lung(x, y, z, 78)] = -850
        if "spine" in self.extras:
            bone = (x**2 + (y - SPINE_Y) ** 2 < 22**2) | ((np.abs(x) < 8) & (y > SPINE_Y) & (y < SPINE_Y + 40))
            hu[bone & (z > CREST_Z - 120)] = 380
        if "wings" in self.extras:
            flare = np.abs(np.abs(x) - (30 + 0.9 * (z - 50))) < 6
            hu[flare & (y > 25) & (y < 95) & (z > 30) & (z < CREST_Z)] = 450
        if "contrast" in self.extras:  # a bowel full of contrast medium, brighter than bone
            hu[((x + 60) ** 2 + (y + 50) ** 2 < 30**2) & (z > 60) & (z < 330)] = 900
        if "kidneys" in self.extras:
            kidney = ((np.abs(x) - 70) / 30) ** 2 + ((y - 40) / 30) ** 2 + ((z - 250) / 55) ** 2 < 1
            hu[kidney] = 260
        if "bowel gas" in self.extras:
            hu[((x - 40) / 70) ** 2 + ((y + 70) / 25) ** 2 + ((z - 270) / 60) ** 2 < 1] = -990
        if "table" in self.extras:
            hu[(np.abs(y - 150) < 4) & (np.abs(x) < 200) & (z > -1e9)] = 300
        return hu

    @staticmethod
    def _lung(x: np.ndarray, y: np.ndarray, z: np.ndarray, centre: float) -> np.ndarray:
        place = ((x - centre) / 60) ** 2 + (y / 88) ** 2 < 1
        diaphragm = DOME_Z - ((x - centre) ** 2 + (y + 10) ** 2) / 120
        return place & (z > diaphragm)


def cut(volume: Volume, low_mm: float, high_mm: float) -> Volume:
    """Return the slices between two levels."""
    z = volume.geometry.origin_lps[2] + volume.geometry.spacing_mm[2] * np.arange(volume.geometry.size_ijk[2])
    k = np.flatnonzero((z >= low_mm) & (z <= high_mm))
    from PancreasSegLib.volume import Box

    i, j, _ = volume.geometry.size_ijk
    return volume.cropped(Box((0, 0, int(k[0])), (i, j, int(k[-1]) + 1)))
