"""Read a mask that is stored as DICOM images, one a slice, and lay it on the slices of its CT."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import DatasetError, UnreadableFileError
from PancreasSegLib.io.dicom_files import dicom_files
from PancreasSegLib.io.itk_image import quiet_stderr, simple_itk
from PancreasSegLib.volume import Volume

_ASIDE = 0.25  # of a voxel


def read_dicom_mask(folder: Path, ct: Volume) -> NDArray[np.bool_]:
    """Read the DICOM images of a folder as a mask on a CT that was DICOM.

    Each image takes the slice at its position; where images have none, that of the CT's file of the same number.

    Parameters
    ----------
    folder : Path
        Files of any name; stored values other than the lowest possible, 0, are inside.
    ct : Volume
        As `PancreasSegLib.io.read_volume` read it from DICOM: ``source["files"]`` names each slice's file.

    Returns
    -------
    ndarray of bool, shape (z, y, x) of the CT

    Raises
    ------
    DatasetError
        If the images do not cover the CT's slices one to one.
    UnreadableFileError
        If a file cannot be read.
    """
    mask = np.zeros(ct.geometry.shape_zyx, dtype=bool)
    with dicom_files(folder) as files:
        images = [_read(file.path) for file in files]
        paths = [file.path for file in files]
    places = _by_position(images, ct)
    if places is None:
        places = _by_number(paths, ct)
    if places is None or sorted(places) != list(range(len(mask))):
        raise DatasetError(
            f"The {len(images)} images in {folder} do not fit the {len(mask)} slices of the CT.",
            "Unpack both archives again; images may be missing.",
        )
    for place, image, path in zip(places, images, paths, strict=True):
        stored = _stored(image, path)
        if stored.shape != mask.shape[1:]:
            raise DatasetError(f"{path} has {stored.shape} pixels and the CT's slices {mask.shape[1:]}.")
        mask[place] = stored != 0
    return mask


def _read(path: Path) -> Any:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, force=True)
    except (OSError, EOFError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UnreadableFileError(f"The DICOM file {str(path)!r} cannot be read: {error}.") from error


def _stored(image: Any, path: Path) -> NDArray:
    """Return the stored numbers, not rescaled: a mask knows no HU."""
    try:
        return np.asarray(image.pixel_array)
    except Exception:  # pydicom's decoders raise errors of many kinds; what it cannot unpack, GDCM may
        pass
    sitk = simple_itk()
    try:
        with quiet_stderr():
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise UnreadableFileError(f"The DICOM file {str(path)!r} is damaged.", "Unpack it again.") from error
    slope, intercept = (float(image.get(tag, default) or default) for tag, default in
                        (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)))  # fmt: skip
    plane = values[0] if values.ndim == 3 else values
    return np.rint((plane - intercept) / slope)


def _by_position(images: list[Any], ct: Volume) -> list[int] | None:
    """Return the slice of each image by its position, None where one has no position on the CT's grid."""
    places = []
    for image in images:
        position = image.get("ImagePositionPatient")
        if position is None or len(position) != 3:
            return None
        index = ct.geometry.lps_to_index([float(v) for v in position])
        place = round(float(index[2]))
        if np.abs(index - (0, 0, place)).max() > _ASIDE:
            return None
        places.append(place)
    return places if len(set(places)) == len(places) else None


def _by_number(paths: list[Path], ct: Volume) -> list[int] | None:
    """Return the slice of each image by the number at the end of its file's name."""
    slices = {_number(Path(name)): place for place, name in enumerate(ct.source.get("files", []))}
    numbers = [_number(path) for path in paths]
    return [slices[n] for n in numbers] if None not in numbers and set(numbers) <= set(slices) else None


def _number(path: Path) -> int | None:
    digits = re.findall(r"\d+", path.stem if path.suffix.lower() == ".dcm" else path.name)
    return int(digits[-1]) if digits else None
