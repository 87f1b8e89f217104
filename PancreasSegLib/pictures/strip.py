"""A row of axial slices of one scan, small enough for a page of many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import OUTLINE, new_figure, write_figure
from PancreasSegLib.volume import Box, Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL_PX = 210
_CONTEXT_MM = 20.0
_SMALLEST_MM = 120.0


def write_strip(
    path: str | Path,
    volume: Volume,
    mask: NDArray,
    *,
    slices: int = 5,
    colours: Mapping[int, str] | None = None,
) -> None:
    """Write `draw_strip`'s picture; the extension of `path` names the format.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_figure(path, draw_strip(volume, mask, slices=slices, colours=colours))


def draw_strip(
    volume: Volume, mask: NDArray, *, slices: int = 5, colours: Mapping[int, str] | None = None
) -> Figure:
    """Draw axial slices through an organ, from the top down, with its outline.

    Parameters
    ----------
    volume : Volume
        The CT, any axes.
    mask : ndarray, shape (z, y, x)
        On the CT's grid; where it is empty, slices through the whole scan are shown.
    slices : int
        How many.
    colours : mapping of int to str, optional
        A colour for each value of the mask; by default all that is not zero has one.
    """
    scan, axes = volume.canonical()
    found = axes.apply(mask)
    box = Box.of_mask(found != 0)
    if box is None:
        frame = Box.whole(scan.geometry)
    else:
        size = [high - low for low, high in zip(box.lower_ijk, box.upper_ijk, strict=True)]
        dx, dy = scan.geometry.spacing_mm[:2]
        wanted = [max(_CONTEXT_MM, (_SMALLEST_MM - n * mm) / 2) for n, mm in zip(size[:2], (dx, dy), strict=True)]
        frame = box.grown((wanted[0], wanted[1], 0.0), scan.geometry)
    (i0, j0, k0), (i1, j1, k1) = frame.lower_ijk, frame.upper_ijk
    levels = (
        np.linspace(k0 + 0.1 * (k1 - k0), k1 - 1 - 0.1 * (k1 - k0), slices).round().astype(int).clip(k0, k1 - 1)
    )
    dx, dy, _ = scan.geometry.spacing_mm
    height = max(60, round(_PANEL_PX * (j1 - j0) * dy / ((i1 - i0) * dx)))
    figure = new_figure(_PANEL_PX * slices, height)
    for n, k in enumerate(levels[::-1]):
        part = (k, slice(j0, j1), slice(i0, i1))
        outlines = (
            [Outline(found[part] == value, colour, 1.0) for value, colour in colours.items()]
            if colours
            else [Outline(found[part] != 0, OUTLINE, 1.0)]
        )
        draw_slice(figure.add_axes((n / slices, 0, 1 / slices, 1)), scan.voxels[part], (dx, dy), outlines)
    return figure
