"""One case as a reader judges it: slices with both outlines, and where the surfaces differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.pictures.distance_map import draw_distance_bar, draw_distance_map
from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import OUTLINE, REFERENCE, TEXT, new_figure
from PancreasSegLib.volume import Box, Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH_PX = 1500
_SLICES = 5
_SURFACES_PX = 330
_LEGEND_PX = 26
_CONTEXT_MM = 22.0


def comparison_view(volume: Volume, reference: NDArray, prediction: NDArray) -> Figure:
    """Draw five axial slices with both outlines, and both surfaces with the distance to the other one.

    One of the slices is that with the largest wrong area; the others lie evenly through both masks.

    Parameters
    ----------
    volume : Volume
        The CT, any axes.
    reference, prediction : ndarray, shape (z, y, x)
        Masks on the CT's grid; nonzero is inside. One of them may be empty.

    Raises
    ------
    GeometryError
        If a mask does not lie on the CT's grid.
    """
    for name, array in (("reference", reference), ("prediction", prediction)):
        if tuple(array.shape) != volume.geometry.shape_zyx:
            raise GeometryError(f"The {name} of shape {tuple(array.shape)} does not lie on the CT's grid.")
    scan, axes = volume.canonical()
    truth, found = axes.apply(reference) != 0, axes.apply(prediction) != 0
    box = Box.of_mask(truth | found) or Box.whole(scan.geometry)
    frame = box.grown((_CONTEXT_MM, _CONTEXT_MM, 0.0), scan.geometry)
    (i0, j0, _), (i1, j1, _) = frame.lower_ijk, frame.upper_ijk
    dx, dy, dz = scan.geometry.spacing_mm
    panel = _WIDTH_PX / _SLICES
    slice_px = round(panel * (j1 - j0) * dy / ((i1 - i0) * dx))
    height = _LEGEND_PX + slice_px + _SURFACES_PX
    figure = new_figure(_WIDTH_PX, height)
    for n, (k, worst) in enumerate(_levels(truth, found, box)):
        part = (k, slice(j0, j1), slice(i0, i1))
        place = scan.geometry.index_to_lps(((i0 + i1) / 2, (j0 + j1) / 2, k))[2]
        where = f"{'S' if place >= 0 else 'I'} {abs(place):.0f} mm"
        draw_slice(
            figure.add_axes((n / _SLICES, _SURFACES_PX / height, 1 / _SLICES, slice_px / height)),
            scan.voxels[part],
            (dx, dy),
            [Outline(truth[part], REFERENCE, 1.4), Outline(found[part], OUTLINE, 1.4)],
            caption=f"{where}, largest error" if worst else where,
            bar_mm=20 if n == _SLICES - 1 else None,
        )
    middle = 1 - _LEGEND_PX / 2 / height
    figure.text(0.006, middle, "reference", color=REFERENCE, fontsize=10, va="center")
    figure.text(0.056, middle, "prediction", color=OUTLINE, fontsize=10, va="center")
    figure.text(0.994, middle, "axial, seen from below", color=TEXT, fontsize=9, va="center", ha="right")
    inside, spacing = frame.slices_zyx, np.array((dx, dy, dz))
    limits = tuple((np.subtract(corner, frame.lower_ijk)) * spacing for corner in (box.lower_ijk, box.upper_ijk))
    room = 0.44 * _WIDTH_PX / _SURFACES_PX
    for left, mask, other, name in (
        (0.02, truth[inside], found[inside], "reference"),
        (0.47, found[inside], truth[inside], "prediction"),
    ):
        # matplotlib keeps 3D axes square: a square in the middle of the room, drawn over on both sides
        square = _SURFACES_PX / _WIDTH_PX
        place = (left + (0.44 - square) / 2, 0, square, _SURFACES_PX / height)
        draw_distance_map(
            figure.add_axes(place, projection="3d", facecolor="none"),
            mask,
            other,
            (dx, dy, dz),
            on_reference=name == "reference",
            caption=f"surface of the {name}, from the front",
            width_ratio=room,
            limits=(limits[0], limits[1]),
        )
    draw_distance_bar(figure, (0.935, 0.1 * _SURFACES_PX / height, 0.011, 0.8 * _SURFACES_PX / height))
    return figure


def _levels(truth: NDArray[np.bool_], found: NDArray[np.bool_], box: Box) -> list[tuple[int, bool]]:
    """Return the slices from top to bottom, and whether each is that with the largest wrong area."""
    k0, k1 = box.lower_ijk[2], box.upper_ijk[2]
    margin = 0.1 * (k1 - k0)
    levels = np.clip(np.round(np.linspace(k0 + margin, k1 - 1 - margin, _SLICES)).astype(int), k0, k1 - 1)
    wrong = (truth ^ found).sum(axis=(1, 2))
    worst = int(np.argmax(wrong)) if wrong.any() else -1
    if worst >= 0:
        levels[int(np.argmin(np.abs(levels - worst)))] = worst
    return [(int(k), int(k) == worst) for k in np.unique(levels)[::-1]]
