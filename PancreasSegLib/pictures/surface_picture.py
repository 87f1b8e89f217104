"""The picture of organs in three dimensions, with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.pictures.style import DISCLAIMER, FAINT, TEXT, label_colours, new_figure, write_figure
from PancreasSegLib.pictures.surface_scene import Solid, SurfaceScene, View
from PancreasSegLib.volume import Geometry, Volume

_PANEL_PX = 640
_HEADER_PX, _LEGEND_PX = 44, 30
_LEGEND_COLUMN_PX = 210


def write_surface_picture(
    path: str | Path,
    mask: NDArray,
    geometry: Geometry,
    labels: Mapping[str, int],
    *,
    title: str = "",
    glass: Sequence[str] = (),
    views: Sequence[View] = ("front", "behind"),
) -> None:
    """Write the surfaces of the organs of a mask, seen from some sides, with names and volumes.

    Parameters
    ----------
    path : str or Path
        The picture; the extension names the format (``.png``).
    mask : ndarray, shape (z, y, x)
        Labels, any axes.
    geometry : Geometry
        Its grid.
    labels : mapping of str to int
        The organs that are shown, and their values.
    title : str
        Headline.
    glass : sequence of str
        Organs that one looks through, such as a liver around its tumours.
    views : sequence of str
        ``"front"``, ``"behind"``, ``"left"``, ``"right"``: one panel each.

    Raises
    ------
    GeometryError
        If the mask does not lie on the grid.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from PancreasSegLib.phantom import make_phantom
    >>> phantom = make_phantom(0, spacing_mm=(6, 6, 10))
    >>> file = Path(tempfile.mkdtemp()) / "organs.png"
    >>> write_surface_picture(file, phantom.labels.voxels, phantom.ct.geometry, {"pancreas": 8, "aorta": 7})
    >>> file.read_bytes()[1:4]
    b'PNG'
    """
    if tuple(mask.shape) != geometry.shape_zyx:
        raise GeometryError(
            f"The mask of shape {tuple(mask.shape)} does not lie on its grid, {geometry.shape_zyx}."
        )
    canonical = Volume(mask, geometry).canonical()[0]
    colours = label_colours(list(labels))
    solids = [
        Solid(name, canonical.voxels == value, colours[name], 0.2 if name in glass else 1.0)
        for name, value in labels.items()
    ]
    scene = SurfaceScene(solids, canonical.geometry.spacing_mm)
    width = _PANEL_PX * len(views)
    columns = max(1, width // _LEGEND_COLUMN_PX)
    footer = _LEGEND_PX * -(-len(solids) // columns) + 8
    height = _HEADER_PX + _PANEL_PX + footer
    figure = new_figure(width, height)
    for number, view in enumerate(views):
        place = (number / len(views), footer / height, 1 / len(views), _PANEL_PX / height)
        scene.draw(figure.add_axes(place, projection="3d", facecolor="none"), view)
    middle = 1 - _HEADER_PX / 2 / height
    figure.text(12 / width, middle, title, color=TEXT, fontsize=13, weight="bold", va="center")
    figure.text(1 - 12 / width, middle, DISCLAIMER, color=FAINT, fontsize=10, ha="right", va="center")
    for number, solid in enumerate(solids):
        row, column = divmod(number, columns)
        volume = float(np.count_nonzero(solid.mask)) * geometry.voxel_volume_ml
        words = f"{solid.name.replace('_', ' ')}  {volume:.1f} mL" if volume else f"{solid.name}  none"
        x, y = (12 + column * _LEGEND_COLUMN_PX) / width, (footer - _LEGEND_PX * (row + 0.5)) / height
        figure.text(x, y, "\N{BLACK SQUARE}", color=solid.colour, fontsize=15, va="center")
        figure.text(x + 20 / width, y, words, color=TEXT, fontsize=11, va="center")
    write_figure(path, figure)
