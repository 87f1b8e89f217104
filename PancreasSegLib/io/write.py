"""Write masks and other volumes on the grid they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import OutputError
from PancreasSegLib.io.atomic import atomic_path, check_writable
from PancreasSegLib.io.formats import WRITABLE_VOLUMES
from PancreasSegLib.io.itk_image import image_of, simple_itk
from PancreasSegLib.volume import Geometry, Volume


def write_mask(
    path: str | Path,
    mask: NDArray,
    geometry: Geometry,
    *,
    labels: dict[str, int] | None = None,
    source: Volume | None = None,
) -> None:
    """Write a mask in the format that the extension names."""
    _write_image(path, np.asarray(mask, dtype=np.uint8), geometry)


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write voxels of any type in the format that the extension names."""
    voxels = volume.voxels
    if voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)
    elif voxels.dtype == bool:
        voxels = voxels.astype(np.uint8)
    _write_image(path, voxels, volume.geometry)


def _write_image(path: str | Path, array: NDArray, geometry: Geometry) -> None:
    check_writable(path, WRITABLE_VOLUMES)
    sitk = simple_itk()
    image = image_of(array, geometry)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OutputError(f"{str(path)!r} cannot be written.") from error
