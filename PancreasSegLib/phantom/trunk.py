"""Body wall, lungs, diaphragm and heart."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.phantom.canvas import Array, Canvas
from PancreasSegLib.phantom.individual import MIDLINE, Individual
from PancreasSegLib.phantom.shapes import curve, ellipsoid, tube

# Level in mm, then: centre of the vertebral bodies (y), half-width of the abdominal cavity, its front and back (y).
_LEVELS = np.array([-230.0, -190, -150, -110, -60, 0, 50, 100, 150])
SPINE_Y = np.array([62.0, 48, 26, 17, 21, 32, 43, 53, 62])
_HALF_WIDTH = np.array([100.0, 106, 118, 128, 134, 138, 139, 134, 124])
_FRONT_Y = np.array([-76.0, -82, -88, -92, -98, -103, -102, -92, -80])
_BACK_Y = np.array([84.0, 72, 62, 60, 64, 75, 88, 98, 104])
_SKIN_Y = np.array([140.0, 136, 124, 113, 110, 114, 119, 123, 126])
ROUNDNESS = 2.5


def at_level(z: Array | float, column: np.ndarray) -> Array:
    """Interpolate a column of the table of levels."""
    heights = np.arange(_LEVELS[0], _LEVELS[-1] + 1.0, 1.0)
    table = np.interp(heights, _LEVELS, column).astype(np.float32)
    return table[np.clip(np.asarray(z) - np.float32(_LEVELS[0] - 0.5), 0, len(table) - 1).astype(np.int32)]


def _oval(x: Array, y: Array, half_width: Array, front: Array, back: Array) -> Array:
    """Return the distance to a rounded cross-section (a superellipse), first order."""
    centre = 0.42 * front + 0.58 * back
    u = np.abs(x - np.float32(MIDLINE)) / half_width + np.float32(1e-4)
    dy = y - centre
    depth = np.where(dy < 0, centre - front, back - centre)
    v = np.abs(dy) / depth + np.float32(1e-4)
    u_slope, v_slope = u * np.sqrt(u), v * np.sqrt(v)  # u ** (ROUNDNESS - 1)
    power = u * u_slope + v * v_slope
    value = power ** np.float32(1 / ROUNDNESS)
    slope = np.sqrt((u_slope / half_width) ** 2 + (v_slope / depth) ** 2) * value / power
    return (value - 1) / slope


def cavity_distance(x: Array, y: Array, z: Array, visceral: float) -> Array:
    """Return the distance to the inner face of the body wall, in mm."""
    grow = np.float32(14 * (visceral - 0.4))
    return _oval(
        x,
        y,
        at_level(z, _HALF_WIDTH) + np.float32(0.8) * grow,
        at_level(z, _FRONT_Y) - np.float32(1.6) * grow,
        at_level(z, _BACK_Y),
    )


class Trunk:
    """The body wall of one phantom, and the distances that the organs fit themselves to.

    Parameters
    ----------
    canvas : Canvas
        The grid.
    person : Individual
        The patient.

    Attributes
    ----------
    cavity : ndarray of float32, shape (z, y, x)
        Distance to the inner face of the wall, negative inside.
    diaphragm : ndarray of float32, shape (z, y, x)
        Height above the under-surface of the diaphragm in mm; negative in the abdomen.
    """

    def __init__(self, canvas: Canvas, person: Individual) -> None:
        self.canvas, self.person = canvas, person
        x, y, z = canvas.at(canvas.whole())
        self.cavity = cavity_distance(x, y, z, person.visceral)
        self.diaphragm = self._diaphragm(x, y, z)

    def _diaphragm(self, x: Array, y: Array, z: Array) -> Array:
        """Two domes, the right one higher, that fall steeply to the wall, farther at the back."""
        rng = self.person.rng
        right, left = 98 + 7 * rng.standard_normal(), 88 + 7 * rng.standard_normal()
        side = np.clip((x - np.float32(MIDLINE)) / 50, -1, 1)
        apex = np.float32((right + left) / 2) - np.float32((right - left) / 2) * side - 9 * (1 - side * side)
        depth = np.clip(-self.cavity / 72, 0, 1)
        back = np.clip((y + 40) / 100, 0, 1)
        drop = (46 + 36 * back) * (1 - depth) ** np.float32(3.2) + 10 * (1 - depth)
        return z - (apex - drop).astype(np.float32)

    def paint(self) -> None:
        """Paint skin, fat, wall, lungs, diaphragm and heart."""
        self._paint_wall()
        self._paint_chest()
        self._paint_heart()

    def _paint_wall(self) -> None:
        canvas, person, hu = self.canvas, self.person, self.person.hu
        part = canvas.whole()
        x, y, z = canvas.at(part)
        layer = np.float32(person.subcutaneous_mm)
        grow = np.float32(14 * (person.visceral - 0.4))
        hips = np.clip((-z - 120) / 80, 0, 1) * 18
        flank = at_level(z, _HALF_WIDTH) + np.float32(0.8) * grow + 14 + layer + hips
        front = at_level(z, _FRONT_Y) - np.float32(1.6) * grow - 10 - layer * np.float32(1.1)
        skin = _oval(x, y, flank, front, at_level(z, _SKIN_Y) + np.float32(0.6) * layer)
        self.skin = skin
        canvas.paint(part, skin, hu["skin"])
        canvas.paint(part, skin + 2.0, hu["subcutaneous"] + 5 * canvas.fine)
        # the wall is thin at the midline and between rectus and obliques, thick at the flank and the back
        across = np.abs(x - np.float32(MIDLINE))
        width = np.interp(across, [0, 3, 9, 40, 72, 84, 105, 200], [2, 2.5, 8, 9.5, 7, 4, 12, 14])
        width = np.where(y > 0, np.float32(14), width.astype(np.float32))
        wall = np.maximum(self.cavity - width, skin + 4)
        canvas.paint(part, wall, hu["muscle"] + 5 * canvas.medium)
        # planes of fat between the three oblique muscles
        plane = np.maximum(np.abs(np.mod(self.cavity, 4.8) - 4.4) - 0.35, np.maximum(3.5 - self.cavity, wall))
        flank_only = np.maximum(plane, np.maximum(86 - across, z + 10))
        canvas.paint(part, flank_only, 0.3 * hu["fat"])
        fat = hu["fat"] + 5 * canvas.fine + 4 * canvas.medium
        canvas.paint(part, self.cavity, fat)

    def paint_muscles(self) -> None:
        """Paint erector spinae, quadratus lumborum, psoas and the gluteal muscles."""
        canvas, hu = self.canvas, self.person.hu
        texture = 5.0
        levels = np.arange(-235.0, 165.0, 15.0)
        spine = np.interp(levels, _LEVELS, SPINE_Y)
        girth = np.interp(levels, [-230, -150, -60, 0, 60, 150], [14, 24, 25, 25, 20, 15])
        psoas = np.interp(levels, [-230, -120, -40, 0, 12], [22, 25, 16, 8, 3])
        for side in (-1, 1):
            groups = [
                # offset from the midline, offset from the spine's centre, radius, stretch, top
                (np.interp(levels, [-60, 60], [31, 25]), 44 + 0 * levels, girth, (1.25, 0.95, 1.0), 170),
                (14 + 0 * levels, 47 + 0 * levels, 0.55 * girth, (1.0, 1.15, 1.0), 170),
                (60 + 0 * levels, 30 + 0 * levels, 12 + 0 * levels, (1.1, 1.2, 1.0), 30),
                (np.interp(levels, [-200, -100, 0], [58, 44, 30]), 4 + 0 * levels, psoas, (0.95, 1.1, 1.0), 12),
            ]
            for across, behind, radius, stretch, top in groups:
                keep = levels <= top
                line = np.stack([MIDLINE + side * across, spine + behind, levels, radius], axis=1)[keep]
                self._fill(line, hu["muscle"] + 0.0, texture, stretch)
            buttock = curve(
                [
                    (MIDLINE + side * 95, 70, -130, 12),
                    (MIDLINE + side * 92, 82, -170, 24),
                    (MIDLINE + side * 88, 92, -235, 34),
                ],
                12,
            )
            self._fill(buttock, hu["muscle"], texture, (1.5, 1.0, 1.0))

    def _fill(self, line: np.ndarray, hu: float, texture: float, stretch: tuple[float, float, float]) -> None:
        found = tube(self.canvas, line, stretch=stretch)
        if found is not None:
            part, distance = found
            distance = np.maximum(distance, self.skin[part] + 4)
            distance = np.where(self.diaphragm[part] > -8, np.maximum(distance, -self.cavity[part]), distance)
            self.canvas.paint(
                part, distance + 0.8 * self.canvas.medium[part], hu + texture * self.canvas.fine[part]
            )

    def _paint_chest(self) -> None:
        """Paint lungs with vessels, the mediastinum and the diaphragm with its crura."""
        canvas, hu = self.canvas, self.person.hu
        part = canvas.box((-170, -130, -20), (160, 120, 200), 0)
        if part is None:
            return
        x, y, z = canvas.at(part)
        cavity, above = self.cavity[part], self.diaphragm[part]
        dome = np.maximum(cavity + 1.0, -above - 3.0)
        canvas.paint(part, dome, hu["muscle"] - 8)
        width = np.interp(y, [-110, -80, -30, 10, 30, 60, 80], [10, 12, 26, 30, 25, 24, 12]).astype(np.float32)
        middle = np.abs(x - np.float32(MIDLINE + 3)) - width + 3 * canvas.coarse[part]
        lung = np.maximum(np.maximum(cavity + 2.5, -above), -middle)
        behind = at_level(z, SPINE_Y)
        density = (
            hu["lung"] + 30 * canvas.medium[part] + 70 * np.clip((y - behind) / 40, 0, 1) + 15 * canvas.fine[part]
        )
        canvas.paint(part, lung, density)
        canvas.paint(part, np.maximum(np.maximum(cavity + 2.5, 4 - above), middle + 1), hu["fat"] + 12)
        self._paint_lung_vessels(lung, part)

    def _paint_lung_vessels(self, lung: Array, part: tuple[slice, slice, slice]) -> None:
        """Paint branching vessels that run outwards and down from the hila."""
        canvas, rng = self.canvas, self.person.rng
        blood = self.person.hu["heart_blood"]
        inside = np.full(canvas.geometry.shape_zyx, 50.0, dtype=np.float32)
        inside[part] = lung
        for side in (-1, 1):
            for _ in range(16):
                start = np.array([MIDLINE + side * 35, 20.0, 160.0]) + 9 * rng.standard_normal(3)
                end = np.array([MIDLINE + side * rng.uniform(45, 125), rng.uniform(-60, 95), rng.uniform(20, 110)])
                bend = (start + end) / 2 + np.array([side * 12, 0, -8]) + 6 * rng.standard_normal(3)
                line = curve([(*start, 4.2), (*bend, 2.4), (*end, 0.8)], 12)
                found = tube(canvas, line, 2.0)
                if found is not None:
                    where, distance = found
                    canvas.paint(where, np.maximum(distance, inside[where] + 1), 0.8 * blood, None)

    def _paint_heart(self) -> None:
        canvas, hu = self.canvas, self.person.hu
        part = canvas.box((-80, -110, 60), (110, 60, 200))
        if part is None:
            return
        x, y, z = canvas.at(part)
        above = self.diaphragm[part]
        axes = np.array([[0.75, -0.55, -0.35], [0.55, 0.83, 0.0], [0.3, -0.2, 0.93]])
        axes, _ = np.linalg.qr(axes.T)
        axes = axes.T
        centre = np.array([22.0, -48.0, 122.0])
        outside = np.maximum(self.cavity[part] + 5, -above + 1)
        sac = np.maximum(ellipsoid(x, y, z, centre, (68, 50, 50), axes), outside)
        canvas.paint(part, sac, hu["fat"] + 10)
        muscle = np.maximum(ellipsoid(x, y, z, centre, (62, 45, 45), axes), outside + 3)
        canvas.paint(part, muscle, hu["heart_wall"] + 5 * canvas.medium[part])
        for offset, radii in (
            ((14, 8, 2), (40, 19, 22)),
            ((-4, -22, 0), (42, 12, 24)),
            ((-34, 14, 8), (22, 24, 26)),
        ):
            chamber = ellipsoid(x, y, z, centre + np.array(offset), radii, axes)
            canvas.paint(part, np.maximum(chamber, outside + 6), hu["heart_blood"] + 6 * canvas.medium[part])
