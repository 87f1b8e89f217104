"""Bring a label map onto the grid of its CT, without interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.segmentation_file import SEGMENTS
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume

_TOLERANCE = 0.25
"""Of a voxel: headers of CT and label that differ by less were rounded differently."""


def on_grid(labels: Volume, ct: Volume, what: str) -> NDArray:
    """Return the label map's voxels in the order of the CT's axes.

    Parameters
    ----------
    labels, ct : Volume
        On the same points of space; order and direction of the axes may differ. A segmentation of 3D Slicer may
        be cut to its segments.
    what : str
        Names the label map in sentences.

    Returns
    -------
    ndarray, shape (z, y, x) of the CT

    Raises
    ------
    DatasetError
        If the grids lie elsewhere, or have other sizes.

    Examples
    --------
    >>> import numpy as np
    >>> ct = Volume(np.zeros((2, 3, 4), np.int16), Geometry((4, 3, 2), (1, 1, 2)))
    >>> flipped = Geometry((4, 3, 2), (1, 1, 2), (0, 2, 0), (1, 0, 0, 0, -1, 0, 0, 0, 1))
    >>> labels = Volume(np.zeros((2, 3, 4), np.uint8), flipped)
    >>> labels.voxels[0, 0, 1] = 1
    >>> np.argwhere(on_grid(labels, ct, "a mask")).tolist()
    [[0, 2, 1]]
    """
    tolerance_mm = _TOLERANCE * min(ct.geometry.spacing_mm)
    if labels.geometry.matches(ct.geometry, tolerance_mm):
        return labels.voxels
    own, canonical = AxisMap.to_canonical(labels.geometry), AxisMap.to_canonical(ct.geometry)
    if own.target.matches(canonical.target, tolerance_mm):
        return canonical.invert(own.apply(labels.voxels))
    if SEGMENTS in labels.source and (place := _inside(own.target, canonical.target)) is not None:
        whole = np.zeros(canonical.target.shape_zyx, labels.voxels.dtype)
        whole[place.slices_zyx] = own.apply(labels.voxels)
        return canonical.invert(whole)
    raise DatasetError(
        f"{what} does not lie on its CT: {_described(labels.geometry)} instead of {_described(ct.geometry)}.",
        "Resample it to the CT, or correct its header.",
    )


def _inside(part: Geometry, whole: Geometry) -> Box | None:
    """Return which voxels of a grid another one is; None if it is no part of it."""
    first = np.round(whole.lps_to_index(part.origin_lps)).astype(int)
    box = Box(tuple(first.tolist()), tuple((first + np.array(part.size_ijk)).tolist()))
    fits = not box.is_empty and box.clipped(whole) == box
    return box if fits and box.geometry(whole).matches(part, _TOLERANCE * min(whole.spacing_mm)) else None


def _described(geometry: Geometry) -> str:
    size = " x ".join(map(str, geometry.size_ijk))
    spacing = " x ".join(f"{v:.3g}" for v in geometry.spacing_mm)
    origin = ", ".join(f"{v:.1f}" for v in geometry.origin_lps)
    return f"{size} voxels of {spacing} mm at ({origin}) {orientation_code(geometry)}"


def orientation_code(geometry: Geometry) -> str:
    """Return to which side of the patient each axis runs, such as ``"LPS"``; nearest axes where it is oblique.

    Examples
    --------
    >>> orientation_code(Geometry((2, 2, 2), (1, 1, 1), (0, 0, 0), (-1, 0, 0, 0, 1, 0, 0, 0, 1)))
    'RPS'
    """
    letters = (("L", "R"), ("P", "A"), ("S", "I"))
    axes = AxisMap.to_canonical(geometry)
    code = [""] * 3
    for target, (axis, flipped) in enumerate(zip(axes.order, axes.flipped, strict=True)):
        code[axis] = letters[target][flipped]
    return "".join(code)
