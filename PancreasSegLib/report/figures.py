"""Figures of a report as SVG that takes its colours from the page, and pictures that lie inside the page."""

from __future__ import annotations

import base64
import html
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that nothing else has: they stand for the page's own, so that a figure follows light and dark.
INK, FAINT = "#010203", "#040506"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)
}
MARKERS = ("o", "s", "^", "D", "v", "P")


def new_plot(width: float, height: float, *, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many inches with plain axes side by side.

    Examples
    --------
    >>> figure, (axes,) = new_plot(4, 3)
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    found = [figure.add_subplot(1, columns, n + 1) for n in range(columns)]
    for axes in found:
        axes.set_facecolor("none")
        axes.tick_params(colors=INK, labelsize=9, length=3)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        axes.grid(True, color=FAINT, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.locator_params(nbins=6)
        for side, spine in axes.spines.items():
            spine.set_color(FAINT)
            spine.set_visible(side in ("left", "bottom"))
    return figure, found


def svg(figure: Figure, description: str) -> str:
    """Return a figure as an SVG element for a page, with a description for those who cannot see it.

    Text stays text, colours become the page's variables, and nothing outside the element is referred to.
    """
    from matplotlib import rc_context

    stream = io.StringIO()
    # the salt keeps the names of clip paths apart, of which a page holds those of all its figures
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": description, "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([^;\"]*?)'?(?:DejaVu Sans|sans-serif)[^;\"]*", r"font: \1sans-serif", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    label = html.escape(description, quote=True)
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{label}" ', text, count=1)


def jpeg(figure: Figure, description: str) -> str:
    """Return a drawn figure as an image element that holds its own data."""
    stream = io.BytesIO()
    options = {"quality": 88, "subsampling": 0, "optimize": True}
    figure.savefig(stream, format="jpeg", facecolor=figure.get_facecolor(), pil_kwargs=options)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(description, quote=True)}" src="data:image/jpeg;base64,{data}">'
