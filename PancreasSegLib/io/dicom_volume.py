"""Read a CT series from DICOM."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from PancreasSegLib.io.dicom_files import DicomFile, dicom_files, is_dicom
from PancreasSegLib.io.dicom_pixels import read_pixels
from PancreasSegLib.io.dicom_series import choose_series, read_series
from PancreasSegLib.io.dicom_stack import stack_images
from PancreasSegLib.io.hounsfield import judged_ct, with_offset, without_invalid
from PancreasSegLib.volume import Volume

_log = logging.getLogger(__name__)


def read_dicom(
    path: Path, *, series: str | None = None, assume_ct: bool = False, hu_offset: float = 0.0
) -> Volume:
    """Read one CT series from a folder, from beside a file, or from a zip.

    Parameters
    ----------
    path : Path
    series : str, optional
        SeriesInstanceUID, number, or start of the description; see
        `choose_series`.
    assume_ct : bool
        Take the values as HU even if they do not look like it.
    hu_offset : float
        Added to all values first.

    Returns
    -------
    Volume
        ``source["files"]`` names the file of each slice in order, ``source["frames"]`` its frame (None in a
        file of one image); no patient's name or number is kept.

    Raises
    ------
    UnreadableFileError, NotACTError, DicomSeriesError, InvalidVoxelsError, GeometryError
    """
    with dicom_files(path) as files:
        return read_dicom_files(files, path, series=series, assume_ct=assume_ct, hu_offset=hu_offset)


def read_dicom_files(
    files: list[DicomFile],
    path: Path,
    *,
    series: str | None = None,
    assume_ct: bool = False,
    hu_offset: float = 0.0,
) -> Volume:
    """Read one CT series among files; `path` names them in sentences, the rest is as for `read_dicom`."""
    choice = choose_series(read_series(files), path, series)
    chosen = choice.series
    stack = stack_images(chosen, str(path))
    voxels = read_pixels(stack.images)
    for warning in stack.warnings:
        _log.warning(warning["sentence"])
    voxels, invalid = without_invalid(voxels, f"the DICOM {chosen.name}")
    voxels = with_offset(voxels, hu_offset)
    judged = judged_ct(voxels, f"The DICOM {chosen.name} in {str(path)!r}", assume_ct=assume_ct)
    source: dict[str, Any] = {
        "path": str(path),
        "format": "dicom" if path.is_dir() or is_dicom(path) else "dicom-zip",
        "series_uid": chosen.uid,
        "series_number": chosen.number,
        "series_part": chosen.what,
        "other_series": [{"key": s.key, "number": s.number, "slices": len(s.slices)} for s in choice.others],
        "files": [image.file.name for image in stack.images],
        "frames": [image.frame for image in stack.images],
        "warnings": [*choice.notes, *chosen.notes, *stack.warnings, *invalid, *judged],
    }
    return Volume(voxels, stack.geometry, source | ({"hu_offset": hu_offset} if hu_offset else {}))
