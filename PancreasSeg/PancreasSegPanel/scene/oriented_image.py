"""Labelmaps that hold only a crop of the CT: vtkOrientedImageData with the crop's place as extent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from PancreasSegPanel.scene.vtk_matrices import to_numpy, to_vtk

_NEAR = 1e-3  # of a voxel: two grids this close are one


def oriented_image(voxels: NDArray, lower_ijk: Sequence[int], image_to_frame: NDArray[np.float64]) -> Any:
    """Return a labelmap of a crop.

    Parameters
    ----------
    voxels : ndarray of uint8, shape (z, y, x)
        The crop; it is copied.
    lower_ijk : sequence of 3 int
        Index of its first voxel on the whole grid.
    image_to_frame : ndarray, shape (4, 4)
        From indices of the whole grid to the segmentation's frame, RAS in mm.
    """
    image = slicer.vtkOrientedImageData()
    k, j, i = voxels.shape
    x, y, z = (int(v) for v in lower_ijk)
    image.SetExtent(x, x + i - 1, y, y + j - 1, z, z + k - 1)
    image.SetImageToWorldMatrix(to_vtk(image_to_frame))
    flat = np.ascontiguousarray(voxels, dtype=np.uint8).ravel()
    scalars = numpy_to_vtk(flat, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def array_of(image: Any) -> NDArray | None:
    """Return the (z, y, x) view of a labelmap's voxels, None of an empty one."""
    scalars = image.GetPointData().GetScalars()
    x0, x1, y0, y1, z0, z1 = image.GetExtent()
    if scalars is None or scalars.GetNumberOfTuples() == 0 or x1 < x0 or y1 < y0 or z1 < z0:
        return None
    return vtk_to_numpy(scalars).reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)


def origin_index(image: Any) -> tuple[int, int, int]:
    """Return the index of a labelmap's first voxel on its whole grid."""
    x, _, y, _, z, _ = image.GetExtent()
    return x, y, z


def image_to_frame(image: Any) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from a labelmap's indices to the segmentation's frame."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return to_numpy(matrix)


def values_on(image: Any, like: Any) -> NDArray:
    """Return a labelmap's values on the grid of another, 0 where it has none.

    Parameters
    ----------
    image : vtkOrientedImageData
        Any grid.
    like : vtkOrientedImageData
        The crop that is asked for.

    Returns
    -------
    ndarray, shape (z, y, x) of `like`
        Copied voxel by voxel where the grids are shifted by whole voxels, else the nearest ones.
    """
    x0, x1, y0, y1, z0, z1 = like.GetExtent()
    shape = (z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)
    voxels = array_of(image)
    if voxels is None:
        return np.zeros(shape, np.uint8)
    shift = whole_shift(image, like)
    if shift is None:
        resampled = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            image, like, resampled, False, False
        )
        found = array_of(resampled)
        return found.copy() if found is not None and found.shape == shape else np.zeros(shape, np.uint8)
    result = np.zeros(shape, voxels.dtype)
    start = np.subtract(np.add((x0, y0, z0), shift), origin_index(image))[::-1]  # of `like` in `image`, z y x
    lower = np.maximum(start, 0)
    upper = np.minimum(np.add(start, shape), voxels.shape)
    if np.all(upper > lower):
        source = tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
        target = tuple(slice(int(a), int(b)) for a, b in zip(lower - start, upper - start, strict=True))
        result[target] = voxels[source]
    return result


def whole_shift(image: Any, like: Any) -> NDArray[np.int64] | None:
    """Return how many voxels apart the index origins are where the grids are otherwise the same, else None."""
    relative = np.linalg.inv(image_to_frame(image)) @ image_to_frame(like)
    if np.abs(relative[:3, :3] - np.eye(3)).max() > _NEAR / 500:  # adds up over the length of a scan
        return None
    whole = np.round(relative[:3, 3])
    return whole.astype(np.int64) if np.abs(relative[:3, 3] - whole).max() < _NEAR else None
