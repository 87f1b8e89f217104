"""Read the pixels of DICOM images as HU."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.io.dicom_header import DicomImage
from PancreasSegLib.io.hounsfield import as_hounsfield
from PancreasSegLib.io.itk_image import quiet_stderr, simple_itk

_log = logging.getLogger(__name__)

_INT16 = np.iinfo(np.int16)

_PACKED_LIMIT = 1040  # no compression of a CT saves more


def read_pixels(images: list[DicomImage]) -> NDArray:
    """Read the images of a stack, each with its own rescale slope and intercept.

    pydicom reads what is not compressed (four times faster than ITK, one file at a time); GDCM in SimpleITK the
    rest: JPEG, JPEG-LS, JPEG 2000, RLE.

    Parameters
    ----------
    images : list of DicomImage
        In the order of the result; all of one size.

    Returns
    -------
    ndarray, shape (z, y, x)
        HU; int16 where all values are whole, else float32. Padding below -32768 HU is cut off there.

    Raises
    ------
    UnreadableFileError
        If a file is damaged or compressed in a way that cannot be read here.
    """
    columns, rows = images[0].size
    voxels: NDArray = np.empty((len(images), rows, columns), dtype=np.int16)
    for number, values in _values(images):
        if tuple(values.shape) != (rows, columns):
            raise _unreadable(images[number], f"it holds {values.shape} pixels instead of {(rows, columns)}")
        if voxels.dtype == np.int16 and not _fits(values):
            voxels = voxels.astype(np.float32)
        voxels[number] = np.maximum(values, _INT16.min)
    return as_hounsfield(voxels)


def _fits(values: NDArray) -> bool:
    """Whether HU values are whole and not above int16 (below it lies only padding)."""
    return bool(values.max() <= _INT16.max) and (
        values.dtype.kind in "iu" or np.array_equal(values, np.rint(values))
    )


def _values(images: list[DicomImage]) -> Iterator[tuple[int, NDArray]]:
    """Yield (index in `images`, HU of that image), opening each file once."""
    by_file: dict[Path, list[int]] = {}
    for number, image in enumerate(images):
        by_file.setdefault(image.file.path, []).append(number)
    for path, numbers in by_file.items():
        first = images[numbers[0]]
        if first.frame is None:
            yield numbers[0], _single(first)
            continue
        frames = _stored(path, first)
        for number in numbers:
            frame = images[number].frame
            if frames.ndim != 3 or frame is None or frame >= len(frames):
                raise _unreadable(images[number], "its frames do not fit its header")
            yield number, _rescaled(frames[frame], images[number])


def _single(image: DicomImage) -> NDArray:
    import pydicom

    try:
        dataset = pydicom.dcmread(image.file.path, force=True)
        if int(dataset.Rows) * int(dataset.Columns) > image.file.path.stat().st_size * _PACKED_LIMIT:
            raise _unreadable(image, "it is far too small for the image that its header promises")
        encoding = getattr(dataset.file_meta, "TransferSyntaxUID", None) if hasattr(dataset, "file_meta") else None
        if encoding is not None and not encoding.is_compressed and _is_plain(dataset):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stored = dataset.pixel_array
            if int(dataset.BitsStored) == 16 or stored.max() < 1 << int(dataset.BitsStored):
                return _rescaled(stored, image)
    except UnreadableFileError:
        raise
    except Exception as error:  # of many kinds
        _log.debug("pydicom could not read %r (%s); trying GDCM.", image.file.name, error)
    sitk = simple_itk()
    try:
        with quiet_stderr():
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(image.file.path)))
    except RuntimeError as error:
        raise _unreadable(image, "it is truncated, damaged, or compressed in an unknown way") from error
    return values[0] if values.ndim == 3 and len(values) == 1 else values


def _is_plain(dataset: Any) -> bool:
    """Whether stored numbers are values as they are: 16 bits, nothing packed above the used bits' sign."""
    bits = int(dataset.get("BitsStored", 0))
    if int(dataset.get("BitsAllocated", 0)) != 16 or int(dataset.get("HighBit", 0)) != bits - 1:
        return False
    return bits == 16 or int(dataset.get("PixelRepresentation", 0)) == 0


def _stored(path: Path, image: DicomImage) -> NDArray:
    """Return the stored numbers of all frames of a file."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(pydicom.dcmread(path, force=True).pixel_array)
    except Exception as error:  # pydicom's decoders raise errors of many kinds
        raise _unreadable(
            image, "its frames are damaged or compressed in a way that cannot be read here"
        ) from error


def _rescaled(stored: NDArray, image: DicomImage) -> NDArray:
    """Return slope * stored + intercept, in whole numbers where both are whole."""
    if image.slope.is_integer() and image.intercept.is_integer():
        return stored.astype(np.int32) * int(image.slope) + int(image.intercept)
    return stored * np.float64(image.slope) + np.float64(image.intercept)


def _unreadable(image: DicomImage, why: str) -> UnreadableFileError:
    return UnreadableFileError(f"The DICOM file {image.file.name!r} cannot be read: {why}.", "Export it again.")
