"""Write small DICOM series of a made-up CT, sound ones and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def body(slices: int = 12, rows: int = 24, columns: int = 32) -> np.ndarray:
    """Return a (z, y, x) int16 image in HU with air, fat, organs and bone, no two slices alike."""
    rng = np.random.default_rng(5)
    voxels = np.full((slices, rows, columns), -1000, np.int16)
    voxels[:, 4:-4, 4:-4] = -90
    voxels[:, 6:-6, 6:-6] = 40
    voxels[:, 10:12, 14:18] = 500
    voxels += rng.integers(-8, 9, voxels.shape, dtype=np.int16)
    voxels[np.arange(slices), 8, 8] = 100 + 10 * np.arange(slices)
    return voxels


def write_series(
    folder: Path,
    voxels: np.ndarray,
    *,
    spacing: tuple[float, float, float] = (0.8, 0.7, 2.5),
    origin: tuple[float, float, float] = (-100.0, -120.0, 40.0),
    orientation: tuple[float, ...] = AXIAL,
    rescale: Callable[[int], tuple[float, float]] = lambda number: (1.0, -1024.0),
    name: Callable[[int], str] = lambda number: f"{number:04d}.dcm",
    change: Callable[[int, Dataset], None] | None = None,
    uid: str | None = None,
    study: str | None = None,
    modality: str = "CT",
    number: int = 3,
    description: str = "Abdomen 2.5 portal",
) -> list[Path]:
    """Write one file a slice; returns the paths in the order of the slices along the normal.

    `rescale` gives slope and intercept of a slice; `change` may alter its data set before it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uid, study = uid or generate_uid(), study or generate_uid()
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(along_row, along_column)
    paths = []
    for n, plane in enumerate(voxels):
        slope, intercept = rescale(n)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / name(n)
        ds = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
        _identify(ds, meta.MediaStorageSOPInstanceUID, uid, study, modality, number, description)
        ds.SOPClassUID = CTImageStorage
        ds.InstanceNumber = len(voxels) - n
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Rows, ds.Columns = plane.shape
        ds.PixelSpacing = [spacing[1], spacing[0]]
        ds.SliceThickness = 99.0  # wrong on purpose: only positions count
        ds.ImageOrientationPatient = [float(v) for v in orientation]
        ds.ImagePositionPatient = [float(f"{v:.6f}") for v in np.array(origin) + n * spacing[2] * normal]
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        stored = np.round((plane.astype(np.float64) - intercept) / slope).astype(np.int16)
        _pixels(ds, stored)
        if change is not None:
            change(n, ds)
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_enhanced(
    path: Path,
    voxels: np.ndarray,
    order: list[int] | None = None,
    later: np.ndarray | None = None,
) -> Path:
    """Write an Enhanced CT: one file, one frame a slice, frames in the given order.

    With `later` every slice is there a second time, at the second temporal position.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    _identify(ds, meta.MediaStorageSOPInstanceUID, generate_uid(), generate_uid(), "CT", 7, "Enhanced")
    ds.SOPClassUID = EnhancedCTImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    order = order if order is not None else list(range(len(voxels)))
    stored = voxels[order]
    moments = [1] * len(order)
    if later is not None:
        stored, moments = np.concatenate([stored, later[order]]), moments + [2] * len(order)
        order = order * 2
    ds.NumberOfFrames = len(order)
    ds.Rows, ds.Columns = voxels.shape[1:]
    shared, rescale, measures, plane = Dataset(), Dataset(), Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1.0, -1024.0, "HU"
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.8], 2.5
    plane.ImageOrientationPatient = list(AXIAL)
    shared.PixelValueTransformationSequence = [rescale]
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [plane]
    ds.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for n, moment in zip(order, moments, strict=True):
        group, position, content = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-100.0, -120.0, 40.0 + 2.5 * n]
        content.InStackPositionNumber, content.StackID, content.DimensionIndexValues = n + 1, "1", [1, n + 1]
        if later is not None:
            content.TemporalPositionIndex, content.DimensionIndexValues = moment, [1, n + 1, moment]
        group.PlanePositionSequence, group.FrameContentSequence = [position], [content]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    ds.SamplesPerPixel = 1
    _pixels(ds, (stored.astype(np.int32) + 1024).astype(np.int16))
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def edit(path: Path, **values: object) -> None:
    """Change attributes of a file in place."""
    ds = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.save_as(path)


def _identify(
    ds: Dataset, instance: str, uid: str, study: str, modality: str, number: int, description: str
) -> None:
    ds.SOPInstanceUID = instance
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = (
        uid,
        study,
        generate_uid(entropy_srcs=[study]),
    )
    ds.Modality, ds.SeriesNumber, ds.SeriesDescription = modality, number, description
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = "Secret^Person", "ID-4711", "O", "19700101"
    ds.StudyID, ds.AccessionNumber, ds.StudyDate, ds.StudyTime = "1", "", "20200101", "120000"
    ds.ReferringPhysicianName, ds.Manufacturer, ds.PositionReferenceIndicator = "", "Nobody", ""


def _pixels(ds: Dataset, stored: np.ndarray) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = np.ascontiguousarray(stored.astype("<i2")).tobytes()
