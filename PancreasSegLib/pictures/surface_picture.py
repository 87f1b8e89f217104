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
_LEGEND_COLUMN_PX, _LONG_COLUMN_PX = 210, 310


def write_surface_picture(
    path: str | Path,
    mask: NDArray,
    geometry: Geometry,
    labels: Mapping[str, int],
    *,
    title: str = "",
    glass: Sequence[str] = (),
    views: Sequence[View] = ("front", "behind"),
    reference: NDArray | None = None,
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
    reference : ndarray, shape (z, y, x), optional
        Labels on the same grid, shown in panels before those of the mask, which is then called the prediction.

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
    masks = {"prediction": mask} if reference is None else {"reference": reference, "prediction": mask}
    for name, array in masks.items():
        if tuple(array.shape) != geometry.shape_zyx:
            raise GeometryError(
                f"The {name} of shape {tuple(array.shape)} does not lie on its grid, {geometry.shape_zyx}."
            )
    panels = [(name, view) for name in masks for view in views]
    width = _PANEL_PX * len(panels)
    column_px = _LEGEND_COLUMN_PX if reference is None else _LONG_COLUMN_PX
    columns = max(1, width // column_px)
    footer = _LEGEND_PX * -(-len(labels) // columns) + 8
    height = _HEADER_PX + _PANEL_PX + footer
    figure = new_figure(width, height)
    scenes = {name: _scene(array, geometry, labels, glass) for name, array in masks.items()}
    for number, (name, view) in enumerate(panels):
        place = (number / len(panels), footer / height, 1 / len(panels), _PANEL_PX / height)
        axes = figure.add_axes(place, projection="3d", facecolor="none")
        scenes[name].draw(axes, view, name if reference is not None else "")
    middle = 1 - _HEADER_PX / 2 / height
    figure.text(12 / width, middle, title, color=TEXT, fontsize=13, weight="bold", va="center")
    figure.text(1 - 12 / width, middle, DISCLAIMER, color=FAINT, fontsize=10, ha="right", va="center")
    for number, (name, colour) in enumerate(label_colours(list(labels)).items()):
        row, column = divmod(number, columns)
        volumes = [np.count_nonzero(array == labels[name]) * geometry.voxel_volume_ml for array in masks.values()]
        words = f"{name.replace('_', ' ')}  {volumes[-1]:.1f} mL"
        if reference is not None:
            words += f" of {volumes[0]:.1f}"
        x, y = (12 + column * column_px) / width, (footer - _LEGEND_PX * (row + 0.5)) / height
        figure.text(x, y, "\N{BLACK SQUARE}", color=colour, fontsize=15, va="center")
        figure.text(x + 22 / width, y, words, color=TEXT, fontsize=11, va="center")
    write_figure(path, figure)


def _scene(mask: NDArray, geometry: Geometry, labels: Mapping[str, int], glass: Sequence[str]) -> SurfaceScene:
    canonical = Volume(mask, geometry).canonical()[0]
    colours = label_colours(list(labels))
    solids = [
        Solid(name, canonical.voxels == value, colours[name], 0.2 if name in glass else 1.0)
        for name, value in labels.items()
    ]
    return SurfaceScene(solids, canonical.geometry.spacing_mm)
