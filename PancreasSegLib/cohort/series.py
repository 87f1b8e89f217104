"""One row a series: what its headers say that matters for choosing, without names, dates or free text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from PancreasSegLib.cohort.folder import Cohort
from PancreasSegLib.cohort.scan_files import is_remote, local_files
from PancreasSegLib.cohort.source import Unit
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.io.dicom_files import DicomFile, dicom_files, looks_like_dicom
from PancreasSegLib.io.dicom_header import DicomImage, DicomSeries
from PancreasSegLib.io.formats import NIFTI, extension_of
from PancreasSegLib.volume import Geometry

_PHASES = {
    "portal": r"porto|portal|ven(ous|oes|ös|os|eus)|\bpv",
    "arterial": r"arter|\bart\b|pancreatic phase|\bpp\b",
    "unenhanced": r"nativ|non.?con|unenh|without|w/o|ohne|plain",
    "late": r"delay|late\b|spät|excret|nephro",
}
_ABDOMEN = re.compile(
    r"abd|pancrea|pankreas|liver|leber|bauch|oberbauch|trunk|torso|pelvis|\btap\b|\bcap\b|whole", re.I
)
_ELSEWHERE = re.compile(
    r"head|brain|skull|neck|chest|thorax|lung|heart|cardiac|coronar|spine|leg|knee|hip\b|foot|ankle|arm\b|hand|wrist|"
    r"shoulder|elbow|schädel|kopf|hals|sinus|extremity",
    re.IGNORECASE,
)
_REFORMAT = re.compile(
    r"mpr|mip|\bcor\b|corona|\bsag|oblique|3d|vrt|reformat|curved|dose|screen|fusion", re.IGNORECASE
)
_REFORMAT_TYPES = {"MPR", "REFORMATTED", "PROJECTION IMAGE", "MIP", "MAX_IP", "MINIP", "CSA MPR", "CSAPARALLEL"}
_TAGS = (
    "BodyPartExamined",
    "ConvolutionKernel",
    "SliceThickness",
    "Manufacturer",
    "ProtocolName",
    "StudyDescription",
)


@dataclass
class SeriesRow:
    """A series as the index shows it, and where it is.

    Attributes
    ----------
    scan, study, patient : str
        Ids.
    kind : str
        ``dicom``, ``image`` or ``zip``.
    modality : str
    slices, rows, columns : int
    spacing_x_mm, spacing_y_mm, spacing_z_mm, height_mm : float
        0 where the header does not tell.
    bottom_mm : float
        Where the first slice lies along the normal. Not in ``index.parquet``.
    kernel, manufacturer : str
    phase : str
        Of contrast, as the description tells it; empty where it does not.
    picture : str
        ``scout``, ``picture`` (colour, dose, screenshot) or ``reformat`` where it is no plain series of slices.
    derived : bool
        Whether it was computed from other images.
    region : str
        ``abdomen`` or ``elsewhere`` where the header tells it.
    soft : bool or None
        Whether its kernel is one for soft tissue; None where it is not known.
    problem : str
        Why it cannot be read, empty where it can.
    urls : list of str
        Its files. Not in ``index.parquet``.
    series : str
        How the series is called in its files. Not in ``index.parquet``.
    """

    scan: str
    study: str = ""
    patient: str = ""
    kind: str = "dicom"
    modality: str = ""
    slices: int = 0
    rows: int = 0
    columns: int = 0
    spacing_x_mm: float = 0.0
    spacing_y_mm: float = 0.0
    spacing_z_mm: float = 0.0
    height_mm: float = 0.0
    bottom_mm: float = 0.0
    kernel: str = ""
    manufacturer: str = ""
    phase: str = ""
    picture: str = ""
    derived: bool = False
    region: str = ""
    soft: bool | None = None
    problem: str = ""
    urls: list[str] = field(default_factory=list, repr=False)
    series: str = ""

    def as_row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        return asdict(self)


def rows_of(unit: Unit, cohort: Cohort) -> list[SeriesRow]:
    """Return the series of a unit; one that cannot be read is a row that says why."""
    try:
        if unit.kind == "image":
            return [_image_row(unit, cohort)]
        return list(_dicom_rows(unit, cohort))
    except PancreasSegError as error:
        return [_unreadable(unit, cohort, error.message)]
    except Exception as error:  # whatever a file holds: it is one row, and stops no index
        return [_unreadable(unit, cohort, f"It is damaged ({type(error).__name__}).")]


def _unreadable(unit: Unit, cohort: Cohort, sentence: str) -> SeriesRow:
    for name in (*unit.urls, unit.name):
        if name:
            sentence = sentence.replace(repr(name), "the file").replace(name, "the file")
    return SeriesRow(
        scan=cohort.identify("image", unit.name),
        study=_study_id(unit, cohort, unit.name),
        patient=cohort.identify("patient", unit.patient or unit.name),
        kind=unit.kind,
        problem=sentence,
        urls=list(unit.urls[:1]),
    )


def _study_id(unit: Unit, cohort: Cohort, otherwise: str) -> str:
    return (
        cohort.identify("study", unit.patient, unit.study) if unit.study else cohort.identify("study", otherwise)
    )


def _image_row(unit: Unit, cohort: Cohort) -> SeriesRow:
    geometry = _image_geometry(unit.urls[0])
    size, spacing = geometry.size_ijk, geometry.spacing_mm
    axis = int(np.argmax(np.abs(geometry.matrix[2])))  # the one that runs up the patient
    across = [a for a in range(3) if a != axis]
    return SeriesRow(
        scan=cohort.identify("image", unit.name),
        study=_study_id(unit, cohort, unit.name),
        patient=cohort.identify("patient", unit.patient or unit.name),
        kind="image",
        modality="CT",
        slices=size[axis],
        rows=size[across[1]],
        columns=size[across[0]],
        spacing_x_mm=spacing[across[0]],
        spacing_y_mm=spacing[across[1]],
        spacing_z_mm=spacing[axis],
        height_mm=size[axis] * spacing[axis],
        phase=_phase(unit.name),
        urls=list(unit.urls),
    )


def _image_geometry(url: str) -> Geometry:
    """Return where an image lies; of a remote NIfTI file the first bytes are fetched alone."""
    from PancreasSegLib.io.image_file import read_geometry
    from PancreasSegLib.io.nifti_header import HEADER_BYTES, NiftiHeader

    if is_remote(url) and extension_of(url) in NIFTI:
        import fsspec

        with fsspec.open(url, "rb", compression="infer") as stream:
            header = NiftiHeader.parse(stream.read(HEADER_BYTES))
        if header is not None:
            return header.grid("the file")[0]
    with local_files([url]) as files:
        return read_geometry(files[0].path)


def _dicom_rows(unit: Unit, cohort: Cohort) -> Iterator[SeriesRow]:
    from PancreasSegLib.io.dicom_series import read_series

    with local_files(unit.urls, heads=unit.kind == "dicom") as local:
        if unit.kind == "zip":
            with dicom_files(local[0].path) as inside:
                yield from (_dicom_row(series, unit, cohort) for series in read_series(inside))
            return
        candidates = [file for file in local if _is_dicom(file.path)]
        found = read_series(candidates)
        for series in found:
            if series.images:
                yield _dicom_row(series, unit, cohort)
        if candidates and not found:
            yield _unreadable(unit, cohort, f"None of {len(candidates)} DICOM files can be read.")


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return looks_like_dicom(stream.read(132))


def _dicom_row(series: DicomSeries, unit: Unit, cohort: Cohort) -> SeriesRow:
    slices = series.slices
    first = slices[0] if slices else None
    if first is None:
        return SeriesRow(cohort.identify("series", series.key), modality=series.modality, kind=unit.kind)
    said = _said(first.file)
    text = " ".join([series.description, said["BodyPartExamined"], said["ProtocolName"], said["StudyDescription"]])
    bottom, height, distance = _heights(slices)
    x, y = first.spacing or (0.0, 0.0)
    part = said["BodyPartExamined"] or text
    return SeriesRow(
        scan=cohort.identify("series", series.key or first.sop_instance),
        study=_study_id(unit, cohort, first.study or unit.name),
        patient=cohort.identify("patient", unit.patient or first.patient or unit.name),
        kind=unit.kind,
        modality=series.modality,
        slices=len(slices),
        rows=first.size[1],
        columns=first.size[0],
        spacing_x_mm=x,
        spacing_y_mm=y,
        spacing_z_mm=distance,
        height_mm=height,
        bottom_mm=bottom,
        kernel=said["ConvolutionKernel"],
        manufacturer=said["Manufacturer"],
        phase=_phase(series.description),
        picture=_picture(first, series.description),
        derived=first.is_derived,
        region="abdomen" if _ABDOMEN.search(text) else "elsewhere" if _ELSEWHERE.search(part) else "",
        soft=_is_soft(said["ConvolutionKernel"]),
        urls=list(unit.urls) if unit.kind == "zip" else sorted({image.file.name for image in series.images}),
        series=series.key,
    )


def _said(file: DicomFile) -> dict[str, str]:
    """Return further tags of one slice."""
    import pydicom

    header = pydicom.dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
    values = {name: header.get(name) for name in _TAGS}
    return {
        name: "" if value is None else str(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
        for name, value in values.items()
    }


def _heights(slices: Sequence[DicomImage]) -> tuple[float, float, float]:
    """Return where the slices begin, how far they reach and are apart, in mm; 0 where it is not told."""
    placed = [image for image in slices if image.position and image.orientation]
    if len(placed) < 2:
        return 0.0, 0.0, 0.0
    plane = np.array(placed[0].orientation).reshape(2, 3)
    heights = np.sort(np.array([image.position for image in placed]) @ np.cross(plane[0], plane[1]))
    distance = float(np.median(np.diff(heights)))
    return float(heights[0]), float(heights[-1] - heights[0]) + distance, distance


def _phase(description: str) -> str:
    told = [name for name, words in _PHASES.items() if re.search(words, description, re.IGNORECASE)]
    return told[0] if len(told) == 1 else ""


def _picture(first: DicomImage, description: str) -> str:
    if first.is_localiser:
        return "scout"
    if first.samples != 1 or first.orientation is None:
        return "picture"
    plane = np.array(first.orientation).reshape(2, 3)
    is_axial = abs(float(np.cross(plane[0], plane[1])[2])) > 0.8
    named = first.is_derived and (set(first.image_type) & _REFORMAT_TYPES or _REFORMAT.search(description))
    return "reformat" if named or not is_axial else ""


_SOFT = {"STANDARD", "SOFT", "A", "B", "C"}  # GE's, and Philips' letters
_SHARP = {"LUNG", "BONE", "BONEPLUS", "EDGE", "DETAIL", "CHST", "D", "E", "L", "YA", "YB", "YC", "YD"}
_SHARP_FROM = {"FC": 30}  # Canon: FC01 to FC19 for the body, FC30 and above for bone and lung; Siemens: from 50


def _is_soft(kernel: str) -> bool | None:
    """Whether a kernel is one for soft tissue, by the makers' names; None where it is unknown."""
    word = kernel.upper().strip()
    if word in _SOFT | _SHARP:
        return word in _SOFT
    numbered = re.match(r"([A-Z]+)(\d+)", word)
    return int(numbered[2]) < _SHARP_FROM.get(numbered[1], 50) if numbered else None
