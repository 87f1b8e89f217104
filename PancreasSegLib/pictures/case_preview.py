"""A small picture of one case for a training report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import FAINT, OUTLINE, REFERENCE, TEXT, new_figure, write_figure
from PancreasSegLib.volume import Box, Volume

_PANEL_PX = 300
_HEADER_PX = 34
_CONTEXT_MM = 20.0


def write_case_preview(
    path: str | Path,
    volume: Volume,
    reference: NDArray,
    prediction: NDArray,
    title: str = "",
    *,
    slices: int = 5,
) -> None:
    """Write a row of axial slices with the reference outlined in blue and the prediction in orange.

    Parameters
    ----------
    path : str or Path
        The picture.
    volume : Volume
        The CT, any axes.
    reference, prediction : ndarray, shape (z, y, x)
        Masks of one organ on the CT's grid; nonzero is inside.
    title : str
        Headline, such as the case's name and Dice.
    slices : int
        How many, evenly through the reference (the prediction, where there is no reference).

    Raises
    ------
    GeometryError
        If a mask does not lie on the CT's grid.
    OutputError
        If the file cannot be written.
    """
    for name, array in (("reference", reference), ("prediction", prediction)):
        if tuple(array.shape) != volume.geometry.shape_zyx:
            raise GeometryError(
                f"The {name} of shape {tuple(array.shape)} does not lie on the CT's grid (z, y, x)."
            )
    scan, axes = volume.canonical()
    truth, found = axes.apply(reference) != 0, axes.apply(prediction) != 0
    box = Box.of_mask(truth) or Box.of_mask(found) or Box.whole(scan.geometry)
    frame = box.grown((_CONTEXT_MM, _CONTEXT_MM, 0.0), scan.geometry)
    (i0, j0, k0), (i1, j1, k1) = frame.lower_ijk, frame.upper_ijk
    levels = np.unique(np.round(np.linspace(k0 + 0.1 * (k1 - k0), k1 - 1 - 0.1 * (k1 - k0), slices)).astype(int))
    levels = np.clip(levels, k0, k1 - 1)[::-1]
    dx, dy, _ = scan.geometry.spacing_mm
    height = max(60, round(_PANEL_PX * (j1 - j0) * dy / ((i1 - i0) * dx)))
    figure = new_figure(_PANEL_PX * len(levels), height + _HEADER_PX)
    for n, k in enumerate(levels):
        panel = figure.add_axes((n / len(levels), 0, 1 / len(levels), height / (height + _HEADER_PX)))
        part = (k, slice(j0, j1), slice(i0, i1))
        place = scan.geometry.index_to_lps(((i0 + i1) / 2, (j0 + j1) / 2, k))[2]
        draw_slice(
            panel,
            scan.voxels[part],
            (dx, dy),
            [Outline(truth[part], REFERENCE, 1.1), Outline(found[part], OUTLINE, 1.1)],
            caption=f"{'S' if place >= 0 else 'I'} {abs(place):.0f} mm",
        )
    middle = 1 - _HEADER_PX / 2 / (height + _HEADER_PX)
    figure.text(0.005, middle, title, color=TEXT, fontsize=11, va="center")
    figure.text(0.995, middle, "prediction", color=OUTLINE, fontsize=10, va="center", ha="right")
    figure.text(
        0.995 - 85 / (_PANEL_PX * len(levels)),
        middle,
        "reference",
        color=REFERENCE,
        fontsize=10,
        va="center",
        ha="right",
    )
    if not truth.any() or not found.any():
        missing = (
            "neither mask has a voxel"
            if not (truth.any() or found.any())
            else ("the prediction is empty" if truth.any() else "the reference is empty")
        )
        figure.text(0.5, middle, missing, color=FAINT, fontsize=10, va="center", ha="center")
    write_figure(path, figure)
