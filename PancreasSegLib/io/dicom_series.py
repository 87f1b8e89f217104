"""Choose one CT series among what a folder holds, and list them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import DicomSeriesError, NotACTError, UnreadableFileError
from PancreasSegLib.io.dicom_files import dicom_files, is_dicom
from PancreasSegLib.io.dicom_header import DicomSeries, read_series
from PancreasSegLib.io.image_file import MIN_SLICES

_LISTED = 8


@dataclass(frozen=True)
class SeriesInfo:
    """One line of a listing of series.

    Attributes
    ----------
    uid : str
        SeriesInstanceUID; what ``--series`` takes, as it takes the number or the start of the description.
    number : int or None
        SeriesNumber.
    modality, description : str
    slices : int
        Images without scout views.
    spacing_mm : tuple of float or None
        In-plane spacing along a row and a column.
    size : tuple of int
        Columns, rows.
    chosen : bool
        Whether this one is read when none is named.
    """

    uid: str
    number: int | None
    modality: str
    description: str
    slices: int
    spacing_mm: tuple[float, float] | None
    size: tuple[int, int]
    chosen: bool


def list_series(path: str | Path) -> list[SeriesInfo]:
    """List the DICOM series in a folder, beside a file or in a zip.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of SeriesInfo
        By number; at most one is ``chosen``, none if there is no CT.

    Raises
    ------
    UnreadableFileError
        If there is no DICOM in it.
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableFileError(f"{str(path)!r} does not exist.", "Check the path.")
    with dicom_files(path) as files:
        found = read_series(files)
    try:
        chosen = choose_series(found, path, series_uid_of(path)).uid
    except (NotACTError, DicomSeriesError):
        chosen = ""
    return [
        SeriesInfo(
            uid=series.uid,
            number=series.number,
            modality=series.modality,
            description=series.description,
            slices=len(series.slices),
            spacing_mm=series.slices[0].spacing if series.slices else None,
            size=series.slices[0].size if series.slices else (0, 0),
            chosen=series.uid == chosen,
        )
        for series in found
    ]


def series_uid_of(path: Path) -> str | None:
    """Return the SeriesInstanceUID of a DICOM file, None for a folder or a zip.

    Raises
    ------
    UnreadableFileError
        If the DICOM file belongs to no series.
    """
    if not path.is_file() or not is_dicom(path):
        return None
    import pydicom

    header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SeriesInstanceUID"])
    uid = header.get("SeriesInstanceUID")
    if uid is None:
        raise UnreadableFileError(f"{str(path)!r} is DICOM but no image of a series.", "Give a CT image.")
    return str(uid)


def choose_series(found: list[DicomSeries], path: Path, wanted: str | None = None) -> DicomSeries:
    """Return the series to read.

    Parameters
    ----------
    found : list of DicomSeries
    path : Path
        Names the input in sentences.
    wanted : str, optional
        SeriesInstanceUID, series number, or the start of the description. Without it, the CT with most slices is
        taken; scout views, and series that were computed from others, only if there is nothing else.

    Raises
    ------
    DicomSeriesError
        If `wanted` fits none or several.
    NotACTError
        If there is no CT.
    """
    if not found:
        raise UnreadableFileError(f"{str(path)!r} holds no DICOM images.", "Give a folder of a CT series.")
    if wanted is not None:
        series = _wanted(found, path, wanted.strip())
        if series.modality != "CT":
            raise NotACTError(
                f"The DICOM {series.name} in {str(path)!r} is {series.modality}, not CT.", "Give a CT."
            )
        return series
    cts = [series for series in found if series.modality == "CT" and series.images]
    if not cts:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(s.modality for s in found).items()))
        raise NotACTError(f"{str(path)!r} holds no CT series, only {kinds}.", "Give the folder of a CT series.")

    def worth(series: DicomSeries) -> tuple[bool, bool, bool, int]:
        slices = series.slices
        is_picture = slices[0].is_localiser or slices[0].samples != 1
        return not is_picture, len(slices) >= MIN_SLICES, not slices[0].is_derived, len(slices)

    return max(cts, key=worth)


def _wanted(found: list[DicomSeries], path: Path, wanted: str) -> DicomSeries:
    fits = [s for s in found if s.uid == wanted]
    fits = fits or [s for s in found if s.number is not None and str(s.number) == wanted]
    fits = fits or [s for s in found if wanted and s.description.lower().startswith(wanted.lower())]
    if len(fits) == 1:
        return fits[0]
    names = "; ".join(f"{s.name}, {s.modality}, {len(s.images)} images" for s in (fits or found)[:_LISTED])
    if not fits:
        raise DicomSeriesError(
            f"{str(path)!r} holds no series {wanted!r}.", f"It holds: {names}. Name one by its UID or number."
        )
    raise DicomSeriesError(
        f"{wanted!r} fits {len(fits)} series in {str(path)!r}.", f"Name one by its UID: {names}."
    )
