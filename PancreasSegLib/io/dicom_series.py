"""Choose one CT series among what a folder holds, and list them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.errors import DicomSeriesError, NotACTError, PancreasSegError, UnreadableFileError
from PancreasSegLib.io.dicom_files import DicomFile, dicom_files
from PancreasSegLib.io.dicom_groups import separate
from PancreasSegLib.io.dicom_header import DicomSeries, read_headers
from PancreasSegLib.io.grid import warn
from PancreasSegLib.io.image_file import MIN_SLICES
from PancreasSegLib.volume import Volume

_LISTED = 8
_EQUAL_SHARE = 0.95
_PORTAL_AORTA_HU = 160.0
_PORTAL = re.compile(r"porto|portal|ven(ous|oes|ös|os|eus)|\bpv", re.IGNORECASE)
_OTHER_PHASE = re.compile(
    r"arter|\bart\b|nativ|non.?con|unenh|without|w/o|ohne|delay|late\b|spät|excret|nephro|cortico", re.IGNORECASE
)


@dataclass(frozen=True)
class SeriesInfo:
    """One line of a listing of series.

    Attributes
    ----------
    key : str
        What ``--series`` takes, as it takes the number or the start of the description: the SeriesInstanceUID,
        with ``#N`` behind it for one of several scans in the series.
    uid : str
        SeriesInstanceUID.
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

    key: str
    uid: str
    number: int | None
    modality: str
    description: str
    slices: int
    spacing_mm: tuple[float, float] | None
    size: tuple[int, int]
    chosen: bool


