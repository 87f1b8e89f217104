"""Spine, ribs, sternum and pelvis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.phantom.canvas import Array, Canvas
from PancreasSegLib.phantom.individual import MIDLINE, Individual
from PancreasSegLib.phantom.shapes import curve, ellipsoid, smooth_intersection, tube
from PancreasSegLib.phantom.trunk import (
    ROUNDNESS,
    SPINE_Y,
    WALL,
    Trunk,
    at_level,
    iliac_distance,
)

# Heights of the vertebral bodies' centres in mm, T7 to L5.
_VERTEBRAE = (178.0, 151.0, 124.5, 97.5, 69.5, 40.0, 8.0, -26.0, -61.0, -97.0, -132.0)
_SHELL_MM = 1.6


def paint_skeleton(canvas: Canvas, person: Individual, trunk: Trunk) -> None:
    """Paint all bones and discs in view."""
    _paint_spine(canvas, person)
    _paint_ribs(canvas, person, trunk)
    _paint_pelvis(canvas, person)


def _paint_bone(
    canvas: Canvas,
    person: Individual,
    part: tuple[slice, slice, slice],
    distance: Array,
    density: float = 1.0,
) -> None:
    """Paint a cortical shell (thinner ones are less dense at the scanner's resolution) and trabecular inside."""
    hu = person.hu
    canvas.paint(part, distance, density * hu["cortical"])
    inside = hu["trabecular"] + 30 * canvas.fine[part] + 20 * canvas.medium[part]
    canvas.paint(part, distance + np.float32(_SHELL_MM), inside, 0)


def _paint_spine(canvas: Canvas, person: Individual) -> None:
    heights = np.asarray(_VERTEBRAE)
    for number, height in enumerate(heights):
        pitch = heights[number - 1] - height if number else 27.0
        below = height - heights[number + 1] if number + 1 < len(heights) else 36.0
        y0 = float(np.interp(height, [-230, -190, -150, -110, -60, 0, 50, 100, 150], SPINE_Y))
        lumbar = float(np.clip((60 - height) / 60, 0, 1))
        rx, ry, half = 17 + 6 * lumbar, 14 + 3 * lumbar, 0.38 * pitch
        part = canvas.box(
            (MIDLINE - 55, y0 - 25, height - pitch),
            (MIDLINE + 55, y0 + 80, height + pitch),
        )
        if part is None:
            continue
        x, y, z = canvas.at(part)
        dx, dy, dz = (
            x - np.float32(MIDLINE),
            y - at_level(z, SPINE_Y),
            z - np.float32(height),
        )
        waist = 1 - 0.09 * np.clip(1 - (dz / half) ** 2, 0, 1)
        round_ = (np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2) - waist) * ry
        disc = smooth_intersection(round_ + 1.0, np.abs(dz + half + 0.12 * below) - 0.13 * below, 2.0)
        canvas.paint(part, disc, person.hu["disc"])
        body = smooth_intersection(round_, np.abs(dz) - half, 3.0)
        _paint_bone(canvas, person, part, body, 0.55)
        _paint_arch(canvas, person, part, (dx, dy, dz), ry, half, lumbar)


def _paint_arch(
    canvas: Canvas,
    person: Individual,
    part: tuple[slice, slice, slice],
    offset: tuple[Array, Array, Array],
    ry: float,
    half: float,
    lumbar: float,
) -> None:
    """Paint pedicles, laminae, processes and the canal of one vertebra."""
    dx, dy, dz = offset
    side = np.abs(dx)
    back = np.float32(ry + 9)
    ring = np.sqrt((dx / 15) ** 2 + ((dy - back) / 13) ** 2)
    arch = smooth_intersection((np.abs(ring - 1) - 0.22) * 13, np.abs(dz + 2) - 0.62 * half, 2.0)
    arch = np.maximum(arch, -(dy - np.float32(ry - 6)))
    spinous = ellipsoid(side, dy, dz, (0, ry + 33, -7 - 6 * (1 - lumbar)), (3.8, 19, 8 + 4 * lumbar))
    transverse = ellipsoid(side, dy, dz, (27, ry + 9, 2), (17, 4.2, 5.5))
    facet = ellipsoid(side, dy, dz, (16, ry + 17, -half), (6, 6.5, 11))
    bone = np.minimum(np.minimum(arch, spinous), np.minimum(transverse, facet))
    _paint_bone(canvas, person, part, bone)
    canal = np.maximum((np.sqrt((dx / 11) ** 2 + ((dy - back) / 8.5) ** 2) - 1) * 8.5, np.abs(dz) - 20)
    canvas.paint(part, canal, person.hu["canal"] - 25)
    canvas.paint(part, canal + 2.5, person.hu["canal"])


