"""Bring labels from one grid to any other, oblique ones too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume.box import Box
from PancreasSegLib.volume.geometry import Geometry
from PancreasSegLib.volume.volume import Volume


def labels_on_grid(labels: Volume, target: Geometry) -> NDArray:
    """Give each voxel of a grid the label of the nearest voxel of another one, by their places in the patient.

    Parameters
    ----------
    labels : Volume
        Label values; 0 is background.
    target : Geometry
        The grid that is wanted: axes in any order and direction, rotated, of any spacing.

    Returns
    -------
    ndarray, shape of `target` (z, y, x)
        Background where the labels' grid does not reach.

    Raises
    ------
    GeometryError
        If the two grids have no place in common.

    Examples
    --------
    >>> voxels = np.zeros((4, 4, 4), np.uint8); voxels[1, 2, 3] = 5
    >>> source = Volume(voxels, Geometry((4, 4, 4), (1.0, 1.0, 1.0)))
    >>> flipped = Geometry((4, 4, 4), (1.0, 1.0, 1.0), (3.0, 0.0, 0.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))
    >>> np.argwhere(labels_on_grid(source, flipped)).tolist()
    [[1, 2, 0]]
    """
    if Box.whole(labels.geometry).on_grid(labels.geometry, target).is_empty:
        raise GeometryError(
            "The two grids lie in different places and have no voxel in common.",
            "Check that both belong to the same scan.",
        )
    found = np.zeros(target.shape_zyx, dtype=labels.voxels.dtype)
    inside = Box.of_mask(labels.voxels != 0)
    if inside is None:
        return found
    box = inside.on_grid(labels.geometry, target)
    (i0, j0, k0), (i1, j1, k1) = box.lower_ijk, box.upper_ijk
    plane = np.stack(np.meshgrid(np.arange(i0, i1), np.arange(j0, j1), indexing="xy"), axis=-1)
    last = np.asarray(labels.geometry.size_ijk) - 1
    for k in range(k0, k1):  # a slice at a time, so that a large scan needs little memory
        index = np.concatenate([plane, np.full((*plane.shape[:2], 1), k)], axis=-1)
        nearest = np.floor(labels.geometry.lps_to_index(target.index_to_lps(index)) + 0.5).astype(np.intp)
        reached = ((nearest >= 0) & (nearest <= last)).all(axis=-1)
        i, j, n = np.moveaxis(np.clip(nearest, 0, last), -1, 0)
        found[k, j0:j1, i0:i1] = np.where(reached, labels.voxels[n, j, i], 0)
    return found
