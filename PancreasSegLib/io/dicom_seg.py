"""Write a mask as a DICOM segmentation object that refers to the CT's own slices."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib._version import __version__
from PancreasSegLib.errors import OutputError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.io.dicom_seg_source import complete_headers
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
        The CT as `read_volume` gave it, from DICOM; its files are read again for their headers.

    Raises
    ------
    OutputError
        If the CT was not DICOM, its files are gone, the grid is another, or the file cannot be written.
    MissingPackageError
        If highdicom is not installed.
    """
    _check_source(path, source)
    assert source is not None
    if not source.geometry.matches(geometry):
        raise OutputError(f"The mask for {str(path)!r} is not on the grid of its CT.", "Use .seg.nrrd or .nii.gz.")
    encoded = _encoded(mask, labels, source)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
        if not _holds(temporary, mask, labels):
            raise OutputError(
                f"{str(path)!r} could not be written whole; the disk may be full.",
                "Free some space or write to another disk.",
            )


def check_dicom_seg(path: Path, source: Volume) -> None:
    """Refuse before a long run what `write_dicom_seg` would refuse after it, by writing a voxel to memory.

    Raises
    ------
    OutputError
        If the CT was not DICOM, or its headers allow no segmentation.
    MissingPackageError
        If highdicom is not installed.
    """
    _check_source(path, source)
    trial = np.zeros(source.geometry.shape_zyx, dtype=np.uint8)
    trial[0, 0, 0] = 1
    _encoded(trial, {"pancreas": 1}, source)


def _check_source(path: Path, source: Volume | None) -> None:
    if source is None or not source.source.get("format", "").startswith("dicom"):
        raise OutputError(
            f"{str(path)!r} cannot be written as a DICOM segmentation, since the CT was not read from DICOM.",
            "Use .seg.nrrd or .nii.gz.",
        )


def _encoded(mask: NDArray[np.uint8], labels: dict[str, int], source: Volume) -> bytes:
    """Return the object as the file's bytes, read back once."""
    require("dicomseg", "A DICOM segmentation")
    import highdicom

    headers = complete_headers(source)
    pixels = np.zeros(mask.shape, dtype=np.uint8)
    for number, value in enumerate(labels.values(), start=1):
        pixels[mask == value] = number
    stream = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the CT's own header, such as a name of one word
            _segmentation(highdicom, headers, pixels, labels, source).save_as(stream)
            stream.seek(0)
            highdicom.seg.segread(stream)
    except Exception as error:  # highdicom meets whatever a header holds, and says so in errors of many kinds
        reason = str(error).split("\n")[0]
        raise OutputError(
            f"The CT's DICOM headers do not allow a DICOM segmentation ({reason}).", "Use .seg.nrrd or .nii.gz."
        ) from error
    return stream.getvalue()


def _holds(path: Path, mask: NDArray[np.uint8], labels: dict[str, int]) -> bool:
    """Whether a file on the disk is a segmentation with the mask's voxels, as highdicom reads it."""
    import highdicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = highdicom.seg.segread(path)
            frames = dataset.pixel_array.reshape(-1, dataset.Rows * dataset.Columns)
        except Exception:  # as above
            return False
    shared = dataset.SharedFunctionalGroupsSequence[0]
    found = np.zeros(1 + len(labels), dtype=np.int64)
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        owner = group if "SegmentIdentificationSequence" in group else shared
        found[owner.SegmentIdentificationSequence[0].ReferencedSegmentNumber] += np.count_nonzero(frame)
    return found[1:].tolist() == [int(np.count_nonzero(mask == value)) for value in labels.values()]


def _segmentation(
    highdicom: Any, headers: list[Any], pixels: NDArray[np.uint8], labels: dict[str, int], source: Volume
) -> Any:
    """Build the object with highdicom."""
    frames, positions = source.source["frames"], None
    if frames[0] is not None and len(frames) == int(headers[0].NumberOfFrames):
        pixels = pixels[np.argsort(frames)]  # a multi-frame file wants its frames in its own order
    elif frames[0] is not None:  # the file holds other frames, too: these are placed by themselves
        places = [source.geometry.index_to_lps((0, 0, k)) for k in range(len(frames))]
        positions = [highdicom.PlanePositionSequence("PATIENT", [float(v) for v in place]) for place in places]

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="PancreasSeg",
        version=__version__,
        family=_code(highdicom, ("123109", "Artificial Intelligence"), "DCM"),
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
        plane_positions=positions,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=int(headers[0].get("SeriesNumber") or 0) + _SERIES_NUMBER_STEP,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="PancreasSeg",
        manufacturer_model_name="PancreasSeg",
        software_versions=__version__,
        device_serial_number="0",
        series_description="Pancreas segmentation",
        omit_empty_frames=bool(pixels.any()),
    )


def _code(highdicom: Any, code: Code, scheme: str = "SCT") -> Any:
    return highdicom.sr.CodedConcept(code[0], scheme, code[1])
