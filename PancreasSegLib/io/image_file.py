"""Read NIfTI, NRRD and MetaImage files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import NotACTError, UnreadableFileError
from PancreasSegLib.io.formats import NIFTI, NRRD, extension_of
from PancreasSegLib.io.grid import grid_of
from PancreasSegLib.io.hounsfield import as_hounsfield, judged_ct, with_offset, without_invalid
from PancreasSegLib.io.nifti_file import check_size, read_header, read_voxels
from PancreasSegLib.io.segmentation_file import SegmentationFile, segments_of
from PancreasSegLib.io.text_header import check_text_header
from PancreasSegLib.io.text_image import read_text_voxels, text_image
from PancreasSegLib.volume import Geometry, Volume

MIN_SLICES = 8
"""Fewer voxels than this along any axis make no volume for a 3D network."""

_ALMOST_WHOLE = 1e-3  # resampling tools store 0.999999
_MAX_VOXELS = 2**31


def read_image_file(path: Path, *, assume_ct: bool = False, hu_offset: float = 0.0) -> Volume:
    """Read a NIfTI, NRRD or MetaImage file as a CT.

    Parameters
    ----------
    path : Path
        Ends in one of `READABLE_IMAGES`.
    assume_ct : bool
        Take the values as HU even if they do not look like it.
    hu_offset : float
        Added to all values first.

    Returns
    -------
    Volume
        HU, int16 where whole and fitting, else float32; ``source["warnings"]`` says what was repaired.

    Raises
    ------
    UnreadableFileError, NotACTError, InvalidVoxelsError, GeometryError
    """
    image = _read(path)
    what = repr(path.name)
    check_slices(image.geometry, what)
    voxels, invalid = without_invalid(image.voxels, what)
    voxels = with_offset(as_hounsfield(voxels), hu_offset)
    judged = judged_ct(voxels, what, assume_ct=assume_ct)
    source = {**image.source, "warnings": [*image.source["warnings"], *invalid, *judged]}
    return Volume(voxels, image.geometry, source | ({"hu_offset": hu_offset} if hu_offset else {}))


def read_labels(path: str | Path) -> Volume:
    """Read a mask: whole numbers on its grid, with no check that it is a CT.

    Parameters
    ----------
    path : str or Path
        A NIfTI, NRRD or MetaImage file; a segmentation of 3D Slicer becomes
        `label_map`.

    Returns
    -------
    Volume
        uint8 where the labels fit, else int16 or int32.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read.
    NotACTError
        If it is not one 3D volume of whole numbers.
    GeometryError
        If its axes are sheared or singular.
    """
    path = Path(path)
    segmentation = read_segmentation(path)
    if segmentation is not None:
        return segmentation.label_map()
    image = _read(path)
    values = image.voxels
    if values.dtype.kind == "f":
        whole = np.rint(values)
        if not np.allclose(values, whole, rtol=0, atol=_ALMOST_WHOLE):
            raise NotACTError(
                f"{path.name!r} is not a mask: its values are not whole numbers.", "Give a label map."
            )
        values = whole
    low, high = int(values.min()), int(values.max())
    small = next((t for t in (np.uint8, np.int16) if np.iinfo(t).min <= low and high <= np.iinfo(t).max), np.int32)
    return Volume(values.astype(small, copy=False), image.geometry, image.source)


def read_geometry(path: str | Path) -> Geometry:
    """Read where an image lies, as `read_image_file` would; of NIfTI the header alone is read."""
    path = Path(path)
    if extension_of(path) in NIFTI:
        check_readable(path)
        return read_header(path).grid(repr(path.name))[0]
    return _read(path).geometry


def read_values(path: str | Path) -> Volume:
    """Read an image with its values as they are stored, such as a probability on its crop's grid.

    Raises
    ------
    UnreadableFileError, NotACTError, GeometryError
        As for `read_labels`, but any numbers will do.
    """
    return _read(Path(path))


def read_segmentation(path: Path) -> SegmentationFile | None:
    """Read a segmentation of 3D Slicer with its segments; None for a file that names none.

    Raises
    ------
    UnreadableFileError, GeometryError
        As for `read_labels`.
    """
    if extension_of(path) not in NRRD:
        return None
    check_readable(path)
    segments, layers = segments_of(path)
    if not segments:
        return None
    voxels, geometry, warnings = _read_text(path, layers)
    stack = np.moveaxis(voxels, -1, 0) if layers > 1 else voxels[None]
    return SegmentationFile(stack, geometry, segments, {"path": str(path), "warnings": warnings})


def check_slices(geometry: Geometry, what: str) -> None:
    """Refuse a grid that is too thin for a 3D network.

    Raises
    ------
    NotACTError
        If it has fewer than 8 voxels along an axis.
    """
    fewest = min(geometry.size_ijk)
    if fewest < MIN_SLICES:
        raise NotACTError(
            f"{what} has only {fewest} slice{'s' if fewest > 1 else ''}; a CT volume has at least {MIN_SLICES}.",
            "Give the whole scan.",
        )


def _read(path: Path) -> Volume:
    """Return the 3D image with the values as they are stored; ``source`` holds path, format and warnings."""
    check_readable(path)
    if extension_of(path) in NIFTI:
        voxels, geometry, warnings = _read_nifti(path)
    else:
        voxels, geometry, warnings = _read_text(path)
    return Volume(voxels, geometry, {"path": str(path), "format": extension_of(path)[1:], "warnings": warnings})


def _read_nifti(path: Path) -> tuple[NDArray, Geometry, list[dict[str, str]]]:
    header = read_header(path)
    if len(header.dim) < 1 or min(header.dim) < 1:
        raise UnreadableFileError(
            f"{str(path)!r} has a damaged header: its size is {header.dim}.", "Export it again."
        )
    _check_size_of(path, header.dim)
    check_size(path, header)
    geometry, warnings = header.grid(repr(path.name))
    return read_voxels(path, header), geometry, warnings


def _read_text(path: Path, layers: int = 1) -> tuple[NDArray, Geometry, list[dict[str, str]]]:
    """Read NRRD or MetaImage, of several layers (z, y, x, layer)."""
    image = text_image(path)
    if image.components != layers:
        raise NotACTError(
            f"{path.name!r} is a colour or vector image ({image.components} values a voxel), no CT.",
            "Give the CT itself.",
        )
    _check_size_of(path, image.size)
    noted = check_text_header(path)
    geometry, repaired = grid_of(image.size[:3], image.columns_mm, image.origin_lps, repr(path.name))
    try:
        return read_text_voxels(image), geometry, [*noted, *repaired]
    except MemoryError as error:
        raise UnreadableFileError(f"{str(path)!r} is larger than the memory.", "Crop the scan first.") from error


def _check_size_of(path: Path, size: tuple[int, ...]) -> None:
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    shape = " x ".join(map(str, size))
    if len(size) < 3:
        raise NotACTError(
            f"{path.name!r} is a single 2D image ({shape}), not a CT volume.", "Give the whole scan."
        )
    if len(size) > 3:
        raise NotACTError(
            f"{path.name!r} is a {len(size)}D image of {shape} voxels, not one CT volume.",
            "Extract one time point or phase first.",
        )
    if int(np.prod(size, dtype=object)) > _MAX_VOXELS:
        raise NotACTError(f"{path.name!r} claims {shape} voxels, more than any CT has.", "Check the file.")


def check_readable(path: Path) -> None:
    """Refuse a file that is missing, a folder, empty, not permitted, or plain text.

    Raises
    ------
    UnreadableFileError
    """
    try:
        if not path.exists():
            raise UnreadableFileError(f"The file {str(path)!r} does not exist.", "Check the path.")
        if path.is_dir():
            raise UnreadableFileError(f"{str(path)!r} is a folder, not an image file.", "Give the file inside it.")
        if not path.is_file():
            raise UnreadableFileError(f"{str(path)!r} is no regular file.", "Give a file.")
        with path.open("rb") as stream:
            head = stream.read(512)
    except PermissionError as error:
        raise UnreadableFileError(
            f"You may not read {str(path)!r}.", "Ask its owner for permission, or copy it elsewhere."
        ) from error
    except OSError as error:
        raise UnreadableFileError(
            f"{str(path)!r} cannot be opened: {error.strerror or error}.", "Check the path."
        ) from error
    if not head:
        raise UnreadableFileError(f"The file {str(path)!r} is empty.", "Copy, download or export it again.")
    if extension_of(path) in NIFTI and _is_text(head):
        raise UnreadableFileError(
            f"{str(path)!r} is a text file, not a NIfTI image.",
            "A failed download often leaves one; get it again.",
        )


def _is_text(head: bytes) -> bool:
    with contextlib.suppress(UnicodeDecodeError):
        return all(c.isprintable() or c in "\r\n\t\ufeff" for c in head.decode("utf-8").rstrip("\ufffd"))
    return False
