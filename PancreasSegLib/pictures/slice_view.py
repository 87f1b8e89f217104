"""One slice of a CT as a radiologist expects it, with outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.style import TEXT, WINDOW_LEVEL_HU, WINDOW_WIDTH_HU, halo

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Outline:
    """A border to draw on a slice.

    Attributes
    ----------
    inside : ndarray, shape (rows, columns)
        Mask (or a probability), on the slice's pixels.
    colour : str
        Colour of the line.
    width : float
        Width in points.
    level : float
        Where the border lies between the values of `inside`.
    style : str
        matplotlib's line style.
    """

    inside: NDArray
    colour: str
    width: float = 1.3
    level: float = 0.5
    style: str = "solid"


def draw_slice(
    axes: Axes,
    pixels: NDArray,
    spacing_mm: tuple[float, float],
    outlines: Sequence[Outline] = (),
    *,
    caption: str = "",
    sides: tuple[str, str] = ("R", "L"),
    bar_mm: float | None = None,
    window_hu: tuple[float, float] | None = None,
) -> None:
    """Draw a slice, in true proportions.

    Parameters
    ----------
    axes : matplotlib Axes
        Where; its data coordinates become mm.
    pixels : ndarray, shape (rows, columns)
        HU; rows run down the picture, columns to its right.
    spacing_mm : tuple of float
        Distance between columns and between rows.
    outlines : sequence of Outline
        Borders on the same pixels.
    caption : str
        Text at the top left.
    sides : tuple of str
        Marks at the left and the right edge.
    bar_mm : float, optional
        Length of the scale bar.
    window_hu : tuple of float, optional
        HU that are black and white; the abdominal window where nothing is said.
    """
    rows, columns = pixels.shape
    dx, dy = spacing_mm
    width, height = columns * dx, rows * dy
    low, high = window_hu or (WINDOW_LEVEL_HU - WINDOW_WIDTH_HU / 2, WINDOW_LEVEL_HU + WINDOW_WIDTH_HU / 2)
    axes.set_axis_off()
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=(0, width, height, 0),
        interpolation="bilinear",
        interpolation_stage="data",
        aspect="equal",
    )
    for outline in outlines:
        if (outline.inside > outline.level).any():
            _draw_outline(axes, outline, (dx, dy))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    mark: dict[str, Any] = {"transform": axes.transAxes, "color": TEXT, "path_effects": halo()}
    axes.text(0.02, 0.5, sides[0], ha="left", va="center", fontsize=10, **mark)
    axes.text(0.98, 0.5, sides[1], ha="right", va="center", fontsize=10, **mark)
    if caption:
        axes.text(0.02, 0.975, caption, va="top", fontsize=9, **mark)
    if bar_mm:
        _draw_bar(axes, bar_mm, width, height)


def _draw_outline(axes: Axes, outline: Outline, spacing_mm: tuple[float, float]) -> None:
    """Draw the border; a rim of zeros closes it at the picture's edge."""
    dx, dy = spacing_mm
    values = np.pad(outline.inside.astype(np.float32), 1)
    x = (np.arange(values.shape[1]) - 0.5) * dx
    y = (np.arange(values.shape[0]) - 0.5) * dy
    used_y, used_x = (np.flatnonzero((values > 0).any(axis=axis)) for axis in (1, 0))
    ys = slice(max(0, used_y[0] - 1), used_y[-1] + 2)
    xs = slice(max(0, used_x[0] - 1), used_x[-1] + 2)
    axes.contour(
        x[xs],
        y[ys],
        values[ys, xs],
        levels=[outline.level],
        colors=[outline.colour],
        linewidths=outline.width,
        linestyles=outline.style,
    )


def _draw_bar(axes: Axes, length_mm: float, width: float, height: float) -> None:
    """Draw a scale bar with its length at the lower right."""
    right, bottom = 0.96 * width, 0.95 * height
    bar: dict[str, Any] = {"color": TEXT, "linewidth": 2, "solid_capstyle": "butt", "path_effects": halo()}
    axes.plot([right - length_mm, right], [bottom, bottom], **bar)
    text: dict[str, Any] = {"color": TEXT, "fontsize": 8.5, "ha": "center", "va": "bottom", "path_effects": halo()}
    axes.text(right - length_mm / 2, bottom - 0.015 * height, f"{length_mm:g} mm", **text)
