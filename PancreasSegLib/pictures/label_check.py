"""A small picture of a case with its outlines, to see at a glance whether the labels lie where they should."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import BACKGROUND, FAINT, OTHERS, OUTLINE, TEXT, new_figure
from PancreasSegLib.volume import Box, Volume

_HEIGHT_PX = 250
_HEADER_PX = 26
_CONTEXT_MM = 25.0
_NAMED = 9
_QUALITY = 82


def draw_label_check(volume: Volume, mask: NDArray, values: Mapping[str, int], title: str = "") -> bytes:
    """Return a JPEG: the whole axial slice with most of the label, three closer ones, and a coronal plane.

    Parameters
    ----------
    volume : Volume
        The CT, any axes.
    mask : ndarray, shape (z, y, x)
        Labels on the CT's grid.
    values : mapping of str to int
        The labels, the one that matters first: the view is set on it, or on all where it is empty.
    title : str
        Headline.

    Raises
    ------
    GeometryError
        If the mask does not lie on the CT's grid.
    """
    if tuple(mask.shape) != volume.geometry.shape_zyx:
        raise GeometryError(f"The mask of shape {tuple(mask.shape)} does not lie on the CT's grid (z, y, x).")
    scan, axes = volume.canonical()
    view = _View(scan, axes.apply(mask), dict(values))
    widths = view.widths()
    total = sum(widths)
    figure = new_figure(total, _HEIGHT_PX + _HEADER_PX)
    left = 0
    for n, width in enumerate(widths):
        panel = figure.add_axes((left / total, 0, width / total, _HEIGHT_PX / (_HEIGHT_PX + _HEADER_PX)))
        view.draw(panel, n)
        left += width
    middle = 1 - _HEADER_PX / 2 / (_HEIGHT_PX + _HEADER_PX)
    figure.text(4 / total, middle, title, color=TEXT, fontsize=10, va="center")
    place = total - 6.0
    for name, colour in reversed(view.legend()):
        figure.text(place / total, middle, name, color=colour, fontsize=9, va="center", ha="right")
        place -= 7.1 * len(name) + 14
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpg", facecolor=BACKGROUND, pil_kwargs={"quality": _QUALITY})
    return buffer.getvalue()


class _View:
    """What of a case is shown, on canonical axes."""

    def __init__(self, scan: Volume, mask: NDArray, values: dict[str, int]) -> None:
        self.scan, self.mask, self.values = scan, mask, values
        first = next(iter(values.values()), 0)
        self.organ = mask == first
        if not self.organ.any():
            self.organ = mask != 0
        self.box = Box.of_mask(self.organ) or Box.whole(scan.geometry)
        area = self.organ.sum(axis=(1, 2))
        self.main = int(area.argmax()) if area.any() else scan.geometry.size_ijk[2] // 2
        k0, k1 = self.box.lower_ijk[2], self.box.upper_ijk[2]
        self.levels = [round(k0 + share * (k1 - 1 - k0)) for share in (0.8, 0.5, 0.2)]
        self.frame = self.box.grown((_CONTEXT_MM, _CONTEXT_MM, 0.0), scan.geometry)

    def legend(self) -> list[tuple[str, str]]:
        """Return the first labels with their colours."""
        named = [(name, self._colour(n)) for n, name in enumerate(self.values)][:_NAMED]
        more = len(self.values) - len(named)
        return [*named, (f"and {more} more", FAINT)] if more > 0 else named

    def widths(self) -> list[int]:
        """Return the width of each panel in pixels, for its own proportions."""
        x, y, z = self.scan.geometry.extent_mm
        dx, dy, _ = self.scan.geometry.spacing_mm
        wide, deep, _ = self.frame.size_ijk
        close = min(2.2, max(0.7, wide * dx / (deep * dy)))
        coronal = min(2.0, max(0.5, x / z))
        return [round(_HEIGHT_PX * ratio) for ratio in (min(2.0, x / y), close, close, close, coronal)]

    def draw(self, panel: Any, number: int) -> None:
        """Draw one of the panels."""
        if number == 4:
            self._coronal(panel)
        elif number == 0:
            self._axial(panel, self.main, Box.whole(self.scan.geometry), bar_mm=100.0)
        else:
            self._axial(panel, self.levels[number - 1], self.frame, bar_mm=None)

    def _axial(self, panel: Any, k: int, frame: Box, bar_mm: float | None) -> None:
        (i0, j0, _), (i1, j1, _) = frame.lower_ijk, frame.upper_ijk
        part = (k, slice(j0, j1), slice(i0, i1))
        dx, dy, _ = self.scan.geometry.spacing_mm
        caption = f"slice {k + 1} of {self.scan.geometry.size_ijk[2]}"
        pixels = self.scan.voxels[part]
        draw_slice(panel, pixels, (dx, dy), self._outlines(self.mask[part]), caption=caption, bar_mm=bar_mm)

    def _coronal(self, panel: Any) -> None:
        share = self.organ.sum(axis=(0, 2))
        j = int(share.argmax()) if share.any() else self.scan.geometry.size_ijk[1] // 2
        dx, _, dz = self.scan.geometry.spacing_mm
        plane = self.scan.voxels[::-1, j]
        draw_slice(panel, plane, (dx, dz), self._outlines(self.mask[::-1, j]), caption="coronal")

    def _outlines(self, part: NDArray) -> list[Outline]:
        present = set(np.unique(part).tolist())
        lines = [
            Outline(part == value, self._colour(n), 1.1 if n == 0 else 0.8)
            for n, value in enumerate(self.values.values())
            if value in present
        ]
        return lines[::-1]

    def _colour(self, number: int) -> str:
        return OUTLINE if number == 0 else OTHERS[(number - 1) % len(OTHERS)]
