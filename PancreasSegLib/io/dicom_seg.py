"""Write a mask as a DICOM segmentation object that refers to the CT's own slices."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import OutputError, PancreasSegError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.io.dicom_files import dicom_files
from PancreasSegLib.io.terminology import Code, term_of
from PancreasSegLib.packages import require
from PancreasSegLib.volume import Geometry, Volume

_SERIES_NUMBER_STEP = 1000  # a segmentation's series number is the CT's plus this, as exporters commonly do


def write_dicom_seg(
    path: Path, mask: NDArray[np.uint8], geometry: Geometry, labels: dict[str, int], source: Volume | None
) -> None:
    """Write a binary DICOM segmentation (PS3.3 A.51), one segment a label, only the slices that hold something.

    Parameters
    ----------
    path : Path
        Ends in ``.dcm``.
    mask : ndarray of uint8, shape (z, y, x)
        On the grid of the CT.
    geometry : Geometry
    labels : dict
        Name to value.
    source : Volume
        The CT as :func:`read_volume` gave it, from DICOM; its files are read again for their headers.

    Raises
    ------
    OutputError
        If the CT was not DICOM, its files are gone, the grid is another, or the file cannot be written.
    MissingPackageError
        If highdicom is not installed.
    """
    if source is None or not source.source.get("format", "").startswith("dicom"):
        raise OutputError(
            f"{str(path)!r} cannot be written as a DICOM segmentation, since the CT was not read from DICOM.",
            "Use .seg.nrrd or .nii.gz.",
        )
    if not source.geometry.matches(geometry):
        raise OutputError(f"The mask for {str(path)!r} is not on the grid of its CT.", "Use .seg.nrrd or .nii.gz.")
    require("dicomseg", "A DICOM segmentation")
    import highdicom

    headers = _headers(source)
    frames = source.source["frames"]
    pixels = np.zeros(mask.shape, dtype=np.uint8)
    for number, value in enumerate(labels.values(), start=1):
        pixels[mask == value] = number
    if frames[0] is not None:  # a multi-frame file wants its frames in its own order
        if len(frames) != int(headers[0].NumberOfFrames):
            raise OutputError(
                f"{str(path)!r} cannot be written: the CT's file has frames that are not part of the volume.",
                "Use .seg.nrrd or .nii.gz.",
            )
        pixels = pixels[np.argsort(frames)]
    encoded = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the CT's own header, such as a name of one word
            _segmentation(highdicom, headers, pixels, labels).save_as(encoded)
    except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise OutputError(
            f"The CT's DICOM headers do not allow a DICOM segmentation ({reason}).", "Use .seg.nrrd or .nii.gz."
        ) from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def _headers(source: Volume) -> list[Any]:
    """Return the headers of the CT's files in slice order; one for a multi-frame file."""
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


def _segmentation(highdicom: Any, headers: list[Any], pixels: NDArray[np.uint8], labels: dict[str, int]) -> Any:
    """Build the object with highdicom."""
    import PancreasSegLib

    version = PancreasSegLib.__version__
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="PancreasSeg", version=version, family=_code(highdicom, ("123109", "Artificial Intelligence"), "DCM")
    )
    descriptions = []
    for number, name in enumerate(labels, start=1):
        term = term_of(name)
        description = highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=_code(highdicom, term.category),
            segmented_property_type=_code(highdicom, term.type),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        description.RecommendedDisplayCIELabValue = list(highdicom.color.CIELabColor.from_rgb(*term.rgb).value)
        if term.modifier is not None:
            description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
                _code(highdicom, term.modifier)
            ]
        descriptions.append(description)
    return highdicom.seg.Segmentation(
        source_images=headers,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=int(headers[0].get("SeriesNumber") or 0) + _SERIES_NUMBER_STEP,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="PancreasSeg",
        manufacturer_model_name="PancreasSeg",
        software_versions=version,
        device_serial_number="0",
        series_description="Pancreas segmentation",
        omit_empty_frames=bool(pixels.any()),
    )


def _code(highdicom: Any, code: Code, scheme: str = "SCT") -> Any:
    return highdicom.sr.CodedConcept(code[0], scheme, code[1])
