"""What is asked when a mark is to be carried further."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine.mark import Kind
from PancreasSegLib.volume import Box, Volume


@dataclass(frozen=True, eq=False)
class Task:
    """A mark that is to be carried further, and what is known around it.

    Attributes
    ----------
    ct : Volume
        The whole CT, HU.
    probability : Volume or None
        A network's foreground probability, on any grid.
    mask : ndarray of bool, shape (z, y, x)
        The mask until now, on the CT's grid; not to be written to.
    marks : ndarray of uint8, shape (z, y, x)
        Everything marked so far, the new mark included; not to be written to.
    window : Box
        The part that may change: all that the new mark reaches.
    seeds : ndarray of uint8, shape (z, y, x)
        What the new mark says, cut to `window`.
    kind : {"scribble", "point", "slice"}
        How it was made.
    """

    ct: Volume
    probability: Volume | None
    mask: NDArray[np.bool_]
    marks: NDArray[np.uint8]
    window: Box
    seeds: NDArray[np.uint8]
    kind: Kind = "scribble"
