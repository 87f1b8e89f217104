"""The four tools of the Correct section: what each says, how it looks, which key takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PancreasSegPanel.drawing.slice_brush import Look
from PancreasSegPanel.translation import translator

_ = translator(__name__)

Kind = Literal["scribble", "point"]

# Colours of Okabe and Ito, a little brighter: told apart by colour-blind readers, seen on grey.
GREEN, ORANGE = (0.10, 0.90, 0.65), (1.00, 0.50, 0.15)


@dataclass(frozen=True)
class Tool:
    """One tool.

    Attributes
    ----------
    button : str
        Object name of its button.
    key : str
        The key that takes it and puts it away.
    kind : {"scribble", "point"}
        What its marks are.
    include : bool
        Organ or not.
    look : Look
        Of the brush.
    hint : str
        What to do with it.
    """

    button: str
    key: str
    kind: Kind
    include: bool
    look: Look
    hint: str


TOOLS = (
    Tool(
        "includeBrushButton",
        "1",
        "scribble",
        True,
        Look(GREEN, "+"),
        _("Draw a short line over missed organ in a slice view."),
    ),
    Tool(
        "excludeBrushButton",
        "2",
        "scribble",
        False,
        Look(ORANGE, "-"),
        _("Draw a short line over what is wrongly marked in a slice view."),
    ),
    Tool(
        "includePointButton", "3", "point", True, Look(GREEN, "+"), _("Click into missed organ in a slice view.")
    ),
    Tool(
        "excludePointButton",
        "4",
        "point",
        False,
        Look(ORANGE, "-"),
        _("Click into what is wrongly marked in a slice view."),
    ),
)
