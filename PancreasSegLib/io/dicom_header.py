"""What the headers of DICOM files say, one record an image (or a frame of a multi-frame file)."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from PancreasSegLib.io.dicom_files import DicomFile

_log = logging.getLogger(__name__)

CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""CT, enhanced CT, and enhanced CT converted from single slices."""

_NO_IMAGES = ("PR", "SR", "KO", "REG", "RTSTRUCT", "unknown")
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "ImageType", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "GantryDetectorTilt", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID",
    "FrameOfReferenceUID", "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "TemporalPositionIdentifier", "TemporalPositionIndex",
)  # fmt: skip


@dataclass(frozen=True)
class DicomImage:
    """One 2D image of a series.

    Attributes
    ----------
    file : DicomFile
    frame : int or None
        Index in a multi-frame file, None in a file of one image.
    size : tuple of int
        Columns, rows.
    position : tuple of 3 float or None
        Centre of the first pixel, LPS, mm.
    orientation : tuple of 6 float or None
        Unit vectors along a row and along a column, LPS.
    spacing : tuple of 2 float or None
        Distance between columns, between rows, mm.
    slope, intercept : float
        HU = slope * stored + intercept.
    samples : int
        Values a pixel.
    image_type : tuple of str
    tilt : float
        Of the gantry, in degrees, as the header names it.
    sop_class, sop_instance : str
        What kind of object it is from, and which one.
    patient, study, frame_of_reference, acquisition, temporal : str
        What it belongs to; empty where the header does not say. `patient` is a digest.
    time_s : float or None
        When it was acquired.
    """

    file: DicomFile
    frame: int | None
    size: tuple[int, int]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    slope: float
    intercept: float
    samples: int
    image_type: tuple[str, ...]
    tilt: float
    sop_class: str = ""
    sop_instance: str = ""
    patient: str = ""
    study: str = ""
    frame_of_reference: str = ""
    acquisition: str = ""
    time_s: float | None = None
    temporal: str = ""

    @property
    def is_localiser(self) -> bool:
        """Whether it is a scout view."""
        return any(word in ("LOCALIZER", "SCOUT", "TOPOGRAM") for word in self.image_type)

    @property
    def is_derived(self) -> bool:
        """Whether it was computed from other images: a reformat, a projection, a screenshot."""
        return "DERIVED" in self.image_type[:1] or "SECONDARY" in self.image_type[1:2]


