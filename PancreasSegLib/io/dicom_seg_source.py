"""The headers of a CT's slices, made complete for a DICOM segmentation that refers to them.

Anonymised and exported CTs lack what a segmentation must have. The rules of the standard (PS3.3 A.51, PS3.5 7.4)
say what may be empty (type 2) and what must be there (type 1): the former is left empty, the latter is made from
what is known, the same for the same CT each time. A slice without an identity of its own cannot be referred to.
"""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import OutputError, PancreasSegError
from PancreasSegLib.io.dicom_files import dicom_files
from PancreasSegLib.volume import Volume

_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_SEXES = ("M", "F", "O")
_FORMS = {"PatientBirthDate": ("%Y%m%d",), "StudyDate": ("%Y%m%d",), "StudyTime": ("%H%M%S", "%H%M", "%H")}
_TEXTS = ("PN", "LO", "SH", "ST", "LT", "UC", "UT")
_UTF_8 = "ISO_IR 192"


def complete_headers(source: Volume) -> list[Any]:
    """Return the headers of the CT's files in slice order, complete; one for a multi-frame file.

    Parameters
    ----------
    source : Volume
        The CT as `read_volume` gave it, from DICOM. Its files are read again and are not
        changed.

    Raises
    ------
    OutputError
        If the files are gone, or a slice has no SOPInstanceUID.
    """
    headers = _headers(source)
    made = _identifiers(source, headers[0])
    names = source.source["files"]
    for header in headers:
        if not header.get("SOPInstanceUID"):
            raise OutputError(
                f"A DICOM segmentation cannot refer to {names[0]!r} and others, which have no SOPInstanceUID.",
                "Use .seg.nrrd or .nii.gz.",
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the CT's own values
            _in_utf_8(header)
        for keyword in _MAY_BE_EMPTY:
            value = str(header.get(keyword, "") or "")
            sound = _is_sound(keyword, value)
            if keyword not in header or not sound:
                setattr(header, keyword, "")
        header.Modality = header.get("Modality") or "CT"
        for keyword, uid in made.items():
            setattr(header, keyword, uid)
        if "PixelSpacing" in header or "NumberOfFrames" not in header:
            _fill_thickness(header, source.geometry.spacing_mm[2])
        for group in header.get("SharedFunctionalGroupsSequence", []) or []:
            for measures in group.get("PixelMeasuresSequence", []) or []:
                _fill_thickness(measures, source.geometry.spacing_mm[2])
    return headers


def _headers(source: Volume) -> list[Any]:
    import pydicom

    wanted = list(dict.fromkeys(source.source["files"]))
    try:
        if source.source["format"] == "dicom-zip":
            with dicom_files(Path(source.source["path"])) as files:
                places = {file.name: file.path for file in files}
                return [pydicom.dcmread(places[name], stop_before_pixels=True, force=True) for name in wanted]
        return [pydicom.dcmread(name, stop_before_pixels=True, force=True) for name in wanted]
    except (OSError, KeyError, PancreasSegError) as error:
        raise OutputError(
            "The CT's DICOM files are no longer where they were read, and a DICOM segmentation needs them.",
            "Use .seg.nrrd or .nii.gz.",
        ) from error


def _identifiers(source: Volume, first: Any) -> dict[str, str]:
    """Return the identifiers that the scan must have in common, made where they are missing or not one."""
    from pydicom.uid import generate_uid

    seed = str(first.get("SeriesInstanceUID") or first.get("SOPInstanceUID") or source.source["files"][0])
    found = {}
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        own = str(first.get(keyword, "") or "")
        found[keyword] = own or str(generate_uid(entropy_srcs=[keyword, seed]))
    return found


def _fill_thickness(where: Any, slice_mm: float) -> None:
    try:
        thickness = float(where.get("SliceThickness") or 0)
    except (TypeError, ValueError):
        thickness = 0.0
    if not thickness > 0:
        where.SliceThickness = f"{slice_mm:.6g}"


def _is_sound(keyword: str, value: str) -> bool:
    """Whether a value is one that a segmentation may have; dates and times often are not, after anonymisation."""
    if keyword == "PatientSex":
        return value in _SEXES
    if not value or keyword not in _FORMS:
        return True
    for form in _FORMS[keyword]:
        try:
            datetime.strptime(value.split(".")[0], form)
        except ValueError:
            continue
        return True
    return False


def _in_utf_8(header: Any) -> None:
    """Turn all texts into Unicode, which every reader knows, whatever the CT's character sets are."""
    from pydicom.valuerep import PersonName

    header.decode()
    for keyword in header.dir():
        element = header[keyword]
        if element.VR not in _TEXTS or element.value is None:
            continue
        if element.VR == "PN" and element.VM <= 1:
            element.value = PersonName(str(element.value))
    header.SpecificCharacterSet = _UTF_8
