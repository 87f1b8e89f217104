"""A shaded surface of a mask, seen from the front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.style import TEXT
from PancreasSegLib.pictures.surface_nets import surface_nets, vertex_normals

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

STEP_MM = 2.0
ELEVATION_DEG = 12.0
_SMOOTHING_MM = 1.6
_LIGHT = np.array([-0.35, -0.75, 0.56])  # from the front, above, the patient's right


def surface_mesh(
    mask: NDArray, spacing_mm: tuple[float, float, float], step_mm: float = STEP_MM
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return a smoothed surface of a mask on canonical axes.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The organ; canonical axes.
    spacing_mm : tuple of 3 float
        Along i, j, k.
    step_mm : float
        Edge of the cells that the surface is made from.

    Returns
    -------
    vertices : ndarray, shape (n, 3)
        To Left, Posterior and Superior in mm, from the mask's corner.
    faces : ndarray, shape (m, 3)
        Indices of vertices, counter-clockwise as seen from outside.
    normals : ndarray, shape (n, 3)
        Outward unit normals.
    """
    from scipy import ndimage

    spacing_zyx = np.asarray(spacing_mm[::-1], dtype=float)
    sigma_mm = np.maximum(_SMOOTHING_MM, 0.6 * spacing_zyx)  # thick slices leave steps
    margin = np.ceil(3 * sigma_mm / spacing_zyx).astype(int) + 1
    padded = np.pad(mask.astype(np.float32), [(m, m) for m in margin])
    smooth = ndimage.gaussian_filter(padded, sigma_mm / spacing_zyx, truncate=2.5)
    shape = np.maximum(2, np.ceil(np.array(padded.shape) * spacing_zyx / step_mm)).astype(int)
    coarse = ndimage.zoom(smooth, shape / np.array(padded.shape), order=1, grid_mode=True, mode="nearest")
    cell = np.array(padded.shape) * spacing_zyx / np.array(coarse.shape)
    level = 0.5 if coarse.max() > 0.55 else 0.5 * float(coarse.max())
    points, faces = surface_nets(coarse, level)
    vertices = (points * cell - margin * spacing_zyx + 0.5 * cell)[:, ::-1]
    faces = faces[:, ::-1]  # (x, y, z) is a mirror of (z, y, x)
    return vertices, faces, vertex_normals(vertices, faces)


def draw_surface(
    axes: Axes3D, mask: NDArray, spacing_mm: tuple[float, float, float], colour: str, *, width_ratio: float = 1.0
) -> None:
    """Draw the surface of a mask as seen from the patient's front; the patient's right is on the left.

    Parameters
    ----------
    axes : mpl_toolkits.mplot3d Axes3D
        Where; matplotlib keeps the axes square, and the surface may spread beyond it to the sides.
    mask : ndarray of bool, shape (z, y, x)
        The organ on canonical axes, cut to its box.
    spacing_mm : tuple of 3 float
        Along i, j, k.
    colour : str
        Colour of the surface.
    width_ratio : float
        Width over height of the room that there is.
    """
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    # matplotlib sorts and fills some 10 000 triangles in half a second: larger organs get larger ones
    volume_mm3 = float(mask.sum()) * float(np.prod(spacing_mm))
    step = STEP_MM * max(1.0, (volume_mm3 / 120e3) ** (1 / 3))
    vertices, faces, _ = surface_mesh(mask, spacing_mm, step)
    triangles = vertices[faces]
    colours = shaded_colours(triangles, colour)
    surface = Poly3DCollection(triangles, facecolors=colours, edgecolors=colours, linewidths=0.3)
    axes.add_collection3d(surface)
    surface.set_clip_on(False)
    low, high = vertices.min(0), vertices.max(0)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_zlim(low[2], high[2])
    axes.set_proj_type("ortho")
    axes.set_box_aspect(tuple(high - low), zoom=zoom_to_fit(high - low, width_ratio))
    axes.view_init(elev=ELEVATION_DEG, azim=-90)
    axes.set_axis_off()
    mark: dict[str, Any] = {"transform": axes.transAxes, "color": TEXT, "ha": "center", "va": "center"}
    axes.text2D(0.5 - 0.48 * width_ratio, 0.9, "R", fontsize=10, **mark)
    axes.text2D(0.5 + 0.48 * width_ratio, 0.9, "L", fontsize=10, **mark)
    axes.text2D(0.5, 0.02, "surface, from the front", fontsize=9, **mark)


def shaded_colours(triangles: NDArray, colour: str | NDArray) -> NDArray[np.float64]:
    """Return the colour of each triangle: ambient and diffuse light (Lambert) and a little gloss (Phong).

    Parameters
    ----------
    triangles : ndarray, shape (m, 3, 3)
        Corners in mm, counter-clockwise as seen from outside.
    colour : str, or ndarray of shape (m, 3)
        Before the light falls on it; one for all triangles, or red, green, blue (0 to 1) of each.
    """
    from matplotlib.colors import to_rgb

    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    facing = normals @ (_LIGHT / np.linalg.norm(_LIGHT))
    shade = 0.30 + 0.70 * np.clip(facing, 0, 1) + 0.10 * np.clip(-facing, 0, 1)
    gloss = 0.25 * np.clip(facing, 0, 1) ** 24
    plain = np.asarray(to_rgb(colour) if isinstance(colour, str) else colour)
    return np.clip(plain * shade[:, None] + gloss[:, None], 0, 1)


def zoom_to_fit(extent_mm: NDArray, width_ratio: float) -> float:
    """Return the zoom at which the surface fills its room; matplotlib fits the box's diagonal into the axes."""
    turn = np.deg2rad(ELEVATION_DEG)
    height = extent_mm[2] * np.cos(turn) + extent_mm[1] * np.sin(turn)
    needed = max(height / 0.84, extent_mm[0] / (0.85 * width_ratio))
    return float(np.linalg.norm(extent_mm) / needed / 0.93)
