"""Small bowel, colon and duodenum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.phantom.canvas import Canvas
from PancreasSegLib.phantom.individual import Individual
from PancreasSegLib.phantom.shapes import curve, smooth_intersection, tube
from PancreasSegLib.phantom.trunk import Trunk


def paint_small_bowel(canvas: Canvas, person: Individual, trunk: Trunk) -> None:
    """Paint loops of jejunum and ileum packed around the mesentery, fed by its vessels."""
    rng = person.rng
    loops = []
    for z in np.arange(-215, -20, 27.0):
        for x in np.arange(-75, 96, 32.0):
            for y in (-76.0, -46.0, -16.0):
                above = z > -50
                if above and (x < 25 or y > -20):
                    continue
                if y > -20 and abs(x + 7) < 62:
                    continue
                loops.append(np.array([x, y, z]) + rng.uniform(-9, 9, 3))
    order = rng.permutation(len(loops))
    for centre in (loops[n] for n in order[: int(len(loops) * (0.92 - 0.25 * person.visceral))]):
        heading = rng.standard_normal(3) * [1.0, 0.7, 0.8]
        heading /= np.linalg.norm(heading)
        bend = np.cross(heading, rng.standard_normal(3))
        bend /= np.linalg.norm(bend) + 1e-6
        half = rng.uniform(18, 30)
        radius = rng.uniform(9.0, 13.5)
        line = curve(
            [
                (*(centre - heading * half + bend * 8), radius * 0.8),
                (*centre, radius),
                (*(centre + heading * half + bend * 8), radius * 0.8),
            ],
            6,
        )
        _paint_loop(canvas, person, trunk, line)


def _paint_loop(canvas: Canvas, person: Individual, trunk: Trunk, line: NDArray) -> None:
    hu = person.hu
    kind, strength, fluid, height = person.rng.random(4)
    found = tube(canvas, line)
    if found is None:
        return
    part, distance = found
    distance = smooth_intersection(distance, trunk.cavity[part] + 3, 3) + 0.5 * canvas.medium[part]
    canvas.clear(part, distance, min(0.5 * person.fat_plane_mm, 1.2), hu["fat"])
    canvas.paint(part, distance, hu["bowel_wall"] + 6 * canvas.fine[part])
    if kind < 0.3:  # collapsed: folds only
        return
    if person.oral_contrast and kind < 0.8:
        content = hu["oral_contrast"] * (0.6 + 0.7 * strength)
    else:
        content = 8 + 37 * fluid
    lumen = distance + 2.4 + 1.0 * np.abs(canvas.fine[part])
    canvas.paint(part, lumen, content + 8 * canvas.medium[part])
    if kind > 0.88:
        level = np.float32(line[:, 1].mean() - 6 + 8 * height)
        canvas.paint(part, smooth_intersection(lumen, canvas.y[part] - level, 1.0), hu["air"])


def paint_mesentery(canvas: Canvas, person: Individual) -> None:
    """Paint vessels that fan out from the mesenteric root, and strands in the fat."""
    rng, hu = person.rng, person.hu
    for _ in range(64):
        at = rng.uniform(0, 1)
        root = np.array([-8.0, -38.0, -20.0]) * (1 - at) + np.array([-22.0, -46.0, -120.0]) * at
        end = np.array(
            [
                rng.uniform(-85, 95),
                rng.uniform(-95, -25),
                root[2] + rng.uniform(-75, 20),
            ]
        )
        bend = (root + end) / 2 + rng.standard_normal(3) * [8, 6, 8] + [0, -8, 4]
        radius = rng.uniform(0.8, 2.2)
        vein = rng.random() < 0.6
        line = curve([(*root, radius), (*bend, 0.8 * radius), (*end, 0.5 * radius)], 8)
        found = tube(canvas, line, 2.0)
        if found is not None:
            canvas.paint(*found, hu["portal_vein"] if vein else hu["artery"])


def paint_colon(canvas: Canvas, person: Individual, trunk: Trunk) -> None:
    """Paint the colon from caecum to sigmoid, with haustra, stool and gas."""
    hu, rng = person.hu, person.rng
    sag = rng.uniform(-55, 5)
    path = np.array(
        [
            (-100, -30, -190, 22),
            (-108, -18, -150, 23),
            (-112, -8, -105, 21),
            (-104, -14, -66, 20),
            (-86, -52, -48, 19),
            (-52, -84, -40 + 0.5 * sag, 18),
            (0, -88, -42 + sag, 17),
            (52, -84, -22 + 0.5 * sag, 17),
            (92, -48, 6, 16),
            (112, -6, 22, 16),
            (116, 12, -14, 14),
            (118, 8, -70, 13),
            (116, -2, -125, 13),
            (96, -12, -172, 13),
            (50, -20, -205, 13),
            (0, -10, -225, 13),
        ]
    )
    path[:, :3] += person.jitter(4, 48).reshape(-1, 3)
    path[:, 3] *= float(np.clip(1 + 0.14 * rng.standard_normal(), 0.75, 1.35))
    line = curve(path, 6)
    run = np.arange(len(line)) * 6.0
    line[:, 3] *= 0.9 + 0.16 * np.abs(np.sin(run / 11.0 + rng.uniform(0, 6)))
    pieces = np.array_split(np.arange(len(line)), 14)
    for piece in pieces:
        piece = np.r_[piece, min(piece[-1] + 1, len(line) - 1)]
        found = tube(canvas, line[piece])
        if found is None:
            continue
        part, distance = found
        distance = smooth_intersection(distance, trunk.cavity[part] + 3, 3) + 0.6 * canvas.medium[part]
        canvas.clear(part, distance, min(0.6 * person.fat_plane_mm, 1.5), hu["fat"])
        canvas.paint(part, distance, hu["bowel_wall"] - 10)
    gas_share = rng.uniform(0.25, 0.75)
    for piece in pieces:
        piece = np.r_[piece, min(piece[-1] + 1, len(line) - 1)]
        gas, height = rng.random(2)
        found = tube(canvas, line[piece])
        if found is None:
            continue
        part, distance = found
        distance = smooth_intersection(distance, trunk.cavity[part] + 3, 3) + 0.6 * canvas.medium[part]
        lumen = distance + 2.2
        stool = 25 + 35 * canvas.medium[part] - 260 * np.clip(canvas.fine[part] - 0.7, 0, 2)
        canvas.paint(part, lumen, stool)
        if gas < gas_share:
            level = np.float32(line[piece, 1].mean() - 10 + 20 * height)
            canvas.paint(part, smooth_intersection(lumen, canvas.y[part] - level, 2.0), hu["air"])


def paint_duodenum(canvas: Canvas, person: Individual, drop_mm: float) -> None:
    """Paint the duodenum: bulb, descending part at the head's right, third part in front of the aorta."""
    hu, rng = person.hu, person.rng
    bulb = [(-36, -58, 0, 8), (-50, -50, 8, 11), (-58, -36, 2, 11)]
    loop = [
        (-59, -26, -14 + 0.5 * drop_mm, 11),
        (-55, -22, -34 + drop_mm, 11),
        (-42, -24, -49 + drop_mm, 10.5),
        (-22, -29, -52 + drop_mm, 9.5),
        (4, -30, -50 + drop_mm, 8.5),
        (24, -24, -38 + 0.5 * drop_mm, 9.5),
        (34, -34, -18, 10),
        (46, -52, -26, 11),
    ]
    line = curve(np.array(bulb + loop, dtype=float), 5)
    pieces = np.array_split(np.arange(len(line)), 4)
    for piece in pieces:
        piece = np.r_[piece, min(piece[-1] + 1, len(line) - 1)]
        kind, fluid = rng.random(2)
        found = tube(canvas, line[piece])
        if found is None:
            continue
        part, distance = found
        distance = distance + 0.6 * canvas.medium[part]
        canvas.paint(part, distance, hu["bowel_wall"] + 5 * canvas.fine[part])
        if kind > 0.25:
            content = hu["oral_contrast"] * 0.8 if person.oral_contrast and kind > 0.5 else 8 + 27 * fluid
            canvas.paint(part, distance + 3.0 + 1.0 * np.abs(canvas.fine[part]), content)
            if kind > 0.85:
                level = np.float32(line[piece, 1].mean() - 5)
                canvas.paint(
                    part,
                    smooth_intersection(distance + 3.0, canvas.y[part] - level, 1.0),
                    hu["air"],
                )
