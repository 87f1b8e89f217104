"""What lies under one SeriesInstanceUID, or under none: one scan is read, and a word says what else was there."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pydicom.fileset
import pytest
from dicom_writer import body, edit, write_enhanced, write_series
from pydicom.uid import generate_uid

from PancreasSegLib.errors import DicomSeriesError, UnreadableFileError
from PancreasSegLib.io import find_scans, list_series, read_volume

PORTAL, ARTERIAL = body(12), body(12) + 70


def _codes(ct) -> list[str]:
    return [warning["code"] for warning in ct.source["warnings"]]


def _two(folder, first: dict, second: dict, between: float = 0.0, **both) -> None:
    """Write two scans of one series; the second's slices lie `between` mm above those of the first."""
    same = {"uid": generate_uid(), "study": generate_uid(), **both}
    change = [lambda n, ds, tags=tags: [setattr(ds, k, v) for k, v in tags.items()] for tags in (first, second)]
    write_series(folder, ARTERIAL, change=change[0], **same)
    origin = (-100.0, -120.0, 40.0 + between)
    write_series(folder, PORTAL, change=change[1], name=lambda n: f"b{n:03d}", origin=origin, **same)


TIMES = ({"AcquisitionTime": "120000.5"}, {"AcquisitionTime": "120043.25"})
TOLD_APART = {
    "acquisition number": ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
    "acquisition time": TIMES,
    "temporal position": ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
    "patient": ({"PatientID": "A"}, {"PatientID": "B"}),
    "patient's name": ({"PatientID": "", "PatientName": "A"}, {"PatientID": "", "PatientName": "B"}),
    "study": ({"StudyInstanceUID": "1.2.3"}, {"StudyInstanceUID": "1.2.4"}),
    "frame of reference": ({"FrameOfReferenceUID": "1.2.3"}, {"FrameOfReferenceUID": "1.2.4"}),
}


@pytest.mark.parametrize(("by", "between"), [*((by, 0.0) for by in TOLD_APART), ("acquisition time", 1.25)])
def test_two_scans_under_one_uid_are_two(tmp_path, by, between):
    _two(tmp_path, *TOLD_APART[by], between)
    first, second = read_volume(tmp_path, series="3#1"), read_volume(tmp_path, series="3#2")
    assert np.array_equal(first.voxels, ARTERIAL)
    assert np.array_equal(second.voxels, PORTAL)
    assert second.geometry.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    assert [s.key[-2:] for s in list_series(tmp_path)] == ["#1", "#2"]
    ct = read_volume(tmp_path)
    assert _codes(ct) == ["series-chosen"]
    assert "12 slices" in ct.source["warnings"][0]["sentence"]
    assert len(ct.source["other_series"]) == 1
    assert _codes(first) == []
    assert np.array_equal(read_volume(tmp_path / "b004").voxels, PORTAL)  # a file stands for its own scan


def test_two_temporal_positions_in_one_file(tmp_path):
    path = write_enhanced(tmp_path / "ct.dcm", ARTERIAL, None, PORTAL)
    assert np.array_equal(read_volume(path, series="7#2").voxels, PORTAL)
    ct = read_volume(path)
    assert np.array_equal(ct.voxels, ARTERIAL)
    assert _codes(ct) == ["series-chosen"]
    assert ct.source["series_part"] == "temporal position 1"


def test_a_scan_taken_in_steps_is_one(tmp_path):
    """Chest and abdomen with numbers and times of their own, or a time for every slice, and no overlap."""

    def steps(n, ds):
        ds.AcquisitionNumber = 1 + n // 6
        ds.AcquisitionTime = f"12{n:02d}00"

    write_series(tmp_path, body(), change=steps)
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, body())
    assert ct.source["warnings"] == []


def test_a_frame_of_reference_for_every_slice_is_none(tmp_path):
    write_series(tmp_path, body(), change=lambda n, ds: setattr(ds, "FrameOfReferenceUID", generate_uid()))
    assert np.array_equal(read_volume(tmp_path).voxels, body())


@pytest.mark.parametrize("missing", [["SeriesInstanceUID"], ["SeriesInstanceUID", "StudyInstanceUID", "Modality"]])
def test_without_a_uid_images_go_by_number_and_description(tmp_path, missing):
    def strip(n, ds):
        for keyword in missing:
            delattr(ds, keyword)

    write_series(tmp_path, body(), change=strip)
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, body())
    assert _codes(ct) == ["series-without-uid"]
    assert np.array_equal(read_volume(tmp_path / "0003.dcm").voxels, body())
    assert find_scans(tmp_path) == [tmp_path]
    write_series(tmp_path, body(15) + 5, change=strip, number=4, description="late", name=lambda n: f"b{n}")
    assert np.array_equal(read_volume(tmp_path, series="3").voxels, body())
    assert np.array_equal(read_volume(tmp_path, series="late").voxels, body(15) + 5)
    assert _codes(read_volume(tmp_path)) == ["series-chosen", "series-without-uid"]


def test_a_modality_that_is_not_named(tmp_path):
    write_series(tmp_path, body(), change=lambda n, ds: delattr(ds, "Modality"))
    assert np.array_equal(read_volume(tmp_path).voxels, body())


# The choice among equal ones


@pytest.mark.parametrize(
    ("portal", "other"),
    [
        ("portal 2.5", "arterial"),
        ("Abdomen venous", "nativ"),
        ("PV 3.0 B30", "late phase"),
        ("Leber portovenös", "without contrast"),
        ("70s", "arterial"),
    ],
)
def test_the_portal_venous_phase_is_preferred_by_its_name(tmp_path, portal, other):
    write_series(tmp_path / "a", ARTERIAL, number=2, description=other)
    write_series(tmp_path / "b", PORTAL, number=3, description=portal)
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, PORTAL)
    sentence = ct.source["warnings"][0]["sentence"]
    assert f"series 3 ({portal}), 12 slices, was read" in sentence
    assert f"series 2 ({other}), 12 slices" in sentence
    assert "description" in sentence
    assert [s.number for s in list_series(tmp_path) if s.chosen] == [3]


