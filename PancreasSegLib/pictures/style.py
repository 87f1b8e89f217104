"""Colours, sizes and the way a figure is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKGROUND = "#101214"
TEXT = "#e8e8e8"
FAINT = "#9aa0a6"
OUTLINE = "#ffa826"  # prediction
REFERENCE = "#4cc9f0"  # beside orange, green is lost on one man in twelve
# Further labels of a mask, each as far as can be from those before it (OKLab) for common sight and for protan and
# deutan sight (Machado et al. 2009), light enough for dark tissue.
OTHERS = ("#56b4e9", "#f0e442", "#e6004d", "#804dff", "#80ffff", "#996699", "#99cc99", "#b39966")
PART_COLOURS = {1: OUTLINE, 2: REFERENCE, 3: "#e6004d"}
"""Of the pancreas' head, body and tail."""
DISCLAIMER = "Research use, not a medical device"

WINDOW_LEVEL_HU = 40.0
WINDOW_WIDTH_HU = 400.0


def label_colours(names: Sequence[str], organ: str | None = None) -> dict[str, str]:
    """Return a colour for each label: the prediction's for the organ, the others' in their order.

    After the ninth label colours come again; pictures name the labels in writing as well.

    Parameters
    ----------
    names : sequence of str
        Labels.
    organ : str, optional
        The label that counts; ``"pancreas"`` or else the first where nothing is said.

    Examples
    --------
    >>> label_colours(["liver", "pancreas"])
    {'liver': '#56b4e9', 'pancreas': '#ffa826'}
    """
    if organ is None:
        organ = "pancreas" if "pancreas" in names else next(iter(names), None)
    others = [name for name in names if name != organ]
    return {name: OUTLINE if name == organ else OTHERS[others.index(name) % len(OTHERS)] for name in names}


def new_figure(width_px: int, height_px: int, dpi: int = 100) -> Figure:
    """Return a dark figure that draws by Agg and leaves pyplot's state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / dpi, height_px / dpi), dpi=dpi, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    return figure


def halo() -> list[Any]:
    """Return the dark rim that keeps text legible on bright tissue."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="#000000b0")]


def write_figure(path: str | Path, figure: Figure) -> None:
    """Write the figure in the format that the extension names; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from PancreasSegLib.io import atomic_path

    with atomic_path(path) as temporary:
        options: dict[str, Any] = (
            {"pil_kwargs": {"compress_level": 3}} if temporary.suffix.lower() == ".png" else {}
        )
        figure.savefig(temporary, facecolor=figure.get_facecolor(), **options)
