"""Read a CT from whatever the user points at."""

from __future__ import annotations

import zipfile
from pathlib import Path

from PancreasSegLib.errors import PancreasSegError, UnreadableFileError
from PancreasSegLib.io.dicom_files import is_dicom
from PancreasSegLib.io.formats import READABLE_IMAGES, extension_of
from PancreasSegLib.io.scans import case_image
from PancreasSegLib.volume import Volume


def read_volume(
    path: str | Path, *, series: str | None = None, assume_ct: bool = False, hu_offset: float = 0.0
) -> Volume:
    """Read a CT from an image file, a DICOM folder, a DICOM file or a zip of DICOM.

    Parameters
    ----------
    path : str or Path
        ``.nii``, ``.nii.gz``, ``.hdr`` with ``.img``, ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``; a folder with
        DICOM files of any name, in subfolders too; one DICOM file, which stands for its scan in its folder, or a
        DICOMDIR; a zip of DICOM files; or the folder of a TotalSegmentator case, whose ``ct.nii.gz`` is read.
    series : str, optional
        Which DICOM series: its SeriesInstanceUID, its number, or the start of its description. Without it the CT
        with most slices is taken, scout views and computed series only if there is nothing else.
    assume_ct : bool
        Take the values as HU even if they do not look like it; a warning then says so.
    hu_offset : float
        Added to all values first: -1024 for a CT whose rescale intercept was lost.

    Returns
    -------
    Volume
        Voxels in HU, int16 where the values are whole and fit, else float32. ``source`` holds ``path``,
        ``format``, for DICOM ``series_uid``, ``series_number``, ``files`` and ``frames`` in slice order, and
        ``warnings`` (a list of ``{"code", "sentence"}``) about what was repaired.

    Raises
    ------
    UnreadableFileError
        If it is missing, empty, truncated, damaged, not permitted or of no known format.
    NotACTError
        If it is not one 3D CT: MR, a mask, 2D, 4D, colour, too few slices.
    DicomSeriesError
        If a series has missing, doubled or uneven slices, a gantry tilt, mixed sizes or orientations, or `series`
        fits none or several.
    InvalidVoxelsError
        If more than 1 % of the body's voxels are NaN or infinite.
    GeometryError
        If the axes are sheared or singular or the spacing is not that of a CT.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from PancreasSegLib.io import write_volume
    >>> from PancreasSegLib.volume import Geometry
    >>> voxels = np.full((10, 20, 20), -1000, np.int16)
    >>> voxels[:, 5:15, 5:15] = 40
    >>> path = Path(tempfile.mkdtemp()) / "ct.nii.gz"
    >>> write_volume(path, Volume(voxels, Geometry((20, 20, 10), (0.8, 0.8, 2.5))))
    >>> ct = read_volume(path)
    >>> ct.voxels.dtype.name, ct.geometry.size_ijk
    ('int16', (20, 20, 10))
    """
    path = Path(path)
    try:
        return _read(path, series, assume_ct, hu_offset)
    except PermissionError as error:
        raise UnreadableFileError(
            f"You may not read {str(path)!r}.", "Ask its owner for permission, or copy it elsewhere."
        ) from error
    except OSError as error:
        raise UnreadableFileError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (PancreasSegError, MemoryError, ImportError):
        raise
    except Exception as error:  # the libraries that read raise errors of many kinds
        raise UnreadableFileError(
            f"{str(path)!r} is damaged ({type(error).__name__}).", "Copy, download or export it again."
        ) from error


def _read(path: Path, series: str | None, assume_ct: bool, hu_offset: float) -> Volume:
    path = case_image(path) or path
    if extension_of(path) in READABLE_IMAGES and not path.is_dir():
        from PancreasSegLib.io.image_file import read_image_file

        return read_image_file(path, assume_ct=assume_ct, hu_offset=hu_offset)
    if not path.exists():
        raise UnreadableFileError(f"{str(path)!r} does not exist.", "Check the path.")
    if not path.is_dir() and not path.is_file():  # a pipe would wait for ever
        raise UnreadableFileError(f"{str(path)!r} is no regular file.", "Give a file or a folder.")
    if path.is_dir() or is_dicom(path) or zipfile.is_zipfile(path):
        from PancreasSegLib.io.dicom_volume import read_dicom

        return read_dicom(path, series=series, assume_ct=assume_ct, hu_offset=hu_offset)
    with path.open("rb") as stream:
        if not stream.read(1):
            raise UnreadableFileError(f"The file {str(path)!r} is empty.", "Copy, download or export it again.")
    raise UnreadableFileError(
        f"{str(path)!r} is of no known format.",
        f"Give a DICOM folder, file or zip, or one of {', '.join(READABLE_IMAGES)}.",
    )
