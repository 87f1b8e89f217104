"""Liver, gallbladder, stomach, spleen, kidneys and adrenals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from PancreasSegLib.phantom.canvas import Array, Canvas, Slices
from PancreasSegLib.phantom.individual import Individual
from PancreasSegLib.phantom.shapes import (
    curve,
    ellipsoid,
    piecewise,
    smooth_intersection,
    smooth_union,
    tube,
)
from PancreasSegLib.phantom.trunk import Trunk

SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, GALLBLADDER, LIVER, STOMACH = 1, 2, 3, 4, 5, 6
_KIDNEY_REACH, _FAT_REACH = np.array([50, 55, 85]), np.array([55, 60, 90])
_KIDNEYS = ((-70.0, 26.0, -32.0), (60.0, 27.0, -22.0))


def paint_liver(canvas: Canvas, person: Individual, trunk: Trunk) -> None:
    """Paint the liver under the right dome, with its veins and fissure, and the gallbladder."""
    part = canvas.box((-160, -125, -75), (85, 85, 125))
    if part is None:
        return
    hu = person.hu
    x, y, z = canvas.at(part)
    shift = person.jitter(5)
    right = ellipsoid(x, y, z, np.array([-82, -8, 28]) + shift, (76, 82, 92))
    front = ellipsoid(x, y, z, np.array([-34, -60, 45]) + shift, (72, 46, 50))
    left = ellipsoid(x, y, z, np.array([22, -72, 55]) + shift, (56 + person.jitter(7, 1)[0], 30, 30))
    liver = smooth_union(smooth_union(right, front, 18), left, 14)
    under = (-52 + 0.5 * (x + 128) - z) * np.float32(0.89)  # the visceral face rises to the left
    # and does not reach behind the cava and the stomach
    rear = piecewise(
        x,
        [-170, -110, -80, -50, -25, 0, 30, 60, 95],
        [104, 66, 42, 14, -12, -32, -46, -60, -80],
    )
    rear = rear + np.clip(0.6 * (z - 45), 0, 30)  # its bare area lies against the diaphragm
    behind = (y - rear + 3 * canvas.coarse[part]) * np.float32(0.76)
    face = smooth_intersection(under, behind, 22)
    liver = smooth_intersection(liver, face, 12)
    caudate = ellipsoid(x, y, z, (-20, -20, 42), (17, 15, 26))
    liver = smooth_union(liver, caudate, 5)
    liver = smooth_intersection(liver, trunk.cavity[part] + 4.0, 6)
    liver = smooth_intersection(liver, trunk.diaphragm[part] + 2.5, 5)
    liver = liver + 0.7 * canvas.medium[part]
    canvas.clear(part, liver, min(person.fat_plane_mm, 1.5), hu["fat"])
    canvas.paint(
        part,
        liver,
        hu["liver"] + 3 * canvas.coarse[part] + 3 * canvas.fine[part],
        LIVER,
    )
    fissure = tube(
        canvas,
        [(-14, -112, 8, 4), (-12, -70, 18, 4), (-16, -48, 26, 5)],
        stretch=(0.5, 1.0, 2.2),
    )
    if fissure is not None:
        canvas.paint(*fissure, hu["fat"] + 15)
    _paint_liver_vessels(canvas, person)


def _paint_liver_vessels(canvas: Canvas, person: Individual) -> None:
    """Paint three hepatic veins to the cava, and the portal branches, down to the third order."""
    trunks = [
        ("hepatic_vein", (-24, 6, 78), [(-60, 18, 70), (-112, 20, 40)], 5.0),
        ("hepatic_vein", (-22, 2, 80), [(-46, -28, 70), (-72, -62, 35)], 5.0),
        ("hepatic_vein", (-18, -2, 80), [(-6, -34, 76), (24, -66, 62)], 4.5),
        ("portal_vein", (-36, -30, 24), [(-64, -18, 30), (-104, -6, 16)], 6.5),
        ("portal_vein", (-60, -20, 29), [(-82, -48, 44), (-104, -58, 62)], 4.5),
        ("portal_vein", (-60, -18, 29), [(-78, 18, 24), (-92, 40, 5)], 4.5),
        (
            "portal_vein",
            (-36, -32, 25),
            [(-26, -48, 42), (-4, -64, 50), (34, -72, 54)],
            5.0,
        ),
        ("portal_vein", (-22, -52, 43), [(-28, -80, 40), (-36, -96, 30)], 3.5),
    ]
    rng = person.rng
    for name, start, rest, radius in trunks:
        points = np.array([start, *rest], dtype=float)
        points[1:] += person.jitter(4, points[1:].size).reshape(-1, 3)
        line = curve(np.column_stack([points, np.linspace(radius, 1.6, len(points))]), 6)
        _paint_inside(canvas, line, person.hu[name])
        heading = (points[-1] - points[0]) / np.linalg.norm(points[-1] - points[0])
        for at in rng.uniform(0.25, 0.9, 4):
            root = line[int(at * (len(line) - 1))]
            aside = rng.standard_normal(3)
            aside -= (aside @ heading) * heading
            aside /= np.linalg.norm(aside)
            reach = rng.uniform(22, 45)
            middle = root[:3] + reach * 0.5 * (0.5 * heading + aside)
            end = root[:3] + reach * (0.8 * heading + 0.8 * aside) + rng.standard_normal(3) * 4
            twig = curve(
                [
                    (*root[:3], 0.62 * root[3]),
                    (*middle, 0.45 * root[3] + 0.4),
                    (*end, 0.7),
                ],
                6,
            )
            _paint_inside(canvas, twig, person.hu[name])


def _paint_inside(canvas: Canvas, line: NDArray, hu: float) -> None:
    """Paint a vessel only where the liver is."""
    found = tube(canvas, line, 2.0)
    if found is not None:
        part, distance = found
        distance = np.where(canvas.labels[part] == LIVER, distance, np.float32(9))
        canvas.paint(part, distance, hu, None)


def paint_gallbladder(canvas: Canvas, person: Individual) -> None:
    """Paint the gallbladder in its bed under the liver."""
    rng = person.rng
    girth = float(np.clip(15 + 4 * rng.standard_normal(), 10, 21))
    fundus = np.array([-80, -72, -18]) + person.jitter(6)
    neck = np.array([-58, -42, 20]) + person.jitter(2)
    middle = 0.5 * (fundus + neck)
    line = curve(
        [
            (*neck, 0.3 * girth),
            (*(0.3 * middle + 0.7 * neck), 0.6 * girth),
            (*middle, 0.95 * girth),
            (*fundus, 0.8 * girth),
        ],
        4,
    )
    found = tube(canvas, line)
    if found is not None:
        part, distance = found
        canvas.paint(part, distance - 1.2, person.hu["liver"] * 0.5 + 20, 0)
        canvas.paint(part, distance, person.hu["bile"] + 2 * canvas.medium[part], GALLBLADDER)


def _stomach_bed(canvas: Canvas, part: Slices, gland: NDArray) -> Array:
    """Return the distance to what lies in front of the pancreas' body and tail, or well above them."""
    x, y, z = canvas.at(part)
    course = gland[np.argsort(gland[:, 0])]
    course = course[course[:, 0] > -20]
    front = piecewise(x, course[:, 0], course[:, 1] - 0.9 * course[:, 3])
    top = piecewise(x, course[:, 0], course[:, 2] + 1.3 * course[:, 3])
    return (y - front - 1.5 * np.clip(z - top, 0, 80)) * np.float32(0.7)


