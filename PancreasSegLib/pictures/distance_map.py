"""The surface of a mask coloured by its distance to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.style import FAINT, TEXT
from PancreasSegLib.pictures.surface_view import (
    ELEVATION_DEG,
    STEP_MM,
    shaded_colours,
    surface_mesh,
    zoom_to_fit,
)

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d import Axes3D

LIMIT_MM = 10.0
"""Distances beyond it have the colour of the limit."""


def distance_colours() -> LinearSegmentedColormap:
    """Return the colours of signed distances: blue is missed, pale is right, orange is too much."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = ["#1d6fe0", "#6db0f5", "#ece8e1", "#f7a54a", "#e0480b"]
    return LinearSegmentedColormap.from_list("missed to too much", stops)


def signed_distances(
    vertices: NDArray[np.float64],
    other: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    on_reference: bool,
) -> NDArray[np.float64]:
    """Return how far the prediction's surface lies beyond the reference's, seen from points of one of both.

    Parameters
    ----------
    vertices : ndarray, shape (n, 3)
        Points (x, y, z) in mm from the outer corner of the array's first voxel.
    other : ndarray of bool, shape (z, y, x)
        The mask of the other surface: the prediction for points of the reference, and the other way round.
    spacing_mm : tuple of 3 float
        Along i, j, k.
    on_reference : bool
        Whether the points lie on the reference's surface.

    Returns
    -------
    ndarray, shape (n,)
        In mm; positive where the prediction has too much, negative where it misses something.
    """
    from scipy.ndimage import map_coordinates
    from scipy.spatial import cKDTree

    from PancreasSegLib.metrics.surface_distance import surface_elements

    points, _ = surface_elements(other, spacing_mm)
    distance, _ = cKDTree(points[:, ::-1]).query(vertices)
    index = vertices[:, ::-1].T / np.asarray(spacing_mm[::-1])[:, None] - 0.5
    inside = map_coordinates(other.astype(np.float32), index, order=1, cval=0.0) > 0.5
    return np.where(inside == on_reference, distance, -distance)


def draw_distance_map(
    axes: Axes3D,
    mask: NDArray[np.bool_],
    other: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    on_reference: bool,
    caption: str,
    width_ratio: float = 1.0,
    limits: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> None:
    """Draw the surface of a mask from the patient's front, coloured by the signed distance to the other one.

    Parameters
    ----------
    axes : mpl_toolkits.mplot3d Axes3D
        Where.
    mask, other : ndarray of bool, shape (z, y, x)
        On the same grid with canonical axes; an empty mask leaves only the caption.
    spacing_mm : tuple of 3 float
        Along i, j, k.
    on_reference : bool
        Whether `mask` is the reference.
    caption : str
        Text below.
    width_ratio : float
        Width over height of the room that there is.
    limits : tuple of ndarray, optional
        Lower and upper corner (x, y, z) in mm of what is shown, so that two maps have one scale; by default the
        surface's own.
    """
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    axes.set_axis_off()
    mark: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text2D(0.5, 0.02, caption, fontsize=9, color=TEXT, **mark)
    if not mask.any():
        axes.text2D(0.5, 0.5, "empty", fontsize=11, color=FAINT, **mark)
        return
    step = STEP_MM * max(1.0, (float(mask.sum()) * float(np.prod(spacing_mm)) / 120e3) ** (1 / 3))
    vertices, faces, _ = surface_mesh(mask, spacing_mm, step)
    if other.any():
        distances = signed_distances(vertices, other, spacing_mm, on_reference=on_reference)
    else:  # nothing of the other one is there at all
        distances = np.full(len(vertices), -np.inf if on_reference else np.inf)
    shares = np.clip(distances[faces].mean(axis=1) / LIMIT_MM, -1, 1) / 2 + 0.5
    triangles = vertices[faces]
    colours = shaded_colours(triangles, distance_colours()(shares)[:, :3])
    surface = Poly3DCollection(triangles, facecolors=colours, edgecolors=colours, linewidths=0.3)
    axes.add_collection3d(surface)
    surface.set_clip_on(False)
    low, high = limits or (vertices.min(0), vertices.max(0))
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_zlim(low[2], high[2])
    axes.set_proj_type("ortho")
    axes.set_box_aspect(tuple(high - low), zoom=zoom_to_fit(high - low, width_ratio))
    axes.view_init(elev=ELEVATION_DEG, azim=-90)
    for side, place in (("R", 0.5 - 0.48 * width_ratio), ("L", 0.5 + 0.48 * width_ratio)):
        axes.text2D(place, 0.9, side, fontsize=10, color=TEXT, **mark)


def draw_distance_bar(figure: Figure, place: tuple[float, float, float, float]) -> None:
    """Draw the colour bar in mm at a place (left, bottom, width, height; shares of the figure)."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_axes(place)
    scale = ScalarMappable(Normalize(-LIMIT_MM, LIMIT_MM), distance_colours())
    bar = figure.colorbar(scale, cax=axes, extend="both", ticks=np.linspace(-LIMIT_MM, LIMIT_MM, 5))
    bar.outline.set_visible(False)
    axes.tick_params(colors=TEXT, labelsize=9)
    axes.set_ylabel("mm: missed (below 0), too much (above)", color=TEXT, fontsize=9)
