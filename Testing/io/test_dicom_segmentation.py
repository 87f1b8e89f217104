"""DICOM segmentations, read back by highdicom."""

from __future__ import annotations

import shutil
import sys
import zipfile

import numpy as np
import pydicom
import pytest
from dicom_writer import body, write_enhanced, write_series

from PancreasSegLib.errors import MissingPackageError, OutputError
from PancreasSegLib.io import read_volume, write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

highdicom = pytest.importorskip("highdicom")

OBLIQUE = (0.9848077530122081, 0.0, -0.17364817766693033, 0.0, 1.0, 0.0)


def _mask(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[2:6, 5:12, 7:20] = 1
    mask[9, 20, 30] = 4
    return mask


def _labels_by_position(path, volume: Volume) -> np.ndarray:
    """Place each frame of the segmentation by its own position in the patient."""
    dataset = highdicom.seg.segread(path)
    found = np.zeros(volume.voxels.shape, np.uint8)
    frames = dataset.pixel_array.reshape(-1, *found.shape[1:])
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        position = [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]
        index = volume.geometry.lps_to_index(position)
        assert np.allclose(index, np.round(index), atol=1e-3)
        assert np.allclose(index[:2], 0, atol=1e-3)
        segment = group if "SegmentIdentificationSequence" in group else dataset.SharedFunctionalGroupsSequence[0]
        number = segment.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[round(index[2])][frame > 0] = number
    return found


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), OBLIQUE, (0, 1, 0, 0, 0, -1)])
def test_it_lies_on_the_slices(tmp_path, orientation):
    paths = write_series(tmp_path / "ct", body(), orientation=orientation, name=lambda n: f"{n * 7 % 12}")
    ct = read_volume(tmp_path / "ct")
    mask = _mask(ct.voxels.shape)
    path = tmp_path / "mask.dcm"
    write_mask(path, mask, ct.geometry, labels={"pancreas": 1, "spleen": 4}, source=ct)
    found = _labels_by_position(path, ct)
    assert np.array_equal(found, np.where(mask == 4, 2, mask))
    dataset = highdicom.seg.segread(path)
    assert dataset.Modality == "SEG"
    assert dataset.NumberOfFrames == 5  # only slices that hold something
    header = pydicom.dcmread(paths[0])
    assert dataset.StudyInstanceUID == header.StudyInstanceUID
    assert dataset.FrameOfReferenceUID == header.FrameOfReferenceUID
    assert dataset.SeriesInstanceUID != header.SeriesInstanceUID
    references = dataset.ReferencedSeriesSequence[0]
    assert references.SeriesInstanceUID == header.SeriesInstanceUID
    assert len(references.ReferencedInstanceSequence) == 12


def test_codes_and_colour(tmp_path):
    write_series(tmp_path / "ct", body())
    ct = read_volume(tmp_path / "ct")
    mask = _mask(ct.voxels.shape)
    write_mask(tmp_path / "m.dcm", mask, ct.geometry, labels={"pancreas": 1, "left kidney": 4}, source=ct)
    dataset = highdicom.seg.segread(tmp_path / "m.dcm")
    pancreas, kidney = dataset.SegmentSequence
    assert pancreas.SegmentLabel == "pancreas"
    assert pancreas.SegmentAlgorithmType == "AUTOMATIC"
    kind = pancreas.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("15776009", "SCT")
    rgb = highdicom.color.CIELabColor(0, 0, 0)
    rgb._value = list(pancreas.RecommendedDisplayCIELabValue)
    assert np.abs(np.array(rgb.to_rgb()) - [249, 180, 111]).max() <= 2
    side = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeValue == "7771000"


def test_an_empty_mask(tmp_path):
    write_series(tmp_path / "ct", body())
    ct = read_volume(tmp_path / "ct")
    write_mask(tmp_path / "m.dcm", np.zeros(ct.voxels.shape, np.uint8), ct.geometry, source=ct)
    assert highdicom.seg.segread(tmp_path / "m.dcm").pixel_array.max() == 0


def test_from_a_zip(tmp_path):
    paths = write_series(tmp_path / "ct", body())
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    ct = read_volume(tmp_path / "ct.zip")
    mask = (_mask(ct.voxels.shape) == 1).astype(np.uint8)
    write_mask(tmp_path / "m.dcm", mask, ct.geometry, source=ct)
    assert np.array_equal(_labels_by_position(tmp_path / "m.dcm", ct), mask)


@pytest.mark.parametrize("order", [None, [3, 1, 0, 2, 5, 4, 11, 10, 9, 8, 7, 6]])
def test_from_a_multiframe_file(tmp_path, order):
    path = write_enhanced(tmp_path / "ct.dcm", body(), order)
    ct = read_volume(path)
    mask = (_mask(ct.voxels.shape) == 1).astype(np.uint8)
    write_mask(tmp_path / "m.dcm", mask, ct.geometry, source=ct)
    assert np.array_equal(_labels_by_position(tmp_path / "m.dcm", ct), mask)


def test_refusals(tmp_path, monkeypatch):
    write_series(tmp_path / "ct", body())
    ct = read_volume(tmp_path / "ct")
    mask = _mask(ct.voxels.shape)
    target = tmp_path / "out" / "m.dcm"

    write_volume(tmp_path / "ct.nii.gz", ct)
    nifti = read_volume(tmp_path / "ct.nii.gz")
    for source in (nifti, None):
        with pytest.raises(OutputError, match="not read from DICOM"):
            write_mask(target, mask, ct.geometry, source=source)

    shifted = Geometry(ct.geometry.size_ijk, ct.geometry.spacing_mm, (0, 0, 0))
    with pytest.raises(OutputError, match="not on the grid"):
        write_mask(target, mask, shifted, source=ct)

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "highdicom", None)
        with pytest.raises(MissingPackageError) as error:
            write_mask(target, mask, ct.geometry, source=ct)
        assert "pip install" in error.value.hint

    shutil.rmtree(tmp_path / "ct")
    with pytest.raises(OutputError, match="no longer"):
        write_mask(target, mask, ct.geometry, source=ct)
    assert not target.exists()
    assert not target.parent.exists() or not any(target.parent.iterdir())
