"""The pancreas: head, uncinate process, neck, body and tail, with duct and bile duct."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.phantom.canvas import Array, Canvas, Slices
from PancreasSegLib.phantom.individual import Individual
from PancreasSegLib.phantom.shapes import capsule, curve, smooth_union, tube

PANCREAS = 8
_STRETCH = (1.0, 0.92, 1.3)


class Pancreas:
    """The gland's course in one patient.

    Parameters
    ----------
    person : Individual
        The patient.

    Attributes
    ----------
    gland : ndarray, shape (n, 4)
        Axis from the head to the tail with radii, in mm.
    uncinate : ndarray, shape (m, 4)
        Axis of the process that hooks behind the superior mesenteric vein.
    """

    def __init__(self, person: Individual) -> None:
        self.person = person
        rise, drop = person.tail_rise_mm, person.head_drop_mm
        plump = person.rng.uniform(0.85, 1.2, 4)  # head, neck, body, tail
        nodes = np.array(
            [
                (-37, -30, -38 + drop, 7.5 * plump[0]),
                (-37, -31, -25 + 0.8 * drop, 12.0 * plump[0]),
                (-36, -33, -10 + 0.5 * drop, 13.5 * plump[0]),
                (-28, -40, 0, 11.0 * plump[0]),
                (-15, -49, 5, 7.5 * plump[1]),
                (1, -50, 10 + 0.2 * rise, 9.0 * plump[2]),
                (20, -43, 14 + 0.5 * rise, 9.5 * plump[2]),
                (38, -30, 19 + 0.8 * rise, 9.5 * plump[2]),
                (54, -16, 22 + 1.0 * rise, 9.5 * plump[3]),
                (66, -4, 24 + 1.15 * rise, 9.0 * plump[3]),
                (73, 3, 25 + 1.2 * rise, 6.5 * plump[3]),
            ]
        )
        nodes[:, :3] += np.clip(person.rng.standard_normal((11, 3)), -2, 2) * 1.2
        hook = np.array(
            [
                (-33, -28, -24 + 0.8 * drop, 9.0),
                (-24, -25, -27 + 0.8 * drop, 7.5),
                (-13, -26, -28 + 0.8 * drop, 4.5),
            ]
        )
        self.gland, self.uncinate = curve(nodes, 4), curve(hook, 4)

    @property
    def tail(self) -> NDArray[np.float64]:
        """Tip of the tail, mm."""
        return self.gland[-1, :3]

    def distance(self, canvas: Canvas) -> tuple[Slices, Array] | None:
        """Return the distance to the gland's smooth outline, scaled to the patient's volume."""
        factor = 1.0
        for _ in range(3):
            factor *= (self.person.pancreas_ml / self._volume_ml(factor)) ** 0.45
        return self._distance(canvas, factor)

    def _volume_ml(self, factor: float) -> float:
        """Return the volume at a girth, sampled every 3 mm, away from any grid."""
        step = 3.0
        both = np.vstack([self.gland, self.uncinate])
        reach = 1.3 * factor * both[:, 3].max() + 6
        axes = [np.arange(both[:, a].min() - reach, both[:, a].max() + reach, step) for a in range(3)]
        x, y, z = (p.astype(np.float32) for p in np.meshgrid(*axes, indexing="ij"))
        result = []
        for line in (self.gland, self.uncinate):
            nodes = line[::2] * np.array([1, 1, 1, factor])
            stretch = np.asarray(_STRETCH)
            result.append(np.minimum.reduce([capsule(x, y, z, a, b, stretch) for a, b in pairwise(nodes)]))
        voxels = int((smooth_union(result[0], result[1], 5.0) < 0).sum())
        return voxels * step**3 * float(np.prod(self.person.scale)) / 1000.0

    def _distance(self, canvas: Canvas, factor: float) -> tuple[Slices, Array] | None:
        thick = np.array([1, 1, 1, factor])
        gland, hook = self.gland * thick, self.uncinate * thick
        both = np.vstack([gland[:, :3], hook[:, :3]])
        part = canvas.around(both, 1.3 * max(gland[:, 3].max(), hook[:, 3].max()) + 8)
        main, side = (
            tube(canvas, gland, 8.0, _STRETCH),
            tube(canvas, hook, 8.0, _STRETCH),
        )
        if part is None or main is None:
            return None
        distance = _placed(part, *main)
        if side is not None:
            distance = smooth_union(distance, _placed(part, *side), 5.0)
        return part, distance + 1.3 * canvas.medium[part] + 0.35 * canvas.fine[part]


def _placed(part: Slices, inner: Slices, values: Array) -> Array:
    """Return `values` inside a larger box, far elsewhere."""
    shape = tuple(s.stop - s.start for s in part)
    result = np.full(shape, 60.0, dtype=np.float32)
    target, source = [], []
    for outer, own in zip(part, inner, strict=True):
        low, up = max(outer.start, own.start), min(outer.stop, own.stop)
        target.append(slice(low - outer.start, max(low, up) - outer.start))
        source.append(slice(low - own.start, max(low, up) - own.start))
    result[tuple(target)] = values[tuple(source)]
    return result


def paint_pancreas(canvas: Canvas, person: Individual, pancreas: Pancreas) -> None:
    """Paint parenchyma with fatty clefts, the main duct and the bile duct in the head."""
    found = pancreas.distance(canvas)
    if found is None:
        return
    part, distance = found
    hu = person.hu
    canvas.clear(part, distance, 0.7 * person.fat_plane_mm, hu["fat"])
    parenchyma = hu["pancreas"] + 4 * canvas.coarse[part] + 4 * canvas.fine[part]
    canvas.paint(part, distance, parenchyma, PANCREAS)
    # fat enters between the lobules from the surface: thin clefts where a random field passes zero
    share = np.float32(person.pancreas_fat)
    depth = np.clip(-distance / 9.0, 0, 1)
    cleft = np.abs(canvas.medium[part] + 0.6 * canvas.fine[part]) - share * (0.55 - 0.4 * depth)
    fat = np.clip(-cleft / 0.25, 0, 1) * (distance < 0.8)
    canvas.hu[part] += fat * np.float32(0.8) * (hu["fat"] - canvas.hu[part])
    duct = pancreas.gland.copy()
    duct[:, 3] = float(np.clip(1.1 + 0.4 * person.rng.standard_normal(), 0.6, 2.4))
    line = tube(canvas, duct[3:-2], 2.0)
    if line is not None:
        canvas.paint(*line, hu["water"] + 10, None)
    drop = person.head_drop_mm
    bile = [
        (-40, -34, 26, 2.6),
        (-39, -28, 10, 2.4),
        (-41, -24, -10 + 0.5 * drop, 2.2),
        (-45, -24, -26 + drop, 1.6),
    ]
    line = tube(canvas, curve(bile, 4), 2.0)
    if line is not None:
        canvas.paint(*line, hu["bile"], None)
