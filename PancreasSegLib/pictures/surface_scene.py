"""Several organs as shaded surfaces in one view, hidden parts hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.pictures.style import TEXT
from PancreasSegLib.pictures.surface_view import surface_mesh
from PancreasSegLib.volume import Box

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

View = Literal["front", "behind", "left", "right"]

_AZIMUTH_DEG: dict[View, float] = {"front": -90.0, "behind": 90.0, "left": 0.0, "right": 180.0}
_SIDES: dict[View, tuple[str, str]] = {
    "front": ("R", "L"),
    "behind": ("L", "R"),
    "left": ("A", "P"),
    "right": ("P", "A"),
}
_ELEVATION_DEG = 12.0
_STEP_MM = 1.8
_LIGHT = np.array([-0.35, -0.75, 0.56])  # over the left shoulder of whoever looks


@dataclass(frozen=True, eq=False)
class Solid:
    """An organ to draw.

    Attributes
    ----------
    name : str
        For the legend.
    mask : ndarray of bool, shape (z, y, x)
        Canonical axes, the grid of the scene.
    colour : str
        Of the surface.
    opacity : float
        1 hides what lies behind.
    """

    name: str
    mask: NDArray[np.bool_]
    colour: str
    opacity: float = 1.0


class SurfaceScene:
    """Surfaces of some organs, made once and drawn from any side.

    Parameters
    ----------
    solids : sequence of Solid
        Empty ones are left out.
    spacing_mm : tuple of 3 float
        Along i, j, k.
    """

    def __init__(self, solids: Sequence[Solid], spacing_mm: tuple[float, float, float]) -> None:
        from matplotlib.colors import to_rgb

        corners, normals, colours = [np.zeros((0, 3, 3))], [np.zeros((0, 3))], [np.zeros((0, 4))]
        for solid in solids:
            box = Box.of_mask(solid.mask)
            if box is None:
                continue
            part = solid.mask[box.slices_zyx]
            volume_mm3 = float(part.sum()) * float(np.prod(spacing_mm))
            step = _STEP_MM * max(1.0, (volume_mm3 / 120e3) ** (1 / 3))
            vertices, faces, turned = surface_mesh(part, spacing_mm, step)
            vertices = vertices + np.array(box.lower_ijk) * spacing_mm
            corners.append(vertices[faces])
            normals.append(_unit(turned[faces].mean(axis=1)))
            colours.append(np.tile([*to_rgb(solid.colour), solid.opacity], (len(faces), 1)))
        self.triangles, self.normals = np.concatenate(corners), np.concatenate(normals)
        self.colours = np.concatenate(colours)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return len(self.triangles) == 0

    def draw(self, axes: Axes3D, view: View = "front", caption: str = "") -> None:
        """Draw the scene from a side, as large as the axes allow.

        One collection holds the triangles of all organs, since matplotlib sorts by depth within one only.

        Parameters
        ----------
        axes : mpl_toolkits.mplot3d Axes3D
            Square axes on a dark figure.
        view : str
            ``"front"``, ``"behind"``, or the patient's ``"left"`` or ``"right"``.
        caption : str
            Written before the name of the view.
        """
        from mpl_toolkits.mplot3d.art3d import Poly3DCollection

        axes.set_axis_off()
        side = {"front": "from the front", "behind": "from behind"}.get(view, f"from the patient's {view}")
        style = {"transform": axes.transAxes, "color": TEXT, "ha": "center", "va": "center"}
        axes.text2D(0.5, 0.03, f"{caption}, {side}" if caption else side, fontsize=10, **style)
        if self.is_empty:
            axes.text2D(0.5, 0.5, "nothing to show", fontsize=12, **style)
            return
        for x, letter in zip((0.04, 0.96), _SIDES[view], strict=True):
            axes.text2D(x, 0.5, letter, fontsize=11, **style)
        shaded = self._shaded(view)
        surface = Poly3DCollection(self.triangles, facecolors=shaded, edgecolors="none", antialiased=False)
        axes.add_collection3d(surface)
        surface.set_clip_on(False)
        points = self.triangles.reshape(-1, 3)
        low, high = points.min(axis=0), points.max(axis=0)
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        axes.set_zlim(low[2], high[2])
        axes.set_proj_type("ortho")
        axes.set_box_aspect(tuple(high - low), zoom=_zoom(high - low, view))
        axes.view_init(elev=_ELEVATION_DEG, azim=_AZIMUTH_DEG[view])

    def _shaded(self, view: View) -> NDArray[np.float64]:
        """Return red, green, blue and opacity of each triangle, lit from where the viewer stands."""
        turn = np.deg2rad(_AZIMUTH_DEG[view] - _AZIMUTH_DEG["front"])
        rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        light = rotation @ (_LIGHT / np.linalg.norm(_LIGHT))
        facing = np.clip(self.normals @ light, -1, 1)
        shade = 0.34 + 0.66 * np.clip(facing, 0, 1) + 0.10 * np.clip(-facing, 0, 1)
        gloss = 0.18 * np.clip(facing, 0, 1) ** 20
        colours = self.colours.copy()
        colours[:, :3] = np.clip(colours[:, :3] * shade[:, None] + gloss[:, None], 0, 1)
        return colours


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors of length 1."""
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)


def _zoom(extent_mm: NDArray, view: View) -> float:
    """Return the zoom at which the scene fills its axes; matplotlib fits the box's diagonal into them."""
    turn = np.deg2rad(_ELEVATION_DEG)
    width, depth = (extent_mm[0], extent_mm[1]) if view in ("front", "behind") else (extent_mm[1], extent_mm[0])
    height = extent_mm[2] * np.cos(turn) + depth * np.sin(turn)
    return float(np.linalg.norm(extent_mm) / max(height / 0.86, width / 0.84) / 0.93)
