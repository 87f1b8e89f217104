"""Aorta, cava, and the arteries and veins around the pancreas."""

from __future__ import annotations

import numpy as np

from PancreasSegLib.phantom.canvas import Canvas
from PancreasSegLib.phantom.individual import MIDLINE, Individual
from PancreasSegLib.phantom.shapes import curve, tube

AORTA = 7

_AORTA_LINE = [
    (-1, 34, 190, 12.5), (0, 29, 140, 12), (2, 19, 90, 11.5), (1, 8, 45, 11), (0, 0, 0, 10),
    (-2, -8, -45, 9), (-5, -17, -96, 8.5),
]  # fmt: skip
_CAVA_LINE = [
    (-26, 4, 118, 12), (-25, 8, 84, 12.5), (-27, 5, 50, 12), (-27, 1, 20, 11.5), (-27, -2, -15, 11.5),
    (-26, -6, -50, 10.5), (-22, -14, -104, 10),
]  # fmt: skip


def paint_great_vessels(canvas: Canvas, person: Individual) -> None:
    """Paint aorta, iliac arteries, cava, iliac veins, crura, renal vessels and the oesophagus."""
    hu = person.hu
    girth = float(np.clip(1 + 0.1 * person.rng.standard_normal(), 0.82, 1.25))
    for side in (-1, 1):
        crus = curve(
            [
                (side * 16, 22, 95, 4),
                (side * 15, 6, 40, 6),
                (side * 12 - 2, 4, 0, 5),
                (side * 9 - 2, 8, -35, 2),
            ],
            8,
        )
        _fill(canvas, crus, hu["muscle"], stretch=(0.75, 1.5, 1.0))
        iliac = curve(
            [
                (-5, -17, -94, 6),
                (MIDLINE + side * 18, -14, -125, 5.5),
                (MIDLINE + side * 48, 8, -180, 5),
                (MIDLINE + side * 62, 0, -235, 5),
            ],
            8,
        )
        vein = iliac + np.array([-6.0, 9.0, 0.0, 1.0])
        _fill(canvas, vein, hu["cava"] - 15)
        _fill(canvas, iliac, hu["artery"], 0)
    cava = curve(np.array(_CAVA_LINE, dtype=float), 8)
    _clear_fill(canvas, person, cava, hu["cava"], 0, stretch=(1.12, 0.82, 1.0))
    aorta = curve(np.array(_AORTA_LINE, dtype=float), 8)
    aorta[:, 3] *= girth
    _clear_fill(canvas, person, aorta, hu["artery"], AORTA)
    _fill(
        canvas,
        curve([(10, 8, 190, 8), (14, 4, 120, 8), (22, -2, 92, 8), (40, 2, 76, 10)], 8),
        hu["muscle"] - 5,
    )
    left = [(46, 16, -22, 4), (20, -8, -16, 4.2), (0, -14.5, -14, 4), (-20, -8, -12, 5)]
    _fill(canvas, curve(left, 5), hu["cava"] + 10)
    _fill(canvas, curve([(-52, 16, -28, 4), (-32, 2, -22, 5)], 5), hu["cava"] + 10)
    _fill(
        canvas,
        curve([(4, 0, -12, 2.6), (24, 8, -16, 2.6), (46, 20, -22, 2.2)], 5),
        hu["artery"],
    )
    _fill(
        canvas,
        curve([(-6, 0, -16, 2.6), (-28, 12, -20, 2.6), (-54, 20, -28, 2.2)], 5),
        hu["artery"],
    )


def paint_pancreatic_vessels(canvas: Canvas, person: Individual, rise_mm: float, tail: np.ndarray) -> None:
    """Paint portal, splenic and mesenteric veins, coeliac trunk, splenic and hepatic arteries, mesenteric artery.

    Parameters
    ----------
    rise_mm : float
        How much higher than average the tail lies.
    tail : ndarray, shape (3,)
        Tip of the tail.
    """
    hu, rng = person.hu, person.rng
    portal = [(-14, -38, 2, 6), (-22, -36, 12, 6.5), (-36, -31, 24, 6.5)]
    mesenteric = [
        (-14, -38, 4, 6),
        (-14, -39, -14, 5.8),
        (-13, -44, -48, 5),
        (-18, -50, -90, 3.5),
        (-36, -56, -130, 2),
    ]
    hilum = tail + np.array([14.0, 10.0, 4.0])
    splenic = [
        (-13, -38, 3, 5), (4, -36, 9 + 0.2 * rise_mm, 4.6), (22, -31, 13 + 0.5 * rise_mm, 4.6),
        (40, -18, 18 + 0.8 * rise_mm, 4.4), (tail[0] - 12, tail[1] + 7, tail[2] - 1, 4.2), (*hilum, 3.5),
    ]  # fmt: skip
    superior = [
        (0, -8, 10, 4),
        (0, -18, 4, 4),
        (1, -24, -10, 3.8),
        (1, -33, -34, 3.6),
        (-2, -42, -60, 3.2),
        (-12, -48, -110, 2),
    ]
    coeliac = [(0, -9, 24, 4), (0, -19, 27, 3.6), (2, -25, 27, 3.4)]
    wave = 4.0
    artery = [
        (2, -25, 27, 3), (14, -32, 26 + 0.4 * rise_mm + wave, 2.7), (28, -27, 27 + 0.6 * rise_mm - wave, 2.6),
        (42, -17, 31 + 0.8 * rise_mm + wave, 2.6), (tail[0] - 12, tail[1] + 2, tail[2] + 9, 2.4),
        (*(hilum + np.array([4, 2, 10])), 2),
    ]  # fmt: skip
    hepatic = [
        (2, -25, 27, 2.8),
        (-12, -36, 23, 2.5),
        (-26, -40, 22, 2.3),
        (-38, -36, 28, 2),
    ]
    _fill(canvas, curve(np.array(artery, dtype=float), 4), hu["artery"])
    _fill(canvas, curve(np.array(hepatic, dtype=float), 4), hu["artery"])
    _clear_fill(canvas, person, curve(np.array(coeliac, dtype=float), 4), hu["artery"], 0)
    for line in (splenic, portal, mesenteric):
        _fill(canvas, curve(np.array(line, dtype=float), 4), hu["portal_vein"])
    _clear_fill(canvas, person, curve(np.array(superior, dtype=float), 4), hu["artery"], 0)
    for _ in range(6):
        end = hilum + rng.uniform(-12, 14, 3) + [8, 6, 0]
        _fill(canvas, curve([(*hilum, 2.6), (*end, 1.4)], 4), hu["portal_vein"], None)


def _fill(
    canvas: Canvas,
    line: np.ndarray,
    hu: float,
    label: int | None = 0,
    stretch: tuple = (1.0, 1.0, 1.0),
) -> None:
    found = tube(canvas, line, stretch=stretch)
    if found is not None:
        canvas.paint(*found, hu, label)


def _clear_fill(
    canvas: Canvas,
    person: Individual,
    line: np.ndarray,
    hu: float,
    label: int,
    stretch: tuple = (1.0, 1.0, 1.0),
) -> None:
    """Paint a vessel in its own sheath of fat."""
    found = tube(canvas, line, reach_mm=6.0, stretch=stretch)
    if found is not None:
        part, distance = found
        canvas.clear(part, distance, 0.6 * person.fat_plane_mm, person.hu["fat"])
        canvas.paint(part, distance, hu, label)
