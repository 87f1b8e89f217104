"""How the cases of a dataset are spread: voxels, HU, volumes of the labels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from PancreasSegLib.pictures.style import BACKGROUND, FAINT, OUTLINE, REFERENCE, TEXT, new_figure

_WIDTH_PX = 1080
_MOST_LABELS = 30
_SHOWN_HU = (-1050, 600)


def draw_spread(
    spacings_mm: Mapping[str, tuple[float, float]],
    histograms: Mapping[str, Sequence[int]],
    edges_hu: Sequence[float],
    marked: Sequence[str] = (),
) -> bytes:
    """Return a PNG: spacing within and between the slices, and the HU histogram of every case.

    Parameters
    ----------
    spacings_mm : mapping of str to (float, float)
        By case: within the slice, between slices.
    histograms : mapping of str to sequence of int
        Voxels in each bin.
    edges_hu : sequence of float
        Borders of the bins.
    marked : sequence of str
        Cases that are shown in another colour and named.
    """
    figure = new_figure(_WIDTH_PX, 330)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.16, top=0.9, wspace=0.16)
    for name, (inner, step) in spacings_mm.items():
        special = name in marked
        left.plot(inner, step, "o", ms=5, color=OUTLINE if special else REFERENCE, alpha=0.9 if special else 0.5)
        if special:
            left.annotate(name, (inner, step), color=TEXT, fontsize=7, xytext=(4, 3), textcoords="offset points")
    _label(left, "Voxels", "in the slice, mm", "between slices, mm")
    left.margins(0.2)
    centres = (np.asarray(edges_hu[:-1]) + np.asarray(edges_hu[1:])) / 2
    shares = {name: np.asarray(counts) / max(1, sum(counts)) for name, counts in histograms.items()}
    for name, share in shares.items():
        special = name in marked
        right.plot(
            centres,
            share,
            color=OUTLINE if special else REFERENCE,
            lw=0.9 if special else 0.6,
            alpha=0.8 if special else max(0.12, min(0.5, 8 / len(shares))),
        )
    if shares:
        right.plot(centres, np.median(list(shares.values()), axis=0), color=TEXT, lw=1.6)
    right.set_yscale("log")
    right.set_ylim(1e-5, 1)
    right.set_xlim(*_SHOWN_HU)
    _label(right, "Values of each case (white: median; orange: outliers)", "HU", "share of voxels")
    return _png(figure)


def draw_volumes(volumes_ml: Mapping[str, Mapping[str, float]], marked: Mapping[str, Sequence[str]]) -> bytes:
    """Return a PNG: the volume of every label in every case.

    Parameters
    ----------
    volumes_ml : mapping of str to mapping of str to float
        By label, by case; empty labels are not drawn.
    marked : mapping of str to sequence of str
        By label, the cases that are shown in another colour and named.
    """
    shown = dict(list(volumes_ml.items())[:_MOST_LABELS])
    figure = new_figure(_WIDTH_PX, 90 + 34 * max(1, len(shown)))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.17, right=0.985, bottom=52 / (90 + 34 * max(1, len(shown))), top=0.97)
    rng = np.random.default_rng(0)
    for row, (label, values) in enumerate(shown.items()):
        for name, value in values.items():
            if value <= 0:
                continue
            special = name in marked.get(label, ())
            height = row + rng.uniform(-0.22, 0.22)
            colour, size = (OUTLINE, 5.5) if special else (REFERENCE, 4)
            axes.plot(value, height, "o", ms=size, color=colour, alpha=0.9 if special else 0.55)
            if special:
                side = -1 if value > np.median(list(values.values())) else 1  # towards the middle of the plot
                axes.annotate(
                    name,
                    (value, height),
                    color=TEXT,
                    fontsize=7,
                    xytext=(6 * side, -2),
                    textcoords="offset points",
                    ha="left" if side > 0 else "right",
                )
        positive = [value for value in values.values() if value > 0]
        if positive:
            axes.plot([float(np.median(positive))] * 2, [row - 0.34, row + 0.34], color=TEXT, lw=1.6)
    axes.set_yticks(range(len(shown)), list(shown))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_plain)
    _label(axes, "", "mL (line: median; orange: outliers)", "")
    return _png(figure)


def _plain(value: float, _: Any = None) -> str:
    return f"{value:g}"


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, color=TEXT, fontsize=10)
    axes.set_xlabel(x, color=FAINT, fontsize=9)
    axes.set_ylabel(y, color=FAINT, fontsize=9)
    axes.set_facecolor(BACKGROUND)
    axes.tick_params(colors=FAINT, labelsize=8.5)
    axes.grid(color="#ffffff18", lw=0.6)
    for side in axes.spines.values():
        side.set_color("#ffffff30")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=BACKGROUND)
    return buffer.getvalue()
