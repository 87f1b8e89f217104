"""What was drawn or clicked in the views, as marks on the CT's grid."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PancreasSegLib.volume import Box
from PancreasSegPanel.scene.ct_node import voxels_of
from PancreasSegPanel.scene.patient_axes import lps_from_ras

if TYPE_CHECKING:
    from PancreasSegLib.refine import Mark
    from PancreasSegLib.volume import Geometry
    from PancreasSegPanel.drawing.slice_brush import Stroke
    from PancreasSegPanel.drawing.tools import Tool


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


def voxels_to_change(mark: Mark, ct: Any, hu_range: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Return the voxels of a mark whose HU lie in a closed range; all of them without one."""
    if hu_range is None:
        return mark.voxels
    hu = voxels_of(ct)[mark.box.slices_zyx]
    return np.asarray(mark.voxels & (hu >= hu_range[0]) & (hu <= hu_range[1]))


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
    spacing = np.asarray(geometry.spacing_mm)
    flat = np.sqrt(np.clip(1 - (geometry.matrix.T @ normal) ** 2, 0, 1))  # share of the radius along each axis
    reach = radius_mm * flat / spacing + 1.0
    around = _around(geometry.lps_to_index(points), reach, geometry)
    if around is None:
        return None
    box, (x0, y0, z0) = around, around.lower_ijk
    voxels = np.zeros(box.size_ijk[::-1], dtype=bool)
    for start, end in pairwise(_thinned(points, 0.1 * radius_mm)):
        part = _around(geometry.lps_to_index(np.stack([start, end])), reach, geometry)
        if part is not None:
            (x, y, z), (u, v, w) = part.lower_ijk, part.upper_ijk
            inside = voxels[z - z0 : w - z0, y - y0 : v - y0, x - x0 : u - x0]
            inside |= _covered(part, start, end, normal, geometry, radius_mm)
    line = _dense(points, 0.5 * float(spacing.min()))
    under = np.round(geometry.lps_to_index(line)).astype(int)  # marked however small the brush is
    i, j, k = (under[((under >= box.lower_ijk) & (under < box.upper_ijk)).all(1)] - box.lower_ijk).T
    voxels[k, j, i] = True
    return (box, voxels) if voxels.any() else None


def _around(index: NDArray[np.float64], reach: NDArray[np.float64], geometry: Geometry) -> Box | None:
    """Return the box around voxel indices, None where it lies beside the grid."""
    lower = np.maximum(np.floor(index.min(0) - reach).astype(int), 0)
    upper = np.minimum(np.ceil(index.max(0) + reach).astype(int) + 1, geometry.size_ijk)
    return Box(tuple(lower), tuple(upper)) if (upper > lower).all() else None


def _covered(
    box: Box,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    normal: NDArray[np.float64],
    geometry: Geometry,
    radius_mm: float,
) -> NDArray[np.bool_]:
    """Return which voxels of a box a disc covers that goes from one place to another."""
    steps = geometry.matrix * np.asarray(geometry.spacing_mm)
    z, y, x = np.ogrid[box.slices_zyx]
    first = geometry.index_to_lps((0.0, 0.0, 0.0)) - start
    offset = first + x[..., None] * steps[:, 0] + y[..., None] * steps[:, 1] + z[..., None] * steps[:, 2]
    height = offset @ normal
    way = end - start
    along = np.clip(offset @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    beside = offset - height[..., None] * normal - along[..., None] * way
    half = 0.5 * float(np.abs(steps.T @ normal).sum())
    return (height > -half) & (height <= half) & ((beside**2).sum(axis=-1) <= radius_mm**2)


def _thinned(points: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Return the first point, those at least `step_mm` further along, and the last: two or more."""
    kept = [points[0]]
    for point in points[1:-1]:
        if np.linalg.norm(point - kept[-1]) >= step_mm:
            kept.append(point)
    return np.array([*kept, points[-1]])


def _dense(points: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Return the points of a line no further than `step_mm` from each other."""
    parts = [points[:1]]
    for start, end in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / step_mm)))
        parts.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)