def test_more_slices_go_before_the_phase(tmp_path):
    write_series(tmp_path / "a", body(20), number=2, description="arterial")
    write_series(tmp_path / "b", PORTAL, number=3, description="portal")
    assert read_volume(tmp_path).source["series_number"] == 2


def _trunk(aorta_hu: int) -> np.ndarray:
    """Return a body with a spine and an aorta of some HU before it, 48 slices of 5 mm at 2 mm."""
    y, x = np.mgrid[:150, :190].astype(float)
    y, x = (y - 75) * 2, (x - 95) * 2  # mm, to Posterior and to Left
    plane = np.where((x / 165) ** 2 + (y / 115) ** 2 < 1, -90, -1000)
    plane[(x / 150) ** 2 + (y / 100) ** 2 < 1] = 45
    spine = (x**2 + (y - 55) ** 2) < 20**2
    plane[spine] = 300
    plane[(x**2 + (y - 85) ** 2) < 9**2] = 30
    plane[((x - 12) ** 2 + (y - 20) ** 2) < 11**2] = aorta_hu
    noise = np.random.default_rng(2).normal(0, 8, (48, 150, 190))
    return np.round(plane + noise).astype(np.int16)


@pytest.mark.parametrize(("others", "chosen"), [((380, 150), 150), ((40, 150), 150), ((350, 40), 350)])
def test_the_aorta_decides_where_no_name_does(tmp_path, others, chosen):
    for number, hu in enumerate(others, 2):
        write_series(
            tmp_path / str(number), _trunk(hu), spacing=(2.0, 2.0, 5.0), number=number, description="Abdomen 5.0"
        )
    ct = read_volume(tmp_path)
    assert others[ct.source["series_number"] - 2] == chosen
    assert f"aorta of about {chosen // 10}" in ct.source["warnings"][0]["sentence"]


# What does not belong


def _dose_picture(folder, uid, study, **tags) -> None:
    colour = body(1, 60, 80)

    def screen(n, ds):
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
        ds.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
            delattr(ds, keyword)
        for keyword, value in tags.items():
            setattr(ds, keyword, value)

    write_series(folder, colour, uid=uid, study=study, change=screen, name=lambda n: "zz_dose.dcm")


def _scout(folder, uid, study) -> None:
    write_series(
        folder,
        body(2, 90, 70),
        uid=uid,
        study=study,
        orientation=(1, 0, 0, 0, 0, -1),
        name=lambda n: f"a_scout{n}",
    )


def _state(folder, uid, study) -> None:
    ds = pydicom.Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.1", generate_uid()
    ds.Modality, ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.SeriesNumber = "PR", uid, study, 3
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.save_as(folder / "0_state.dcm", enforce_file_format=True)


@pytest.mark.parametrize("foreign", [_dose_picture, _scout, _state])
def test_foreign_objects_are_left_out(tmp_path, foreign):
    same = {"uid": generate_uid(), "study": generate_uid()}
    write_series(tmp_path, body(), **same)
    foreign(tmp_path, **same)
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, body())
    assert _codes(ct) == ([] if foreign is _state else ["foreign-images"])


def test_copies_of_slices_are_left_out(tmp_path):
    paths = write_series(tmp_path, body())
    for n in (0, 4, 5):
        shutil.copy(paths[n], tmp_path / f"copy{n}.dcm")
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, body())
    assert _codes(ct) == ["copied-slices"]
    assert "3 copies" in ct.source["warnings"][0]["sentence"]


def test_one_uid_for_two_different_slices_is_no_copy(tmp_path):
    paths = write_series(tmp_path, body())
    ds = pydicom.dcmread(paths[4])
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(tmp_path / "other.dcm")
    with pytest.raises(DicomSeriesError, match="same position"):
        read_volume(tmp_path)


def test_one_uid_for_all_slices_loses_none(tmp_path):
    write_series(tmp_path, body(), change=lambda n, ds: setattr(ds, "SOPInstanceUID", "1.2.3"))
    assert np.array_equal(read_volume(tmp_path).voxels, body())


# Other ways to be DICOM


@pytest.mark.parametrize("kept", ["whole", "meta"])
def test_without_preamble(tmp_path, kept):
    for path in write_series(tmp_path, body()):
        data = path.read_bytes()
        if kept == "meta":  # the group 2 is there, the 128 bytes and the magic are not
            path.write_bytes(data[132:])
            continue
        ds = pydicom.dcmread(path)
        pydicom.dcmwrite(
            path, pydicom.Dataset(ds), implicit_vr=False, little_endian=True, enforce_file_format=False
        )
    assert np.array_equal(read_volume(tmp_path).voxels, body())
    assert find_scans(tmp_path) == [tmp_path]


def test_a_dicomdir_stands_for_its_folder(tmp_path):
    fileset = pydicom.fileset.FileSet()
    for path in write_series(tmp_path / "in", body()):
        edit(path, InstanceNumber=int(path.stem) + 1)
        fileset.add(path)
    fileset.write(tmp_path / "disk")
    shutil.rmtree(tmp_path / "in")
    assert np.array_equal(read_volume(tmp_path / "disk" / "DICOMDIR").voxels, body())
    (tmp_path / "empty").mkdir()
    shutil.copy(tmp_path / "disk" / "DICOMDIR", tmp_path / "empty")
    with pytest.raises(UnreadableFileError):
        read_volume(tmp_path / "empty" / "DICOMDIR")