@dataclass
class DicomSeries:
    """The images that belong together: of one series, or of a part of one that holds several scans.

    Attributes
    ----------
    uid : str
        SeriesInstanceUID, empty where there is none.
    modality, description : str
    number : int or None
        SeriesNumber.
    images : list of DicomImage
    part : int
        Counted from 1 among the scans in the series; 0 where it is the whole series.
    what : str
        What tells the part from the others, such as ``"acquisition 2"``.
    notes : list of dict
        ``{"code", "sentence"}`` about what was left out or assumed.
    """

    uid: str
    modality: str
    number: int | None
    description: str
    images: list[DicomImage] = field(default_factory=list)
    part: int = 0
    what: str = ""
    notes: list[dict[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How sentences call it."""
        label = f"series {self.number}" if self.number is not None else f"series {self.uid or 'without a number'}"
        details = ", ".join(text for text in (self.description, self.what) if text)
        return f"{label} ({details})" if details else label

    @property
    def key(self) -> str:
        """What ``--series`` takes for it."""
        label = self.uid or ("" if self.number is None else str(self.number))
        return f"{label}#{self.part}" if self.part else label

    @property
    def slices(self) -> list[DicomImage]:
        """Its images without scout views, or all if there are no others."""
        return [i for i in self.images if not i.is_localiser] or self.images


def read_headers(files: Iterable[DicomFile]) -> list[DicomSeries]:
    """Read the headers of DICOM files and group them by what they call their series.

    Files that hold no image, or cannot be parsed, are left out; the latter with a warning in the log. Without a
    SeriesInstanceUID images go together by study, number and description.

    Returns
    -------
    list of DicomSeries
        In the order of their numbers, then of their first file's name.
    """
    import pydicom

    found: dict[tuple[str, ...], DicomSeries] = {}
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # pydicom's remarks on values that break the standard's small print
                header = pydicom.dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
                if header.get("SOPClassUID") == _MEDIA_DIRECTORY or not header.get("Rows"):
                    if "SeriesInstanceUID" in header:
                        _add(found, header, [])
                    continue
                _add(found, header, list(_images(file, header)))
        except Exception as error:  # pydicom raises errors of many kinds; one file stops no series
            _log.warning("The DICOM header of %r cannot be read: %s", file.name, error)
    return sorted(found.values(), key=lambda s: (s.number is None, s.number or 0))


def _add(found: dict[tuple[str, ...], DicomSeries], header: Any, images: list[DicomImage]) -> None:
    """Put the images of a file to those of their series."""
    uid, number = str(header.get("SeriesInstanceUID", "") or ""), header.get("SeriesNumber")
    description = str(header.get("SeriesDescription", "") or "").strip()
    key = (uid,) if uid else ("", str(header.get("StudyInstanceUID", "")), str(number), description)
    if key not in found:
        found[key] = DicomSeries(
            uid,
            _modality(header, bool(images)),
            int(number) if number not in (None, "") else None,
            description,
        )
    series = found[key]
    series.images += images
    if images and series.modality in _NO_IMAGES:  # a presentation state or report came first
        series.modality = _modality(header, True)


def _modality(header: Any, is_image: bool) -> str:
    """Return the modality; where it is not named, an image that can be a CT's is taken for one and looked at."""
    named = str(header.get("Modality", "") or "")
    if named or not is_image:
        return named or "unknown"
    return "CT" if str(header.get("SOPClassUID", "") or CT_CLASSES[0]) in CT_CLASSES else "unknown"


def _images(file: DicomFile, header: Any) -> Iterable[DicomImage]:
    """Return the records of one file: one, or one a frame where per-frame groups are given."""
    common: dict[str, Any] = {
        "file": file,
        "size": (int(header.get("Columns", 0) or 0), int(header.get("Rows", 0) or 0)),
        "samples": int(header.get("SamplesPerPixel", 1) or 1),
        "tilt": float(header.get("GantryDetectorTilt", 0) or 0),
        "sop_class": str(header.get("SOPClassUID", "") or ""),
        "sop_instance": str(header.get("SOPInstanceUID", "") or ""),
        "patient": _digest(header.get("PatientID"))
        or _digest(header.get("PatientName"), header.get("PatientBirthDate")),
        "study": str(header.get("StudyInstanceUID", "") or ""),
        "frame_of_reference": str(header.get("FrameOfReferenceUID", "") or ""),
    }
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if frames > file.path.stat().st_size:
        raise ValueError(f"{frames} frames in a file of {file.path.stat().st_size} bytes")
    groups = header.get("PerFrameFunctionalGroupsSequence")
    if not groups:
        for frame in [None] if frames == 1 else range(frames):
            yield DicomImage(
                frame=frame,
                position=_numbers(header.get("ImagePositionPatient"), 3),
                orientation=_numbers(header.get("ImageOrientationPatient"), 6),
                spacing=_spacing(header.get("PixelSpacing")),
                slope=_number(header.get("RescaleSlope"), 1.0),
                intercept=_number(header.get("RescaleIntercept"), 0.0),
                image_type=_words(header.get("ImageType")),
                acquisition=str(header.get("AcquisitionNumber", "") or ""),
                time_s=_seconds(
                    header.get("AcquisitionDateTime"), header.get("AcquisitionDate"), header.get("AcquisitionTime")
                ),
                temporal=str(
                    header.get("TemporalPositionIdentifier") or header.get("TemporalPositionIndex") or ""
                ),
                **common,
            )
        return
    shared = header.get("SharedFunctionalGroupsSequence")
    for frame, group in enumerate(groups):
        both = [group, *(shared or [])[:1]]
        rescale = _item(both, "PixelValueTransformationSequence")
        frame_type = _item(both, "CTImageFrameTypeSequence")
        content = _item(both, "FrameContentSequence")
        yield DicomImage(
            frame=frame,
            position=_numbers(_item(both, "PlanePositionSequence").get("ImagePositionPatient"), 3),
            orientation=_numbers(_item(both, "PlaneOrientationSequence").get("ImageOrientationPatient"), 6),
            spacing=_spacing(_item(both, "PixelMeasuresSequence").get("PixelSpacing")),
            slope=_number(rescale.get("RescaleSlope"), 1.0),
            intercept=_number(rescale.get("RescaleIntercept"), 0.0),
            image_type=_words(frame_type.get("FrameType") or header.get("ImageType")),
            acquisition=str(content.get("FrameAcquisitionNumber") or header.get("AcquisitionNumber") or ""),
            time_s=_seconds(
                content.get("FrameAcquisitionDateTime") or header.get("AcquisitionDateTime"), None, None
            ),
            temporal=_temporal(content, both),
            **common,
        )


def _item(groups: list[Any], keyword: str) -> Any:
    """Return the first item of a functional group, of the frame itself or shared by all; empty if absent."""
    return next((group[keyword][0] for group in groups if group.get(keyword)), {})


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    if value is None or isinstance(value, str) or len(value) != count:
        return None
    numbers = tuple(float(v) for v in value)
    return numbers if all(np.isfinite(numbers)) else None


def _number(value: Any, default: float) -> float:
    return default if value in (None, "") else float(value)


def _spacing(value: Any) -> tuple[float, float] | None:
    """Return spacing (between columns, between rows) of DICOM's Pixel Spacing, which has the rows first."""
    numbers = _numbers(value, 2)
    return (numbers[1], numbers[0]) if numbers else None


def _words(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else (value or [])
    return tuple(str(w).upper() for w in words)


def _temporal(content: Any, groups: list[Any]) -> str:
    """Return the temporal position of a frame, by its index or, failing that, its time offset."""
    index = content.get("TemporalPositionIndex")
    return str(index or _item(groups, "TemporalPositionSequence").get("TemporalPositionTimeOffset") or "")


def _seconds(moment: Any, date: Any, time: Any) -> float | None:
    """Return seconds from DICOM's YYYYMMDD and HHMMSS.FFFFFF; None if they are missing or no time."""
    text = str(moment or "").split("+")[0] or f"{date or '00000000'}{time or ''}"
    digits, _, fraction = text.replace(":", "").replace("-", "").partition(".")
    if len(digits) < 14 or not digits.isdecimal():
        return None
    hours, minutes, seconds = int(digits[8:10]), int(digits[10:12]), int(digits[12:14])
    decimals = int(fraction[:6]) / 10 ** len(fraction[:6]) if fraction[:6].isdecimal() else 0.0
    return 86400.0 * int(digits[:8]) + 3600.0 * hours + 60.0 * minutes + seconds + decimals


def _digest(*values: Any) -> str:
    """Return a digest of what names a patient, empty where nothing does; the names themselves are not kept."""
    texts = [str(value or "").strip() for value in values]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest() if any(texts) else ""
