"""Drawing previews: one step, all steps side by side, and as a film."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import (
    FAINT,
    OUTLINE,
    REFERENCE,
    TEXT,
    label_colours,
    new_figure,
    write_figure,
)
from PancreasSegLib.training.monitor.preview_planes import Plane, PreviewCase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_PX, _TITLE_PX, _ROW_PX = 300, 36, 26
_SHEET_PX = 230
_FILM_WIDTH_PX, _FILM_FRAMES = 900, 40


@dataclass(frozen=True)
class Shown:
    """What previews draw.

    Attributes
    ----------
    classes : dict of str to int
        Labels and their class indices; one label is drawn against its reference in two colours, several each in
        their own, the reference dotted.
    organ : str
        The label that counts.
    window_hu : tuple of float
        Black and white.
    """

    classes: Mapping[str, int]
    organ: str
    window_hu: tuple[float, float]

    def outlines(self, reference: NDArray, prediction: NDArray) -> list[Outline]:
        """Return the borders on one plane, the prediction's above."""
        if len(self.classes) == 1:
            (value,) = self.classes.values()
            return [Outline(reference == value, REFERENCE, 1.2), Outline(prediction == value, OUTLINE, 1.2)]
        colours = label_colours(list(self.classes), self.organ)
        dotted = [
            Outline(reference == value, colours[name], 1.6, style="dotted") for name, value in self.classes.items()
        ]
        return [*dotted, *(Outline(prediction == v, colours[n], 1.0) for n, v in self.classes.items())]

    def grey_to_hu(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return HU of the 8 bits of a prepared case."""
        low, high = self.window_hu
        return pixels.astype(np.float32) * ((high - low) / 255.0) + low


def write_step(
    path: Path,
    title: str,
    cases: Sequence[PreviewCase],
    predictions: Sequence[Sequence[NDArray]],
    facts: Sequence[str],
    shown: Shown,
) -> None:
    """Write the picture of one step: a row a case, its planes side by side.

    Parameters
    ----------
    path : Path
        The picture.
    title : str
        Network and step.
    cases : sequence of PreviewCase
        The rows.
    predictions : sequence of sequence of ndarray
        Predicted classes on each plane of each case.
    facts : sequence of str
        What is written over each row: Dice and volumes.
    shown : Shown
        Labels and window.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    columns = max(len(case.planes) for case in cases)
    panels = [_height(case.planes, case.pixels, _PANEL_PX) for case in cases]
    height = _TITLE_PX + sum(panels) + len(cases) * _ROW_PX
    figure = new_figure(_PANEL_PX * columns, height)
    _write_title(figure, title, shown)
    top = _TITLE_PX
    for case, predicted, fact, panel in zip(cases, predictions, facts, panels, strict=True):
        words = f"{case.name}   {fact}"
        figure.text(0.006, 1 - (top + _ROW_PX / 2) / height, words, color=TEXT, fontsize=10, va="center")
        top += _ROW_PX + panel
        for column, plane in enumerate(case.planes):
            axes = figure.add_axes((column / columns, 1 - top / height, 1 / columns, panel / height))
            draw_slice(
                axes,
                shown.grey_to_hu(case.pixels[column]),
                plane.spacing_mm,
                shown.outlines(case.reference[column], predicted[column]),
                caption=plane.caption,
                window_hu=shown.window_hu,
            )
    write_figure(path, figure)


def write_sheet(
    path: Path,
    title: str,
    cases: Sequence[PreviewCase],
    history: Sequence[tuple[int, Sequence[NDArray], Sequence[float]]],
    shown: Shown,
) -> None:
    """Write how the network learnt: a row a case, its fullest axial slice at some steps, first to last.

    Parameters
    ----------
    path : Path
        The picture.
    title : str
        Network.
    cases : sequence of PreviewCase
        The rows.
    history : sequence
        Step, predicted classes on each case's key plane, and its Dice; in the order of the columns.
    shown : Shown
        Labels and window.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    keys = [slice(case.key, case.key + 1) for case in cases]
    panels = [_height(case.planes[k], case.pixels[k], _SHEET_PX) for case, k in zip(cases, keys, strict=True)]
    width = _SHEET_PX * max(2, len(history))
    height = _TITLE_PX + _ROW_PX + sum(panels)
    figure = new_figure(width, height)
    share = _SHEET_PX / width
    _write_title(figure, title, shown)
    for column, (step, predicted, dice) in enumerate(history):
        x, y = (column + 0.5) * share, 1 - (_TITLE_PX + _ROW_PX / 2) / height
        figure.text(x, y, f"step {step}", color=TEXT, fontsize=10, ha="center", va="center")
        top = _TITLE_PX + _ROW_PX
        for row, (case, panel) in enumerate(zip(cases, panels, strict=True)):
            top += panel
            axes = figure.add_axes((column * share, 1 - top / height, share, panel / height))
            draw_slice(
                axes,
                shown.grey_to_hu(case.pixels[case.key]),
                case.planes[case.key].spacing_mm,
                shown.outlines(case.reference[case.key], predicted[row]),
                caption=case.name if column == 0 else "",
                window_hu=shown.window_hu,
            )
            _write_dice(axes, dice[row])
    write_figure(path, figure)


def write_film(path: Path, pictures: Sequence[Path]) -> None:
    """Write pictures of one size as an animated GIF; of many, some from the first to the last.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from PIL import Image

    from PancreasSegLib.io.atomic import atomic_path

    chosen = [pictures[n] for n in evenly(len(pictures), _FILM_FRAMES)]
    frames = []
    for file in chosen:
        with Image.open(file) as picture:
            size = (_FILM_WIDTH_PX, round(picture.height * _FILM_WIDTH_PX / picture.width))
            frames.append(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(128))
    frames = [frame for frame in frames if frame.size == frames[0].size]
    milliseconds = [500] * (len(frames) - 1) + [2500]
    with atomic_path(path) as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)


