"""Write measurements as a DICOM structured report that refers to the segmentation they were taken of."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import OutputError
from PancreasSegLib.io.atomic import atomic_path
from PancreasSegLib.io.dicom_seg_source import complete_headers
from PancreasSegLib.io.terminology import term_of
from PancreasSegLib.packages import require
from PancreasSegLib.volume import Volume

_SERIES_NUMBER_STEP = 2000
_OWN_SCHEME = "99PANCREASSEG"
_UNITS = {
    "mL": ("mL", "milliliter"),
    "mm": ("mm", "millimeter"),
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "cm²": ("cm2", "square centimeter"),
    "1/mm": ("/mm", "per millimeter"),
    "": ("1", "no units"),
}
_STANDARD = {  # name and derivation where DICOM or SNOMED CT has a code for it
    "volume_ml": (("118565006", "SCT", "Volume"), None),
    "surface_cm2": (("C0JK", "IBSI", "Surface area of mesh"), None),
    "sphericity": (("QCFX", "IBSI", "Sphericity"), None),
    "length_mm": (("410668003", "SCT", "Length"), None),
    "mean_hu": (("112031", "DCM", "Attenuation Coefficient"), ("373098007", "SCT", "Mean")),
    "sd_hu": (("112031", "DCM", "Attenuation Coefficient"), ("386136009", "SCT", "Standard Deviation")),
    "median_hu": (("112031", "DCM", "Attenuation Coefficient"), ("373099004", "SCT", "Median")),
}


def write_dicom_sr(
    path: Path, values: Mapping[str, float | str], source: Volume, segmentation: Path, *, segment: int = 1
) -> None:
    """Write a Comprehensive 3D SR after template 1500, Measurement Report (PS3.16), with one measured region.

    Parameters
    ----------
    path : Path
        Ends in ``.dcm``.
    values : mapping of str to float or str
        By the names that `PancreasSegLib.measure.MEASURES` explains; texts are left out.
    source : Volume
        The CT, from DICOM; its files are read again for their headers.
    segmentation : Path
        The DICOM segmentation, as `write_dicom_seg` wrote it.
    segment : int
        The number of the measured segment in it.

    Raises
    ------
    OutputError
        If the headers do not allow a report, or it cannot be written.
    MissingPackageError
        If highdicom is not installed.
    """
    require("dicomseg", "A DICOM structured report")
    import highdicom

    headers = complete_headers(source)
    stream = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the CT's own header
            region = highdicom.seg.segread(segmentation)
            _report(highdicom, values, headers, region, segment).save_as(stream)
    except Exception as error:  # highdicom meets whatever a header holds, and says so in errors of many kinds
        reason = str(error).split("\n")[0]
        raise OutputError(f"The CT's DICOM headers do not allow a structured report ({reason}).") from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def _report(
    highdicom: Any, values: Mapping[str, float | str], headers: list[Any], region: Any, segment: int
) -> Any:
    from PancreasSegLib._version import __version__
    from PancreasSegLib.measure import MEASURES

    sr, coded = highdicom.sr, highdicom.sr.CodedConcept
    measurements = []
    for name, value in values.items():
        if name not in MEASURES or isinstance(value, str):
            continue
        unit = _UNITS[MEASURES[name].unit]
        what, derivation = _STANDARD.get(name, ((_own_code(name), _OWN_SCHEME, MEASURES[name].heading), None))
        measurements.append(
            sr.Measurement(
                name=coded(*what),
                value=float(value),
                unit=coded(unit[0], "UCUM", unit[1]),
                derivation=coded(*derivation) if derivation else None,
            )
        )
    kind = term_of("pancreas").type
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(highdicom.UID(), "pancreas"),
        referenced_segment=sr.ReferencedSegment(
            region.SOPClassUID,
            region.SOPInstanceUID,
            segment,
            source_series=sr.SourceSeriesForSegmentation(headers[0].SeriesInstanceUID),
        ),
        finding_type=coded(kind[0], "SCT", kind[1]),
        measurements=measurements,
    )
    observer = sr.ObserverContext(
        observer_type=coded("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=highdicom.UID(), name="PancreasSeg", model_name=__version__
        ),
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=coded("25045-6", "LN", "CT unspecified body region"),
        imaging_measurements=[group],
        title=coded("126000", "DCM", "Imaging Measurement Report"),
    )
    return sr.Comprehensive3DSR(
        evidence=[region, *headers],
        content=report,
        series_number=int(headers[0].get("SeriesNumber") or 0) + _SERIES_NUMBER_STEP,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="PancreasSeg",
        series_description="Pancreas measurements",
    )


def _own_code(name: str) -> str:
    """Return a code of at most 16 letters, as DICOM's short codes are."""
    return name.replace("_", "")[:16]
