"""What was drawn or clicked in the views, as marks on the CT's grid."""

from __future__ import annotations

import threading
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.volume import Box
from PancreasSegPanel.patient_axes import lps_from_ras

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry
    from PancreasSegPanel.correct_tools import Tool
    from PancreasSegPanel.slice_brush import Stroke


def import_early() -> None:
    """Import in a thread what strokes need, a fifth of a second: the first one shall not wait for it."""
    threading.Thread(target=import_module, args=("scipy.spatial",), daemon=True).start()


def mark_of_stroke(stroke: Stroke, geometry: Geometry, tool: Tool, radius_mm: float, sphere: bool) -> Mark:
    """Return the mark of a stroke: what the outline in the slice view held, one voxel thick, or a ball's way.

    Parameters
    ----------
    stroke : Stroke
        What was drawn.
    geometry : Geometry
        The CT's grid in the world.
    tool : Tool
        With what.
    radius_mm : float
        Of the brush.
    sphere : bool
        Whether the neighbouring slices are marked too.

    Raises
    ------
    MarkError
        If it lies outside the CT.
    """
    from PancreasSegLib.errors import MarkError
    from PancreasSegLib.refine import Mark

    points, normal = lps_from_ras(stroke.points_ras), lps_from_ras(stroke.normal_ras)
    if sphere:
        return Mark.stroke(points, geometry, include=tool.include, radius_mm=radius_mm, kind=tool.kind)
    found = _disc(points, normal, geometry, radius_mm)
    if found is None:
        raise MarkError("The marks lie outside the CT.", "Draw inside the CT.")
    box, voxels = found
    return Mark.of_array(voxels, geometry, include=tool.include, kind=tool.kind, box=box)


def mark_of_point(position_ras: ArrayLike, geometry: Geometry, tool: Tool) -> Mark:
    """Return the mark of a point, RAS in mm.

    Raises
    ------
    MarkError
        If it lies outside the CT.
    """
    from PancreasSegLib.refine import Mark

    return Mark.point(lps_from_ras(position_ras), geometry, include=tool.include)


def _disc(
    points: NDArray[np.float64], normal: NDArray[np.float64], geometry: Geometry, radius_mm: float
) -> tuple[Box, NDArray[np.bool_]] | None:
    """Return the voxels of a slice through the grid, at any angle, that a disc covers; None without any.

    A voxel belongs to the slice when the slice passes through it, so that every place of the view is marked.
    """
    from scipy.spatial import cKDTree

    spacing = np.asarray(geometry.spacing_mm)
    index = geometry.lps_to_index(points)
    flat = np.sqrt(np.clip(1 - (geometry.matrix.T @ normal) ** 2, 0, 1))  # share of the radius along each axis
    reach = radius_mm * flat / spacing + 1.0
    lower = np.maximum(np.floor(index.min(0) - reach).astype(int), 0)
    upper = np.minimum(np.ceil(index.max(0) + reach).astype(int) + 1, geometry.size_ijk)
    if (upper <= lower).any():
        return None
    box = Box(tuple(lower), tuple(upper))
    x, y, z = np.ogrid[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))]
    steps = (geometry.matrix * spacing).T @ normal  # mm along the normal for a step along i, j, k
    start = float(normal @ (geometry.index_to_lps((0.0, 0.0, 0.0)) - points[0]))
    height = (start + x * steps[0] + y * steps[1] + z * steps[2]).transpose(2, 1, 0)
    half = 0.5 * np.abs(steps).sum()
    voxels = (height > -half) & (height <= half)
    centres = geometry.index_to_lps(np.argwhere(voxels)[:, ::-1] + lower.astype(np.float64))
    on_slice = centres - height[voxels][:, None] * normal
    line = _dense(points, 0.5 * float(spacing.min()))
    distance, _ = cKDTree(line).query(on_slice, distance_upper_bound=radius_mm + 1e-6)
    voxels[voxels] = distance <= radius_mm
    under = np.round(geometry.lps_to_index(line)).astype(int)  # marked however small the brush is
    i, j, k = (under[((under >= lower) & (under < upper)).all(1)] - lower).T
    voxels[k, j, i] = True
    return (box, voxels) if voxels.any() else None


def _dense(points: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Return the points of a line no further than `step_mm` from each other."""
    parts = [points[:1]]
    for start, end in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / step_mm)))
        parts.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)
