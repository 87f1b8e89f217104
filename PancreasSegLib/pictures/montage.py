"""The picture of a result: axial slices, a coronal view and the surface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.pictures.slice_view import Outline, draw_slice
from PancreasSegLib.pictures.style import (
    DISCLAIMER,
    FAINT,
    OUTLINE,
    TEXT,
    halo,
    label_colours,
    new_figure,
    write_figure,
)
from PancreasSegLib.pictures.surface_scene import Solid, SurfaceScene
from PancreasSegLib.pictures.surface_view import draw_surface
from PancreasSegLib.volume import Box, Volume

_WIDTH_PX, _HEIGHT_PX = 1760, 1080
_ROWS, _COLUMNS = 3, 3
_CONTEXT_MM = 22.0
_SMALLEST_VIEW_MM = 125.0
_PANEL_RATIO = 1.2  # width over height of an axial panel
_SURFACE_RATIO = 1.75  # and of the room for the surface


def write_montage(
    path: str | Path,
    volume: Volume,
    mask: NDArray,
    *,
    labels: Mapping[str, int] | None = None,
    statistics: Mapping[str, Any] | None = None,
    title: str | None = None,
    probability: Volume | None = None,
    organ: str | None = None,
) -> None:
    """Write one picture of a segmentation: nine axial slices, a coronal view, the surface and the figures.

    Where the mask holds several labels the view is set on all of them, each is named once beside its outline, and
    the surfaces are shown together; `organ` sets the view on one.

    Slices are shown as radiologists read them whatever the file's axes: the patient's right on the left, anterior
    or superior up, true proportions, W 400 L 40. A dotted line is where the probability falls to 0.2.

    Parameters
    ----------
    path : str or Path
        The picture; the extension names the format (``.png``).
    volume : Volume
        The CT.
    mask : ndarray, shape (z, y, x)
        Labels on the CT's own grid.
    labels : mapping of str to int, optional
        Meaning of the values. Default: all that is not zero is pancreas.
    statistics : mapping, optional
        ``Segmentation.statistics``, or that of one label. Volume and HU are computed where they are absent.
    title : str, optional
        Headline, such as the scan's name.
    probability : Volume, optional
        Foreground probability on a crop of the CT's grid (same axes, any spacing).
    organ : str, optional
        The label that the view is set on, the others being drawn where they come into it.

    Raises
    ------
    GeometryError
        If the mask does not lie on the CT's grid.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from PancreasSegLib.phantom import make_phantom
    >>> phantom = make_phantom(0, spacing_mm=(6, 6, 10))
    >>> file = Path(tempfile.mkdtemp()) / "picture.png"
    >>> write_montage(file, phantom.ct, phantom.labels.voxels, labels={"pancreas": 8})
    >>> file.read_bytes()[1:4]
    b'PNG'
    """
    if tuple(mask.shape) != volume.geometry.shape_zyx:
        raise GeometryError(
            f"The mask of shape {tuple(mask.shape)} does not lie on the CT's grid, {volume.geometry.shape_zyx}."
        )
    scan, axes = volume.canonical()
    view = _View(scan, axes.apply(mask), dict(labels or {}), probability, organ)
    figure = new_figure(_WIDTH_PX, _HEIGHT_PX)
    grid = figure.add_gridspec(
        _ROWS, 2 * _COLUMNS + 3, left=0.006, right=0.994, top=0.945, bottom=0.05, wspace=0.02, hspace=0.02
    )
    if view.box is None:
        _draw_nothing(figure, grid, view)
    else:
        for n, k in enumerate(view.levels()):
            row, column = divmod(n, _COLUMNS)
            axial = figure.add_subplot(grid[row, 2 * column : 2 * column + 2])
            view.draw_axial(axial, k, bar_mm=50.0 if n == 0 else None)
        view.draw_coronal(figure.add_subplot(grid[:2, 2 * _COLUMNS :]))
        view.draw_solid(figure.add_subplot(grid[2, 2 * _COLUMNS :], projection="3d", facecolor="none"))
    _draw_texts(figure, view, title, statistics)
    write_figure(path, figure)


class _View:
    """The CT, the mask and the probability on canonical axes, and what of them is shown."""

    def __init__(
        self,
        scan: Volume,
        mask: NDArray,
        labels: dict[str, int],
        probability: Volume | None,
        organ: str | None = None,
    ) -> None:
        self.scan, self.mask, self.labels = scan, mask, labels
        self.name = organ or ("pancreas" if not labels or "pancreas" in labels else next(iter(labels)))
        self.value = labels.get(self.name)
        self.present = [name for name, value in labels.items() if (mask == value).any()]
        self.several = organ is None and len(self.present) > 1
        every = self.several or self.value is None
        self.organ: NDArray[np.bool_] = (
            np.isin(mask, list(labels.values()) or np.unique(mask[mask != 0])) if every else mask == self.value
        )
        self.colours = label_colours(list(labels), self.name)
        self.box = Box.of_mask(self.organ)
        self.probability = probability.canonical()[0] if probability is not None else None
        self._named_at = self._largest_slices()

    def _largest_slices(self) -> dict[int, list[str]]:
        """Return, for each slice shown, the labels that are largest there: where each is named."""
        named: dict[int, list[str]] = {}
        if not self.several:
            return named
        levels = self.levels()
        for name in self.present:
            areas = [np.count_nonzero(self.mask[k] == self.labels[name]) for k in levels]
            named.setdefault(levels[int(np.argmax(areas))], []).append(name)
        return named

    def organ_crop(self) -> NDArray[np.bool_]:
        """Return the organ inside its box."""
        assert self.box is not None
        return self.organ[self.box.slices_zyx]

    def levels(self) -> list[int]:
        """Return the slices shown, from the top down, evenly through the organ."""
        assert self.box is not None
        first, last = self.box.lower_ijk[2], self.box.upper_ijk[2] - 1
        count = min(_ROWS * _COLUMNS, last - first + 1)
        # the first and the last slice of an organ show a sliver: stay a little inside
        inset = 0.04 * (last - first) if count > 2 else 0
        return sorted({round(k) for k in np.linspace(first + inset, last - inset, count)}, reverse=True)

    def frame(self) -> Box:
        """Return the axial part shown: the organ with its surroundings, in the panel's proportions."""
        assert self.box is not None
        geometry = self.scan.geometry
        low, up = np.array(self.box.lower_ijk[:2]), np.array(self.box.upper_ijk[:2])
        spacing = np.array(geometry.spacing_mm[:2])
        width, height = (up - low) * spacing + 2 * _CONTEXT_MM
        height = max(height, width / _PANEL_RATIO, _SMALLEST_VIEW_MM)
        size = np.round(np.array([height * _PANEL_RATIO, height]) / spacing).astype(int)
        start = np.round((low + up - size) / 2).astype(int)
        stop = start + size
        return Box((start[0], start[1], self.box.lower_ijk[2]), (stop[0], stop[1], self.box.upper_ijk[2]))

    def draw_axial(self, axes: Any, k: int, bar_mm: float | None) -> None:
        """Draw the slice `k` around the organ."""
        geometry = self.scan.geometry
        frame = self.frame()
        (i0, j0, _), (i1, j1, _) = frame.lower_ijk, frame.upper_ijk
        rows, columns = (j0, j1), (i0, i1)
        outlines = self._outlines(_window(self.mask[k], rows, columns, 0))
        likely = self._probability_at(k, rows, columns)
        if likely is not None:
            outlines.insert(0, Outline(likely, OUTLINE, 1.0, 0.2, "dotted"))
        centre = geometry.index_to_lps(((i0 + i1) / 2, (j0 + j1) / 2, k))
        self._write_names(axes, k, rows, columns)
        draw_slice(
            axes,
            _window(self.scan.voxels[k], rows, columns, -1024),
            (geometry.spacing_mm[0], geometry.spacing_mm[1]),
            outlines,
            caption=f"{'S' if centre[2] >= 0 else 'I'} {abs(centre[2]):.1f} mm",
            bar_mm=bar_mm,
        )

    def draw_coronal(self, axes: Any) -> None:
        """Draw the whole body in the coronal plane that holds most of the organ, and the organ's silhouette."""
        geometry = self.scan.geometry
        share = self.organ_crop().sum(axis=(0, 2)) if self.box is not None else None
        if share is None or self.box is None:
            j = geometry.size_ijk[1] // 2
        else:
            j = self.box.lower_ijk[1] + int(np.argmax(np.convolve(share, np.ones(3), mode="same")))
        half = max(0, round(1.5 / geometry.spacing_mm[1]))
        slab = self.scan.voxels[::-1, max(0, j - half) : j + half + 1].mean(axis=1, dtype=np.float32)
        outlines = self._outlines(self.mask[::-1, j])
        if self.box is not None and not self.several:
            outlines.insert(0, Outline(np.asarray(self.organ.any(axis=1))[::-1], OUTLINE, 0.8, style="dotted"))
        note = "   (dotted: silhouette)" if self.box is not None and not self.several else ""
        place = geometry.index_to_lps((geometry.size_ijk[0] / 2, j, geometry.size_ijk[2] / 2))[1]
        draw_slice(
            axes,
            slab,
            (geometry.spacing_mm[0], geometry.spacing_mm[2]),
            outlines,
            caption=f"coronal, {'P' if place >= 0 else 'A'} {abs(place):.1f} mm{note}",
            bar_mm=100.0,
        )

    def draw_solid(self, axes: Any) -> None:
        """Draw the surface of the organ, or of all labels together."""
        spacing = self.scan.geometry.spacing_mm
        if not self.several:
            draw_surface(axes, self.organ_crop(), spacing, OUTLINE, width_ratio=_SURFACE_RATIO)
            return
        solids = [Solid(name, self.mask == self.labels[name], self.colours[name]) for name in self.present]
        SurfaceScene(solids, spacing).draw(axes, "front")

    def _write_names(self, axes: Any, k: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        """Write the names of the labels that are largest on slice `k`, each in the midst of its area."""
        from scipy import ndimage

        dx, dy, _ = self.scan.geometry.spacing_mm
        for name in self._named_at.get(k, []):
            inside = _window(self.mask[k] == self.labels[name], rows, columns, 0)
            if not inside.any():
                continue
            depth = ndimage.distance_transform_edt(np.pad(inside, 1), (dy, dx))[1:-1, 1:-1]
            row, column = np.unravel_index(int(depth.argmax()), depth.shape)
            axes.text(
                (column + 0.5) * dx,
                (row + 0.5) * dy,
                name.replace("_", " "),
                color=TEXT,
                fontsize=8.5,
                ha="center",
                va="center",
                path_effects=halo(),
                clip_on=True,
            )

    def draw_middle(self, axes: Any) -> None:
        """Draw the whole middle slice, for a scan without the organ."""
        geometry = self.scan.geometry
        k = geometry.size_ijk[2] // 2
        draw_slice(axes, self.scan.voxels[k], (geometry.spacing_mm[0], geometry.spacing_mm[1]), bar_mm=100.0)

    def _outlines(self, part: NDArray) -> list[Outline]:
        """Return the borders of all labels on a slice, the organ's last and strongest."""
        others = [(name, value) for name, value in self.labels.items() if name != self.name]
        width = 1.1 if self.several else 0.8
        lines = [
            Outline(part == value, self.colours[name], width) for name, value in others if (part == value).any()
        ]
        organ = part != 0 if self.value is None else part == self.value
        return [*lines, Outline(organ, OUTLINE)]

    def _probability_at(self, k: int, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray | None:
        """Return the probability on a part of slice `k`, None where the crop does not reach."""
        if self.probability is None:
            return None
        from scipy import ndimage

        geometry, crop = self.scan.geometry, self.probability.geometry
        # both grids share their axes, so an index of one is a scaled and shifted index of the other
        low, up = (
            crop.lps_to_index(geometry.index_to_lps(corner))
            for corner in ((columns[0], rows[0], k), (columns[1] - 1, rows[1] - 1, k))
        )
        if not -0.5 <= low[2] <= crop.size_ijk[2] - 0.5:
            return None
        plane = self.probability.voxels[int(np.clip(round(low[2]), 0, crop.size_ijk[2] - 1))].astype(np.float32)
        j = np.linspace(low[1], up[1], rows[1] - rows[0])
        i = np.linspace(low[0], up[0], columns[1] - columns[0])
        return ndimage.map_coordinates(plane, np.meshgrid(j, i, indexing="ij"), order=1, cval=0.0)


def _window(plane: NDArray, rows: tuple[int, int], columns: tuple[int, int], fill: float) -> NDArray:
    """Return a part of a plane that may reach outside it."""
    result = np.full((rows[1] - rows[0], columns[1] - columns[0]), fill, dtype=plane.dtype)
    low = (max(0, rows[0]), max(0, columns[0]))
    up = (min(plane.shape[0], rows[1]), min(plane.shape[1], columns[1]))
    inside = plane[low[0] : up[0], low[1] : up[1]]
    top, left = low[0] - rows[0], low[1] - columns[0]
    result[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return result


def _draw_nothing(figure: Any, grid: Any, view: _View) -> None:
    """Draw the scan, and say that the mask is empty."""
    view.draw_middle(figure.add_subplot(grid[:, : 2 * _COLUMNS]))
    view.draw_coronal(figure.add_subplot(grid[:2, 2 * _COLUMNS :]))
    figure.text(0.83, 0.2, f"No {view.name} in this mask", color=OUTLINE, fontsize=20, ha="center", weight="bold")


def _draw_texts(figure: Any, view: _View, title: str | None, statistics: Mapping[str, Any] | None) -> None:
    figure.text(0.01, 0.972, title or "PancreasSeg", color=TEXT, fontsize=14, weight="bold", va="center")
    figure.text(0.99, 0.972, DISCLAIMER, color=FAINT, fontsize=11, ha="right", va="center")
    caption = figure.text(0.01, 0.022, _caption(view, statistics), color=TEXT, fontsize=12, va="center")
    if (width := caption.get_window_extent().width) > 0.98 * _WIDTH_PX:
        caption.set_fontsize(12 * 0.98 * _WIDTH_PX / width)
    x = 0.99
    if view.several:
        return
    for name in (name for name in view.present if name != view.name):
        text = figure.text(
            x, 0.022, name.replace("_", " "), color=view.colours[name], fontsize=10, ha="right", va="center"
        )
        x -= text.get_window_extent().width / _WIDTH_PX + 0.008


def _caption(view: _View, statistics: Mapping[str, Any] | None) -> str:
    """Return the line of figures: volume, HU, extent, confidence; of several labels the volumes."""
    if view.several:
        voxel = view.scan.geometry.voxel_volume_ml
        volumes = {name: np.count_nonzero(view.mask == view.labels[name]) * voxel for name in view.present}
        return "   ·   ".join(f"{name.replace('_', ' ')} {volume:.1f} mL" for name, volume in volumes.items())
    name = view.name.replace("_", " ").capitalize()
    if view.box is None:
        return f"{name}: nothing found (0 mL)"
    found = dict(statistics or {})
    if isinstance(found.get(view.name), Mapping):
        found = dict(found[view.name])
    crop = view.organ_crop()
    geometry = view.scan.geometry
    hu = view.scan.voxels[view.box.slices_zyx][crop]
    volume = found.get("volume_ml", float(crop.sum()) * geometry.voxel_volume_ml)
    mean, spread = found.get("mean_hu", float(hu.mean())), found.get("sd_hu", float(hu.std()))
    extent = found.get("extent_mm") or view.box.geometry(geometry).extent_mm
    left, posterior, superior = (float(e) for e in extent)
    parts = [
        f"{name} {volume:.1f} mL",
        f"{mean:.0f} ± {spread:.0f} HU",
        f"{left:.0f} × {posterior:.0f} × {superior:.0f} mm (LR × AP × SI)",
    ]
    if found.get("confidence") is not None:
        parts.append(f"expected Dice {float(found['confidence']):.2f}")
    return "   ·   ".join(parts)