def paint_stomach(canvas: Canvas, person: Individual, trunk: Trunk, gland: NDArray) -> None:
    """Paint the stomach in front of the pancreas: wall with folds, fluid or food below, gas above a level."""
    hu, rng = person.hu, person.rng
    full = float(np.clip(0.92 + 0.22 * rng.standard_normal(), 0.55, 1.35))
    sag = 10 * rng.standard_normal()
    shift = person.jitter(4)
    path = np.array(
        [
            (52, 22, 66, 20 * full + 4),
            (60, -2, 58, 27 * full),
            (62, -32, 44, 28 * full),
            (60, -62, 22, 25 * full),
            (44, -78, 0 + 0.7 * sag, 20 * full),
            (14, -80, -12 + sag, 16 * full),
            (-14, -72, -8 + 0.7 * sag, 12.5),
            (-36, -58, 0, 8),
        ]
    )
    path[:6, :3] += shift
    found = tube(canvas, curve(path, 7))
    if found is None:
        return
    part, distance = found
    distance = smooth_intersection(distance, trunk.cavity[part] + 3, 5)
    distance = smooth_intersection(distance, trunk.diaphragm[part] + 4, 6)
    distance = smooth_intersection(distance, _stomach_bed(canvas, part, gland), 10)
    canvas.clear(part, distance, min(person.fat_plane_mm, 2.0), hu["fat"])
    canvas.paint(part, distance, hu["stomach_wall"] + 6 * canvas.fine[part], STOMACH)
    wall = 4.0 + 1.8 * np.abs(canvas.medium[part])
    lumen = distance + wall
    kind = rng.random()
    if person.oral_contrast:
        content = hu["oral_contrast"] * (0.7 + 0.5 * rng.random()) + 12 * canvas.medium[part]
    elif kind < 0.5:
        content = hu["water"] + 3 * canvas.medium[part]
    else:
        content = 30 + 30 * canvas.medium[part] - 60 * (canvas.fine[part] > 1.4)
    canvas.paint(part, lumen, content, None)
    level = np.float32(rng.uniform(-108, -58))
    canvas.paint(part, smooth_intersection(lumen, canvas.y[part] - level, 1.0), hu["air"], None)


