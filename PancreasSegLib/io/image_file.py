"""Read NIfTI, NRRD and MetaImage files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import NotACTError, UnreadableFileError
from PancreasSegLib.io.formats import extension_of
from PancreasSegLib.io.itk_image import geometry_of, simple_itk
from PancreasSegLib.volume import Volume


def read_image_file(path: Path, *, assume_ct: bool = False) -> Volume:
    """Read an image file as a CT."""
    if not path.exists():
        raise UnreadableFileError(f"The file {str(path)!r} does not exist.", "Check the path.")
    sitk = simple_itk()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
            raise NotACTError(f"{str(path)!r} is not a single 3D volume.")
        if reader.GetPixelID() == sitk.sitkFloat64:
            reader.SetOutputPixelType(sitk.sitkFloat32)
        image = reader.Execute()
    except RuntimeError as error:
        raise UnreadableFileError(f"{str(path)!r} cannot be read.") from error
    voxels = as_hounsfield(sitk.GetArrayFromImage(image))
    return Volume(voxels, geometry_of(image, repr(path.name)), {"path": str(path), "format": extension_of(path)})


def as_hounsfield(voxels: NDArray) -> NDArray:
    """Return int16 where the values are whole and fit, else float32."""
    if voxels.dtype == np.int16:
        return voxels
    limits = np.iinfo(np.int16)
    if voxels.size and (voxels.min() < limits.min or voxels.max() > limits.max):
        return voxels.astype(np.float32)
    whole = voxels.astype(np.int16)
    return whole if np.array_equal(whole, voxels) else voxels.astype(np.float32, copy=False)
