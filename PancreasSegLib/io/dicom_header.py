"""What the headers of DICOM files say, one record an image (or a frame of a multi-frame file)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from PancreasSegLib.io.dicom_files import DicomFile

_log = logging.getLogger(__name__)

_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "ImageType", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "GantryDetectorTilt", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
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
    """The images that share a SeriesInstanceUID."""

    uid: str
    modality: str
    number: int | None
    description: str
    images: list[DicomImage] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How sentences call it."""
        label = f"series {self.number}" if self.number is not None else f"series {self.uid}"
        return f"{label} ({self.description})" if self.description else label

    @property
    def slices(self) -> list[DicomImage]:
        """Its images without scout views, or all if there are no others."""
        return [i for i in self.images if not i.is_localiser] or self.images


def read_series(files: Iterable[DicomFile]) -> list[DicomSeries]:
    """Read the headers of DICOM files and group them by series.

    Files that cannot be parsed are left out with a warning in the log.

    Returns
    -------
    list of DicomSeries
        In the order of their numbers, then of their first file's name.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    found: dict[str, DicomSeries] = {}
    for file in files:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # pydicom's remarks on values that break the standard's small print
                header = pydicom.dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
                if header.get("SOPClassUID") == _MEDIA_DIRECTORY or "SeriesInstanceUID" not in header:
                    continue
                images = list(_images(file, header))
        except (InvalidDicomError, OSError, EOFError, ValueError, TypeError, AttributeError, KeyError) as error:
            _log.warning("The DICOM header of %r cannot be read: %s", file.name, error)
            continue
        uid = str(header.SeriesInstanceUID)
        number = header.get("SeriesNumber")
        series = found.setdefault(
            uid,
            DicomSeries(
                uid,
                str(header.get("Modality", "") or "unknown"),
                int(number) if number not in (None, "") else None,
                str(header.get("SeriesDescription", "") or "").strip(),
            ),
        )
        series.images += images
    return sorted(found.values(), key=lambda s: (s.number is None, s.number or 0))


def _images(file: DicomFile, header: Any) -> Iterable[DicomImage]:
    """Return the records of one file: one, or one a frame where per-frame groups are given."""
    common: dict[str, Any] = {
        "file": file,
        "size": (int(header.get("Columns", 0) or 0), int(header.get("Rows", 0) or 0)),
        "samples": int(header.get("SamplesPerPixel", 1) or 1),
        "tilt": float(header.get("GantryDetectorTilt", 0) or 0),
    }
    frames = int(header.get("NumberOfFrames", 1) or 1)
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
                **common,
            )
        return
    shared = header.get("SharedFunctionalGroupsSequence")
    for frame, group in enumerate(groups):
        both = [group, *(shared or [])[:1]]
        rescale = _item(both, "PixelValueTransformationSequence")
        frame_type = _item(both, "CTImageFrameTypeSequence")
        yield DicomImage(
            frame=frame,
            position=_numbers(_item(both, "PlanePositionSequence").get("ImagePositionPatient"), 3),
            orientation=_numbers(_item(both, "PlaneOrientationSequence").get("ImageOrientationPatient"), 6),
            spacing=_spacing(_item(both, "PixelMeasuresSequence").get("PixelSpacing")),
            slope=_number(rescale.get("RescaleSlope"), 1.0),
            intercept=_number(rescale.get("RescaleIntercept"), 0.0),
            image_type=_words(frame_type.get("FrameType") or header.get("ImageType")),
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