def paint_spleen(canvas: Canvas, person: Individual, trunk: Trunk) -> None:
    """Paint the spleen against the wall and the left dome, hollowed towards the hilum."""
    rng = person.rng
    size = float(np.clip(np.exp(0.2 * rng.standard_normal()), 0.72, 1.5))
    part = canvas.box((30, -60, -50), (160, 100, 120))
    if part is None:
        return
    x, y, z = canvas.at(part)
    centre = np.array([98, 26, 38]) + person.jitter(4)
    axes = Rotation.from_euler("xz", [-18, 12], degrees=True).as_matrix().T
    spleen = ellipsoid(x, y, z, centre, (36 * size, 54 * size, 58 * size), axes)
    hilum = ellipsoid(x, y, z, centre + np.array([-50 * size, -16, -8]), (34, 42, 60))
    spleen = smooth_intersection(spleen, -hilum, 10)
    spleen = smooth_intersection(spleen, trunk.cavity[part] + 4, 6)
    spleen = smooth_intersection(spleen, trunk.diaphragm[part] + 3.0, 5) + 0.6 * canvas.medium[part]
    canvas.clear(part, spleen, min(person.fat_plane_mm, 2), person.hu["fat"])
    canvas.paint(part, spleen, person.hu["spleen"] + 3 * canvas.coarse[part], SPLEEN)


def paint_kidney_fat(canvas: Canvas, person: Individual) -> None:
    """Paint the fat that the kidneys lie in, which keeps the bowel away from them."""
    for centre in _KIDNEYS:
        part = canvas.box(np.array(centre) - _FAT_REACH, np.array(centre) + _FAT_REACH)
        if part is not None:
            around = ellipsoid(
                *canvas.at(part),
                centre,
                (33 + 6 * person.visceral, 37 + 6 * person.visceral, 68),
            )
            canvas.paint(part, around, person.hu["fat"] + 6 * canvas.fine[part])


def paint_kidneys(canvas: Canvas, person: Individual) -> None:
    """Paint both kidneys in their fat: cortex, pyramids, sinus and pelvis; and the adrenals."""
    for side, label, centre in (
        (-1, RIGHT_KIDNEY, _KIDNEYS[0]),
        (1, LEFT_KIDNEY, _KIDNEYS[1]),
    ):
        _paint_kidney(
            canvas,
            person,
            side,
            label,
            np.array(centre, dtype=float) + person.jitter(3),
        )
    for side, start in ((-1, (-32, 14, 36)), (1, (26, 8, 34))):
        for tip in ((10 * side, 18, -6), (3 * side, 20, -12)):
            root = np.array(start, dtype=float)
            limb = curve(
                [
                    (*root, 2.8),
                    (*(root + np.array(tip) * 0.5 + [2, 0, 0]), 2.2),
                    (*(root + tip), 1.8),
                ],
                4,
            )
            found = tube(canvas, limb, stretch=(0.9, 1.0, 2.6))
            if found is not None:
                canvas.paint(*found, person.hu["adrenal"])


def _paint_kidney(canvas: Canvas, person: Individual, side: int, label: int, centre: NDArray) -> None:
    hu, rng = person.hu, person.rng
    size = float(np.clip(1 + 0.08 * rng.standard_normal(), 0.82, 1.2))
    part = canvas.box(centre - _KIDNEY_REACH, centre + _KIDNEY_REACH)
    if part is None:
        return
    x, y, z = canvas.at(part)
    # the long axis leans out and forwards at the lower pole; the hilum faces in and forwards
    axes = Rotation.from_euler("xyz", [-14, 13 * side, 28 * side], degrees=True).as_matrix().T
    kidney = ellipsoid(x, y, z, centre, (25 * size, 29 * size, 57 * size), axes)
    inwards = axes[0] * -side
    hilum = centre + inwards * 25 * size
    notch = ellipsoid(x, y, z, hilum, (15 * size, 13 * size, 20 * size), axes)
    sinus = ellipsoid(x, y, z, centre + inwards * 9 * size, (11 * size, 13 * size, 31 * size), axes)
    outline = smooth_intersection(kidney, -notch, 6) + 0.6 * canvas.medium[part]
    canvas.clear(part, kidney, min(person.fat_plane_mm, 2.5), hu["fat"])
    canvas.paint(part, outline, hu["cortex"] + 4 * canvas.medium[part], label)
    depth = -np.maximum(outline, -sinus)
    pyramids = np.maximum(7.0 - depth, np.abs(canvas.medium[part]) * 4 - 3.4) + np.where(sinus < 0, 9, 0)
    canvas.paint(part, np.maximum(pyramids, outline + 6).astype(np.float32), hu["medulla"], None)
    canvas.paint(part, sinus + 2.0 * canvas.medium[part], hu["fat"] + 25, 0)
    pelvis = tube(
        canvas,
        curve(
            [
                (*(centre + inwards * 10), 5 * size),
                (*(hilum + np.array([0, 2, -4])), 4),
                (*(hilum - np.array([10 * side, -2, 30])), 2.2),
            ],
            5,
        ),
        stretch=(1.0, 1.0, 1.3),
    )
    if pelvis is not None:
        canvas.paint(*pelvis, hu["renal_pelvis"], None)
    for z_up in (-12, 12):
        end = centre + inwards * 6 + axes[2] * z_up * 1.3
        found = tube(canvas, curve([(*hilum, 3.2), (*end, 2.0)], 5))
        if found is not None:
            canvas.paint(*found, hu["cava"], None)
