"""A region of interest as it is written on the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from PancreasSegLib.errors import RegionError

if TYPE_CHECKING:
    from PancreasSegLib.volume import Box

_BOX = re.compile(r"(\d+):(\d+),(\d+):(\d+),(\d+):(\d+)")


def region_of(text: str) -> Box | Literal["auto", "none"]:
    """Return ``"auto"``, ``"none"`` or the box that `text` means.

    Parameters
    ----------
    text : str
        ``auto``, ``none``, or half-open voxel ranges ``i0:i1,j0:j1,k0:k1`` in the file's own axis order, as
        ``pancreasseg roi`` prints them.

    Raises
    ------
    RegionError
        If it is neither, or the box is empty.

    Examples
    --------
    >>> region_of("auto")
    'auto'
    >>> region_of("10:200,0:150,5:60").size_ijk
    (190, 150, 55)
    """
    plain = text.strip().lower()
    if plain == "auto":
        return "auto"
    if plain == "none":
        return "none"
    match = _BOX.fullmatch(plain.replace(" ", ""))
    if match is None:
        raise RegionError(
            f"The region {text!r} is not understood.",
            "Give auto, none, or voxel ranges like 120:400,90:330,20:70 (first:end along x, y and z).",
        )
    from PancreasSegLib.volume import Box

    i0, i1, j0, j1, k0, k1 = map(int, match.groups())
    box = Box((i0, j0, k0), (i1, j1, k1))
    if box.is_empty:
        raise RegionError(f"The region {text!r} is empty.", "Each range must end after it begins.")
    return box