def _along_wall(turn: NDArray, z: NDArray, side: int, visceral: float) -> NDArray[np.float64]:
    """Return points just outside the cavity, `turn` radians around the body from the spine, at heights `z`."""
    levels, half_width, front_y, back_y = WALL
    grow = 14 * (visceral - 0.4)
    half = np.interp(z, levels, half_width) + 0.8 * grow + 6
    front = np.interp(z, levels, front_y) - 1.6 * grow - 5
    back = np.interp(z, levels, back_y) + 6
    middle = 0.42 * front + 0.58 * back
    power = 2 / ROUNDNESS
    s, c = np.sin(turn), np.cos(turn)
    x = MIDLINE + side * half * np.abs(s) ** power
    y = middle + np.where(c > 0, back - middle, middle - front) * np.sign(c) * np.abs(c) ** power
    return np.stack([x, y, z], axis=1)


def _paint_ribs(canvas: Canvas, person: Individual, trunk: Trunk) -> None:
    """Paint ribs 6 to 12 along the wall, falling to the front, with their cartilage, and the sternum's tip."""
    heads = {12: 40.0, 11: 69.5, 10: 97.5, 9: 124.5, 8: 151.0, 7: 178.0, 6: 205.0}
    reach = {12: 0.36, 11: 0.52, 10: 0.66, 9: 0.68, 8: 0.71, 7: 0.75, 6: 0.78}  # share of half a turn
    for number, top in heads.items():
        for side in (-1, 1):
            turn = np.linspace(0.09, reach[number], 32) * np.pi
            z = top + 8 - 62 * (1 - np.cos(turn)) * (0.9 if number > 10 else 1.0)
            bone = _along_wall(turn, z, side, person.visceral)
            found = tube(canvas, np.column_stack([bone, np.full(len(z), 4.3)]), stretch=(1.0, 1.0, 1.55))
            if found is not None:
                _paint_bone(canvas, person, *found)
            if number > 10:
                continue
            onwards = np.linspace(reach[number], 0.93, 14) * np.pi
            rise = np.interp(onwards, [onwards[0], onwards[4], onwards[-1]], [z[-1], z[-1] - 6, z[-1] + 26])
            line = _along_wall(onwards, rise, side, person.visceral)
            found = tube(canvas, np.column_stack([line, np.full(14, 4.2)]), stretch=(1.0, 1.0, 1.5))
            if found is not None:
                part, distance = found
                canvas.paint(part, np.maximum(distance, -trunk.cavity[part]), person.hu["cartilage"])
    grow = 14 * (person.visceral - 0.4)
    sternum = tube(
        canvas,
        [(MIDLINE, -92 - 1.6 * grow, 110, 6), (MIDLINE, -88 - 1.6 * grow, 220, 7)],
        stretch=(2.4, 0.8, 1),
    )
    if sternum is not None:
        _paint_bone(canvas, person, *sternum)


def _paint_pelvis(canvas: Canvas, person: Individual) -> None:
    """Paint the sacrum and the wings of the iliac bones."""
    sacrum = tube(
        canvas,
        curve(
            [(MIDLINE, 30, -152, 20), (MIDLINE, 48, -185, 20), (MIDLINE, 72, -230, 15)],
            8,
        ),
        stretch=(2.1, 0.95, 1.0),
    )
    if sacrum is not None:
        where, distance = sacrum
        _paint_bone(canvas, person, where, distance)
        x, y, z = canvas.at(where)
        for offset in (0.0, 15.0):
            hole = (
                np.hypot(
                    (np.abs(x - np.float32(MIDLINE)) - offset) / 1.3,
                    y - at_level(z, SPINE_Y) - 17,
                )
                - 5.5
            )
            canvas.paint(where, np.maximum(hole, distance + 2), person.hu["canal"])
    part = canvas.box((MIDLINE - 150, -80, -240), (MIDLINE + 150, 110, -80))
    if part is None:
        return
    x, y, z = canvas.at(part)
    across = np.abs(x - np.float32(MIDLINE))
    sheet = np.abs(iliac_distance(across, y, z))
    crest = -96 - 0.011 * (y - 30) ** 2 + 0.06 * (y - 30)
    thick = 3.2 + 4.5 * np.exp(-(((crest - z) / 9) ** 2)) + 5 * np.clip((y - 45) / 30, 0, 1)
    wing = smooth_intersection(sheet - thick, z - crest.astype(np.float32), 4.0)
    wing = smooth_intersection(np.maximum(wing, 38 - across), -24 + 0.25 * (z + 100) - y, 5.0)
    _paint_bone(canvas, person, part, wing.astype(np.float32))