def list_series(path: str | Path) -> list[SeriesInfo]:
    """List the DICOM series in a folder, beside a file or in a zip; several scans in one series each for itself.

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
            chosen: DicomSeries | None = choose_series(found, path).series
        except (NotACTError, DicomSeriesError, UnreadableFileError):
            chosen = None
    return [
        SeriesInfo(
            key=series.key,
            uid=series.uid,
            number=series.number,
            modality=series.modality,
            description=", ".join(text for text in (series.description, series.what) if text),
            slices=len(series.slices),
            spacing_mm=series.slices[0].spacing if series.slices else None,
            size=series.slices[0].size if series.slices else (0, 0),
            chosen=series is chosen,
        )
        for series in found
    ]


def read_series(files: Iterable[DicomFile]) -> list[DicomSeries]:
    """Read the headers of DICOM files and return the scans in them, in the order of their numbers."""
    return [scan for series in read_headers(files) for scan in separate(series)]


@dataclass(frozen=True)
class SeriesChoice:
    """The series that is read.

    Attributes
    ----------
    series : DicomSeries
    others : tuple of DicomSeries
        What could have been read instead.
    why : str
        What decided between equal candidates; empty where nothing had to.
    """

    series: DicomSeries
    others: tuple[DicomSeries, ...] = ()
    why: str = ""

    @property
    def notes(self) -> list[dict[str, str]]:
        """A warning that names the series that was read and those that were not; none where there is no other."""
        if not self.others:
            return []
        others = "; ".join(_counted(series) for series in self.others[:_LISTED])
        more = f" and {len(self.others) - _LISTED} more" if len(self.others) > _LISTED else ""
        sentence = (
            f"Of {len(self.others) + 1} CT scans {_counted(self.series)}, was read{self.why}. The others: {others}"
            f"{more}. Name one to read it instead."
        )
        return [warn("series-chosen", sentence)]


def choose_series(found: list[DicomSeries], path: Path, wanted: str | None = None) -> SeriesChoice:
    """Return the series to read.

    The CT with most slices is taken; scout views, and series that were computed from others, only if there is
    nothing else. Of several with as many slices (within 5 %) the portal-venous one is taken: by its description,
    or else by the aorta (`aorta_hu`) that comes nearest to 160 HU.

    Parameters
    ----------
    found : list of DicomSeries
        As `read_series` gave them; their files must still be there.
    path : Path
        Names the input in sentences; one DICOM file stands for the scan that it is a slice of.
    wanted : str, optional
        SeriesInstanceUID, series number, or the start of the description, with ``#N`` behind it for the Nth scan
        in a series of several.

    Raises
    ------
    DicomSeriesError
        If `wanted` fits none or several.
    NotACTError
        If there is no CT.
    UnreadableFileError
        If there is no image at all.
    """
    if not found:
        raise UnreadableFileError(f"{str(path)!r} holds no DICOM images.", "Give a folder of a CT series.")
    fits = found
    if wanted is not None:
        fits = _wanted(found, path, wanted.strip())
    elif path.is_file():
        fits = [s for s in found if any(image.file.path == path for image in s.images)] or found
    cts = [series for series in fits if series.modality == "CT" and series.images]
    if not cts and wanted is not None:
        raise NotACTError(
            f"The DICOM {fits[0].name} in {str(path)!r} is {fits[0].modality}, not CT.", "Give a CT."
        )
    if not cts:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(s.modality for s in fits).items()))
        raise NotACTError(f"{str(path)!r} holds no CT series, only {kinds}.", "Give the folder of a CT series.")
    best = max(_worth(series) for series in cts)
    equal = [s for s in cts if _worth(s)[:3] == best[:3] and _worth(s)[3] >= _EQUAL_SHARE * best[3]]
    chosen, why = _portal_venous(equal) if len(equal) > 1 else (max(cts, key=_worth), "")
    named = wanted is not None and "#" in wanted
    others = [] if named else [s for s in cts if s is not chosen and _worth(s)[:2] == (True, True)]
    return SeriesChoice(chosen, tuple(others), why)


def _counted(series: DicomSeries) -> str:
    return f"{series.name}, {len(series.slices)} slices"


def _worth(series: DicomSeries) -> tuple[bool, bool, bool, int]:
    slices = series.slices
    is_picture = slices[0].is_localiser or slices[0].samples != 1
    return not is_picture, len(slices) >= MIN_SLICES, not slices[0].is_derived, len(slices)


def _portal_venous(equal: list[DicomSeries]) -> tuple[DicomSeries, str]:
    """Return which of several scans is portal-venous, and how that is known."""
    told = [bool(_PORTAL.search(s.description)) - bool(_OTHER_PHASE.search(s.description)) for s in equal]
    best = [series for series, rank in zip(equal, told, strict=True) if rank == max(told)]
    if len(best) == 1:
        return best[0], ", as portal-venous by its description" if max(told) > 0 else ", by the descriptions"
    measured = [(series, hu) for series in best if (hu := _aorta_hu(series)) is not None]
    if not measured:
        return best[0], ", as the first of equal ones"
    series, hu = min(measured, key=lambda pair: abs(pair[1] - _PORTAL_AORTA_HU))
    return series, f", as portal-venous by its aorta of about {hu:.0f} HU"


def _aorta_hu(series: DicomSeries) -> float | None:
    """Return the HU of the aorta, None where the scan cannot be read or shows no contrast in it."""
    from PancreasSegLib.io.dicom_pixels import read_pixels
    from PancreasSegLib.io.dicom_stack import stack_images
    from PancreasSegLib.roi.aorta import aorta_hu

    try:
        stack = stack_images(series, "")
        return aorta_hu(Volume(read_pixels(stack.images), stack.geometry))
    except PancreasSegError:
        return None


def _wanted(found: list[DicomSeries], path: Path, wanted: str) -> list[DicomSeries]:
    """Return the series of that name; several only where they are parts of one."""
    text, _, part = wanted.partition("#")
    fits = [s for s in found if s.uid and s.uid == text]
    fits = fits or [s for s in found if s.number is not None and str(s.number) == text]
    fits = fits or [s for s in found if text and s.description.lower().startswith(text.lower())]
    if part:
        fits = [s for s in fits if str(s.part) == part]
    if len({(s.uid, s.number, s.description) for s in fits}) == 1:
        return fits
    names = "; ".join(f"{s.name}, {s.modality}, {len(s.images)} images" for s in (fits or found)[:_LISTED])
    if not fits:
        raise DicomSeriesError(
            f"{str(path)!r} holds no series {wanted!r}.", f"It holds: {names}. Name one by its UID or number."
        )
    raise DicomSeriesError(
        f"{wanted!r} fits {len(fits)} series in {str(path)!r}.", f"Name one by its UID: {names}."
    )
