"""Colours, sizes and the way a figure is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKGROUND = "#101214"
TEXT = "#e8e8e8"
FAINT = "#9aa0a6"
OUTLINE = "#ffa826"  # prediction
REFERENCE = "#33d17a"
# Further labels of a mask; told apart also by those who do not see red and green.
OTHERS = ("#56b4e9", "#f0e442", "#cc79a7", "#009e73", "#d55e00", "#8da0cb", "#e5c494", "#b3b3b3")
DISCLAIMER = "Research use, not a medical device"

WINDOW_LEVEL_HU = 40.0
WINDOW_WIDTH_HU = 400.0


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
