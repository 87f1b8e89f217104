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
from PancreasSegLib.io.write import check_mask_output
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


# CTs whose headers lack something


def _gone(*keywords):
    return lambda ds: [delattr(ds, keyword) for keyword in keywords]


def _set(**values):
    return lambda ds: [setattr(ds, keyword, value) for keyword, value in values.items()]


INCOMPLETE = {
    "nobody and nothing named": _gone(
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
        "StudyTime", "SliceThickness", "ReferringPhysicianName", "Manufacturer", "SeriesNumber", "Modality",
    ),
    **{f"no {of}": _gone(of) for of in ("FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID")},
    "empty": _set(SliceThickness=None, FrameOfReferenceUID="", StudyDate="", StudyTime="", PatientBirthDate=""),
    "what none can be": _set(
        SliceThickness=0, StudyDate="ANON", StudyTime="none", PatientBirthDate="1970", PatientSex="X"
    ),
    "Japanese": _set(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎"),
    "Korean": _set(SpecificCharacterSet=["", "ISO 2022 IR 149"], PatientName="Hong^Gildong=洪^吉洞=홍^길동"),
    "Latin": _set(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg"),
    "a character set that is none": _set(SpecificCharacterSet="UTF8"),
}  # fmt: skip


@pytest.mark.parametrize("name", INCOMPLETE)
@pytest.mark.filterwarnings("ignore")
def test_incomplete_headers_are_filled_by_the_rules(tmp_path, name):
    write_series(tmp_path / "ct", body(), change=lambda n, ds: INCOMPLETE[name](ds))
    ct = read_volume(tmp_path / "ct")
    check_mask_output(tmp_path / "m.dcm", ct)
    mask = (_mask(ct.voxels.shape) == 1).astype(np.uint8)
    write_mask(tmp_path / "m.dcm", mask, ct.geometry, source=ct)
    assert np.array_equal(_labels_by_position(tmp_path / "m.dcm", ct), mask)
    dataset, header = highdicom.seg.segread(tmp_path / "m.dcm"), pydicom.dcmread(ct.source["files"][0])
    assert str(dataset.PatientName) == str(header.get("PatientName", ""))
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == pytest.approx(float(header.get("SliceThickness") or 2.5))
    assert dataset.FrameOfReferenceUID
    again = tmp_path / "again.dcm"
    write_mask(again, mask, ct.geometry, source=ct)
    for keyword in ("FrameOfReferenceUID", "StudyInstanceUID"):
        assert highdicom.seg.segread(again)[keyword] == dataset[keyword]


def test_one_time_point_of_a_file_with_two(tmp_path):
    path = write_enhanced(tmp_path / "ct.dcm", body(), None, body() + 30)
    ct = read_volume(path, series="7#2")
    mask = (_mask(ct.voxels.shape) == 1).astype(np.uint8)
    write_mask(tmp_path / "m.dcm", mask, ct.geometry, source=ct)
    assert np.array_equal(_labels_by_position(tmp_path / "m.dcm", ct), mask)


def test_what_cannot_be_written_is_refused_before_the_run(tmp_path, monkeypatch):
    from PancreasSegLib.cli.app import run

    write_series(tmp_path / "ct", body(), change=lambda n, ds: setattr(ds, "SOPInstanceUID", ""))
    ct = read_volume(tmp_path / "ct")
    with pytest.raises(OutputError, match="SOPInstanceUID"):
        check_mask_output(tmp_path / "m.dcm", ct)
    monkeypatch.setattr(
        "PancreasSegLib.inference.Segmenter.segment", lambda *_, **__: pytest.fail("the networks were run")
    )
    assert run(["segment", str(tmp_path / "ct"), "-o", str(tmp_path / "m.dcm")]) == 2


def test_what_was_written_is_read_back(tmp_path, monkeypatch):
    write_series(tmp_path / "ct", body())
    ct = read_volume(tmp_path / "ct")
    written = type(tmp_path).write_bytes
    monkeypatch.setattr(
        type(tmp_path), "write_bytes", lambda self, data: written(self, bytes(data)[:-9] + bytes(9))
    )
    with pytest.raises(OutputError, match="whole"):
        write_mask(tmp_path / "m.dcm", np.ones(ct.voxels.shape, np.uint8), ct.geometry, source=ct)
    assert not (tmp_path / "m.dcm").exists()
