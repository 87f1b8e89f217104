"""Body wall, lungs, diaphragm and heart."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.phantom.canvas import Array, Canvas
from PancreasSegLib.phantom.individual import MIDLINE, Individual
from PancreasSegLib.phantom.shapes import curve, ellipsoid, piecewise, tube

# Level in mm, then: centre of the vertebral bodies, half-width of the abdominal cavity, its front and back,
# and the skin of the back (y).
_LEVELS = np.array([-230.0, -190, -150, -110, -60, 0, 50, 100, 150])
SPINE_Y = np.array([62.0, 48, 26, 17, 21, 32, 43, 53, 62])
_HALF_WIDTH = np.array([92.0, 100, 114, 126, 134, 138, 139, 134, 124])
_FRONT_Y = np.array([-76.0, -82, -88, -92, -98, -103, -102, -92, -80])
_BACK_Y = np.array([84.0, 72, 62, 60, 64, 75, 88, 98, 104])
_SKIN_Y = np.array([140.0, 136, 124, 113, 110, 114, 119, 123, 126])
ROUNDNESS = 2.5
WALL = (_LEVELS, _HALF_WIDTH, _FRONT_Y, _BACK_Y)


def at_level(z: Array | float, column: np.ndarray) -> Array:
    """Interpolate a column of the table of levels."""
    return piecewise(z, _LEVELS.tolist(), column.tolist())


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


def iliac_distance(across: Array, y: Array, z: Array) -> Array:
    """Return the distance to the sheet that both iliac wings lie on, negative towards the pelvis.

    Parameters
    ----------
    across, y, z : ndarray of float32
        Distance from the midline, and the other two coordinates, in mm.
    """
    half = at_level(z, _HALF_WIDTH) + 8
    u, v = across / half, (y - 8) / 78
    value = np.sqrt(u * u + v * v) + np.float32(1e-4)
    return (value - 1) * value / np.sqrt((u / half) ** 2 + (v / 78) ** 2 + np.float32(1e-9))


def back_mm(person: Individual) -> float:
    """Return how far behind the aorta the back's skin reaches, in the scanner's mm."""
    return float((_SKIN_Y[:-2].max() - 12 + 0.6 * person.subcutaneous_mm) * person.scale[1])


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
        self.marbling = np.float32(2.4 - 1.1 * person.visceral * person.rng.random())
        x, y, z = canvas.sparse_xyz
        cavity = cavity_distance(x, y, z, person.visceral)
        self.cavity = canvas.spread(cavity)
        self.diaphragm = canvas.spread(self._diaphragm(x, y, z, cavity))
        self.skin = canvas.spread(self._skin(x, y, z))
        self.body = canvas.inside(self.skin)

    def _skin(self, x: Array, y: Array, z: Array) -> Array:
        """Return the distance to the skin: outside the wall by the thickness of the fat."""
        person = self.person
        layer = np.float32(person.subcutaneous_mm)
        grow = np.float32(14 * (person.visceral - 0.4))
        hips = np.clip((-z - 120) / 80, 0, 1) * 18
        flank = at_level(z, _HALF_WIDTH) + np.float32(0.8) * grow + 14 + layer + hips
        front = at_level(z, _FRONT_Y) - np.float32(1.6) * grow - 10 - layer * np.float32(1.1)
        return _oval(x, y, flank, front, at_level(z, _SKIN_Y) + np.float32(0.6) * layer)

    def _diaphragm(self, x: Array, y: Array, z: Array, cavity: Array) -> Array:
        """Two domes, the right one higher, that fall steeply to the wall, farther at the back."""
        rng = self.person.rng
        right, left = 98 + 7 * rng.standard_normal(), 88 + 7 * rng.standard_normal()
        side = np.clip((x - np.float32(MIDLINE)) / 50, -1, 1)
        apex = np.float32((right + left) / 2) - np.float32((right - left) / 2) * side - 9 * (1 - side * side)
        depth = np.clip(-cavity / 72, 0, 1)
        wall = piecewise(y, [-100, -60, -20, 20, 80], [22, 32, 46, 54, 72])
        shallow = 1 - depth
        drop = (wall - 6) * shallow**3 + 6 * shallow
        return z - (apex - drop).astype(np.float32)

    def paint(self) -> None:
        """Paint skin, fat, wall, lungs, diaphragm and heart."""
        self._paint_wall()
        self._paint_chest()
        self._paint_heart()

    def _paint_wall(self) -> None:
        canvas, hu = self.canvas, self.person.hu
        part = self.body
        x, y, z = canvas.at(part)
        fine, medium, skin, cavity = (
            canvas.fine[part],
            canvas.medium[part],
            self.skin[part],
            self.cavity[part],
        )
        canvas.paint(part, skin, hu["skin"], None)
        septa = np.clip(1 - np.abs(medium + 0.5 * fine) * np.float32(8), 0, 1)
        canvas.paint(part, skin + 2.0, hu["subcutaneous"] + 4 * fine + 22 * septa, None)
        # the wall is thin at the midline and between rectus and obliques, thick at the flank and the back
        across = np.abs(x - np.float32(MIDLINE))
        width = piecewise(across, [0, 3, 9, 40, 72, 84, 105, 200], [2, 2.5, 8, 9.5, 7, 4, 12, 14])
        width = np.where(y > 0, np.float32(14), width)
        wall = np.maximum(cavity - width, skin + 4)
        canvas.paint(part, wall, hu["muscle"] + 5 * medium, None)
        # planes of fat between the three oblique muscles
        plane = np.maximum(
            np.abs(cavity % np.float32(4.8) - 4.4) - 0.35,
            np.maximum(3.5 - cavity, wall),
        )
        flank_only = np.maximum(plane, np.maximum(86 - across, z + 10))
        canvas.paint(part, flank_only, 0.3 * hu["fat"], None)
        canvas.paint(part, cavity, hu["fat"] + 5 * fine + 4 * medium, None)

    def paint_muscles(self) -> None:
        """Paint erector spinae, quadratus lumborum, psoas and the gluteal muscles."""
        hu = self.person.hu
        texture = 5.0
        levels = np.arange(-235.0, 165.0, 15.0)
        spine = np.interp(levels, _LEVELS, SPINE_Y)
        girth = np.interp(levels, [-230, -150, -60, 0, 60, 150], [14, 24, 25, 25, 20, 15])
        psoas = np.interp(levels, [-230, -120, -40, 0, 12], [22, 25, 16, 8, 3])
        for side in (-1, 1):
            groups = [
                # offset from the midline, offset from the spine's centre, radius, stretch, top
                (
                    np.interp(levels, [-60, 60], [31, 25]),
                    44 + 0 * levels,
                    girth,
                    (1.25, 0.95, 1.0),
                    170,
                ),
                (14 + 0 * levels, 47 + 0 * levels, 0.55 * girth, (1.0, 1.15, 1.0), 170),
                (
                    60 + 0 * levels,
                    30 + 0 * levels,
                    12 + 0 * levels,
                    (1.1, 1.2, 1.0),
                    30,
                ),
                (
                    np.interp(levels, [-200, -100, 0], [58, 44, 30]),
                    4 + 0 * levels,
                    psoas,
                    (0.95, 1.1, 1.0),
                    12,
                ),
            ]
            for across, behind, radius, stretch, top in groups:
                keep = levels <= top
                line = np.stack([MIDLINE + side * across, spine + behind, levels, radius], axis=1)[keep]
                self._fill(line, hu["muscle"] + 0.0, texture, stretch)
        self._paint_pelvic_muscles()

    def _paint_pelvic_muscles(self) -> None:
        """Paint iliacus inside the iliac wings and the gluteal muscles outside."""
        canvas = self.canvas
        part = canvas.box((MIDLINE - 170, -60, -245), (MIDLINE + 170, 150, -100))
        if part is None:
            return
        x, y, z = canvas.at(part)
        across = np.abs(x - np.float32(MIDLINE))
        sheet = iliac_distance(across, y, z)
        thick = np.clip((-108 - z) * 0.8, 0, 40) * np.clip((y + 40) / 60, 0, 1) * np.clip((across - 34) / 40, 0, 1)
        inside, outside = -0.3 * thick - sheet, sheet - thick
        muscle = np.maximum(np.maximum(inside, outside), z + 108)
        muscle = np.maximum(muscle, self.skin[part] + 4 + np.float32(0.6 * self.person.subcutaneous_mm))
        canvas.paint(part, muscle, self.person.hu["muscle"] + 5 * canvas.medium[part])

    def _fill(
        self,
        line: np.ndarray,
        hu: float,
        texture: float,
        stretch: tuple[float, float, float],
    ) -> None:
        found = tube(self.canvas, line, stretch=stretch)
        if found is not None:
            part, distance = found
            distance = np.maximum(distance, self.skin[part] + 4)
            distance = np.where(
                self.diaphragm[part] > -8,
                np.maximum(distance, -self.cavity[part]),
                distance,
            )
            # strands of fat between the bundles
            strands = np.clip(
                self.canvas.fine[part] + 0.6 * self.canvas.medium[part] - self.marbling,
                0,
                1,
            )
            tissue = hu + texture * self.canvas.medium[part] - 50 * strands
            self.canvas.paint(part, distance + 0.8 * self.canvas.medium[part], tissue)

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
        width = piecewise(y, [-110, -85, -30, 10, 30, 60, 110], [2, 8, 26, 30, 26, 28, 30])
        middle = np.abs(x - np.float32(MIDLINE + 3)) - width + 3 * canvas.coarse[part]
        lung = np.maximum(np.maximum(cavity + 2.5, -above), -middle)
        behind = at_level(z, SPINE_Y)
        density = (
            hu["lung"] + 30 * canvas.medium[part] + 70 * np.clip((y - behind) / 40, 0, 1) + 15 * canvas.fine[part]
        )
        canvas.paint(part, lung, density)
        canvas.paint(
            part,
            np.maximum(np.maximum(cavity + 2.5, 4 - above), middle + 1),
            hu["fat"] + 12,
        )
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
                end = np.array(
                    [
                        MIDLINE + side * rng.uniform(45, 125),
                        rng.uniform(-60, 95),
                        rng.uniform(20, 110),
                    ]
                )
                bend = (start + end) / 2 + np.array([side * 12, 0, -8]) + 6 * rng.standard_normal(3)
                line = curve([(*start, 4.2), (*bend, 2.4), (*end, 0.8)], 12)
                found = tube(canvas, line, 2.0)
                if found is not None:
                    where, distance = found
                    canvas.paint(
                        where,
                        np.maximum(distance, inside[where] + 1),
                        0.8 * blood,
                        None,
                    )

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
            canvas.paint(
                part,
                np.maximum(chamber, outside + 6),
                hu["heart_blood"] + 6 * canvas.medium[part],
            )