def evenly(count: int, most: int) -> list[int]:
    """Return at most so many of the numbers below `count`, evenly, the first and the last among them.

    Examples
    --------
    >>> evenly(10, 4), evenly(3, 8)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if count <= most:
        return list(range(count))
    return [int(n) for n in np.unique(np.round(np.linspace(0, count - 1, most)))]


def _height(planes: Sequence[Plane], pixels: Sequence[NDArray], width_px: int) -> int:
    """Return the height of a row whose planes are at most so wide and no higher than wide."""
    ratios = [
        part.shape[0] * plane.spacing_mm[1] / (part.shape[1] * plane.spacing_mm[0])
        for plane, part in zip(planes, pixels, strict=True)
    ]
    return round(width_px * min(1.0, max(ratios)))


def _write_dice(axes: Axes, dice: float) -> None:
    words = "not read" if math.isnan(dice) else f"{dice:.2f}"
    axes.text(
        0.97,
        0.03,
        words,
        transform=axes.transAxes,
        color=TEXT,
        fontsize=12,
        weight="bold",
        ha="right",
        va="bottom",
    )


def _write_title(figure: Figure, title: str, shown: Shown) -> None:
    """Write the headline at the left and what the colours mean at the right."""
    width, height = figure.get_size_inches() * figure.dpi
    y = 1 - _TITLE_PX / 2 / height
    figure.text(0.006, y, title, color=TEXT, fontsize=12, weight="bold", va="center")
    if len(shown.classes) == 1:
        words = [("prediction", OUTLINE), ("reference", REFERENCE)]
    else:
        colours = label_colours(list(shown.classes), shown.organ)
        words = [
            ("dotted: reference", FAINT),
            *((name.replace("_", " "), colours[name]) for name in shown.classes),
        ]
    x = 0.994
    for word, colour in words:
        text = figure.text(x, y, word, color=colour, fontsize=10, ha="right", va="center")
        x -= (text.get_window_extent().width + 12) / width
