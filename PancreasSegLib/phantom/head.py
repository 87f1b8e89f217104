"""A generated head CT: a scan that holds no pancreas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from PancreasSegLib.phantom.canvas import Canvas
from PancreasSegLib.phantom.phantom import Phantom
from PancreasSegLib.phantom.scanner import HIGHEST_HU, LOWEST_HU, blur, noise
from PancreasSegLib.phantom.shapes import ellipsoid, smooth_union
from PancreasSegLib.volume import Geometry, Volume

_SCALP, _GREY, _WHITE, _FLUID, _SINUS = 30.0, 38.0, 29.0, 8.0, -950.0


def make_head_phantom(
    seed: int = 0,
    *,
    spacing_mm: Sequence[float] = (1.0, 1.0, 3.0),
    noise_hu: float = 4.0,
) -> Phantom:
    """Generate a head CT: scalp, skull, brain with ventricles, eyes, sinuses; its label map is empty.

    Parameters
    ----------
    seed : int
        The patient.
    spacing_mm : sequence of 3 float
        Spacing to the Left, to Posterior and to Superior.
    noise_hu : float
        Standard deviation of the noise in HU.

    Examples
    --------
    >>> head = make_head_phantom(spacing_mm=(4, 4, 6))
    >>> int(head.ct.voxels.max()) > 700, bool(head.labels.voxels.any())
    (True, False)
    """
    rng, noise_rng = (np.random.default_rng([seed, part]) for part in (11, 12))
    extent = np.array([220.0, 250.0, 190.0])
    step = np.asarray(spacing_mm, dtype=np.float64)
    geometry = Geometry(
        tuple(np.round(extent / step).astype(int)),
        tuple(step),
        tuple(step / 2 - extent / 2),
    )
    size_factor = float(np.clip(1 + 0.03 * rng.standard_normal(), 0.93, 1.07))
    canvas = Canvas(geometry, (size_factor,) * 3, [(60.0, 2.0)], (0.0, 0.0, 0.0), rng)
    _paint_head(canvas)
    image = blur(canvas.hu, geometry, 1.0)
    if noise_hu > 0:
        image += noise(geometry, noise_hu, noise_rng)
    voxels = np.clip(np.rint(image), LOWEST_HU, HIGHEST_HU).astype(np.int16)
    source = {"format": "head phantom", "seed": seed}
    return Phantom(Volume(voxels, geometry, source), Volume(canvas.labels, geometry, source))


def _paint_head(canvas: Canvas) -> None:
    part = canvas.whole()
    x, y, z = canvas.at(part)
    side = np.abs(x)
    skull = ellipsoid(x, y, z, (0, 6, 10), (70, 88, 72))
    face = ellipsoid(x, y, z, (0, -38, -60), (52, 52, 62))
    neck = np.maximum(np.hypot(x / 1.05, y - 22) - 52, z + 20)
    outside = smooth_union(smooth_union(skull - 7, face, 14), neck, 14)
    canvas.paint(part, outside, _SCALP)
    canvas.paint(
        part,
        smooth_union(face + 6, neck + 5, 8),
        -60 + 70 * np.clip(canvas.medium, -1, 1),
    )
    canvas.paint(part, skull, 1150.0)
    canvas.paint(part, np.maximum(skull + 2.2, -(skull + 4.2)), 600.0)
    brain = skull + 6.5
    gyri = np.clip(np.abs(canvas.medium) * 3, 0, 1)
    depth = np.clip((-brain - 5) / 6, 0, 1)
    canvas.paint(part, brain, _FLUID)
    canvas.paint(part, brain + 2 + 2 * (1 - gyri), _GREY + depth * (_WHITE - _GREY) + canvas.fine)
    ventricle = ellipsoid(side, y, z, (9, 5, 18), (6, 28, 12))
    canvas.paint(part, np.minimum(ventricle, ellipsoid(x, y, z, (0, 8, 2), (3, 12, 10))), _FLUID)
    base = np.maximum(
        np.abs(z + 42 - 0.25 * y) - 2.5,
        np.maximum(np.hypot(x / 62, (y - 5) / 75) - 1, -62 + side),
    )
    canvas.paint(part, np.maximum(base + 2 * canvas.medium, skull + 2), 900.0)
    for centre, radii in (
        ((0, -62, -58), (14, 18, 22)),
        ((27, -55, -62), (13, 16, 15)),
        ((46, 12, -52), (7, 10, 8)),
    ):
        canvas.paint(part, ellipsoid(side, y, z, centre, radii) - 2, 700.0)
        canvas.paint(part, ellipsoid(side, y, z, centre, radii), _SINUS)
    canvas.paint(part, ellipsoid(side, y, z, (32, -72, -34), (13, 13, 13)), 15.0)
    canvas.paint(part, np.maximum(np.hypot(x, y - 20) - 14, z + 60), 600.0)
    canvas.paint(part, np.maximum(np.hypot(x, y - 40) - 9, z + 50), 25.0)
