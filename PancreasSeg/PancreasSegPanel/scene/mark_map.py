"""The map of marks: what is said of each voxel, and how it came to be said.

The library knows three values: 0 nothing, 1 included, 2 excluded. The panel adds how: a scribble is shown over the
CT, what was set voxel by voxel would hide it, and a confirmed slice is outlined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.refine import EXCLUDED, INCLUDED
from PancreasSegLib.volume import Box

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark

MEANING = INCLUDED | EXCLUDED
"""The bits that the library knows."""
BY_HAND = 4
"""Added where the voxel was not scribbled but set itself."""
CONFIRMED = 8
"""Added to the organ's voxels of a confirmed slice, which are set by hand as well."""
PAINTED, ERASED = BY_HAND | INCLUDED, BY_HAND | EXCLUDED

Drawn = Sequence[tuple[Box, NDArray[np.bool_], int]]
"""Marks: where, which voxels, and the value that a map of marks has for them."""


def plain(marks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what the library takes: a mark is a mark, however it was made."""
    return marks & np.uint8(MEANING)


def drawn_by(mark: Mark) -> Drawn:
    """Return what a mark says."""
    values = mark.values
    how = {INCLUDED: BY_HAND | CONFIRMED, EXCLUDED: BY_HAND} if mark.kind == "slice" else {}
    found = [(mark.box, values == value, value | how.get(value, 0)) for value in (INCLUDED, EXCLUDED)]
    return [part for part in found if part[1].any()]


def put_on(marks: NDArray[np.uint8], where: NDArray[np.bool_], value: int, before: NDArray[np.uint8]) -> None:
    """Write a value into a map; what said the same `before`, as a scribble or of a slice, is still seen so."""
    written = np.full(marks.shape, value, np.uint8)
    same = plain(before) == value & MEANING
    written[same] |= before[same] & CONFIRMED
    written[same & (before & BY_HAND == 0)] &= ~np.uint8(BY_HAND)
    marks[where] = written[where]
