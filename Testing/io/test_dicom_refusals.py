"""Broken DICOM series: one sentence each that names what is wrong and where."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from dicom_writer import body, edit, write_series

from PancreasSegLib.errors import DicomSeriesError, GeometryError, NotACTError, UnreadableFileError
from PancreasSegLib.io import list_series, read_volume


def _refused(error, path, *words, **options):
    with pytest.raises(error) as caught:
        read_volume(path, **options)
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    for word in words:
        assert word in message, message
    return caught.value


def test_a_missing_slice(tmp_path):
    paths = write_series(tmp_path, body())
    paths[4].unlink()
    _refused(DicomSeriesError, tmp_path, "lacks 1 slice", "47.5 to 52.5 mm", "5.0 mm", "2.5 mm")


def test_several_missing_slices(tmp_path):
    paths = write_series(tmp_path, body(20))
    for n in (3, 4, 5, 12):
        paths[n].unlink()
    _refused(DicomSeriesError, tmp_path, "lacks 4 slices", "10.0 mm")


def test_uneven_spacing(tmp_path):
    def bend(n, ds):
        ds.ImagePositionPatient[2] = 40 + 2.5 * n + 0.08 * n * n

    write_series(tmp_path, body(), change=bend)
    _refused(DicomSeriesError, tmp_path, "unevenly")


@pytest.mark.parametrize(("share", "refused"), [(0.1, False), (0.3, True)])
def test_a_slice_may_lie_a_little_off_its_place(tmp_path, share, refused):
    def shift(n, ds):
        ds.ImagePositionPatient[2] = 40 + 2.5 * (n + share * (n == 6))

    write_series(tmp_path, body(), change=shift)
    if refused:
        _refused(DicomSeriesError, tmp_path, "unevenly")
    else:
        assert read_volume(tmp_path).geometry.spacing_mm[2] == pytest.approx(2.5)


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_no_gaps(tmp_path):
    def rounded(n, ds):
        ds.ImagePositionPatient[2] = round(40 + 0.625 * n, 1)

    write_series(tmp_path, body(40), spacing=(0.8, 0.8, 0.625), change=rounded)
    assert read_volume(tmp_path).geometry.spacing_mm[2] == pytest.approx(0.625, abs=0.002)


@pytest.mark.parametrize("degrees", [0.3, 1.0, 12.0])
def test_a_gantry_tilt(tmp_path, degrees):
    def tilt(n, ds):
        ds.ImagePositionPatient[1] += 2.5 * n * np.tan(np.radians(degrees))

    write_series(tmp_path, body(), change=tilt)
    if degrees < 0.5:
        assert read_volume(tmp_path).source["warnings"] == []
    else:
        _refused(DicomSeriesError, tmp_path, "tilt", f"{degrees:.1f} degrees")


def test_a_tilt_in_the_header_alone_is_noted(tmp_path):
    write_series(tmp_path, body(), change=lambda n, ds: setattr(ds, "GantryDetectorTilt", 10.0))
    warnings = read_volume(tmp_path).source["warnings"]
    assert [w["code"] for w in warnings] == ["gantry-tilt-tag"]
    assert "10.0 degrees" in warnings[0]["sentence"]


def test_a_slice_shifted_sideways(tmp_path):
    write_series(
        tmp_path,
        body(),
        change=lambda n, ds: setattr(ds, "ImagePositionPatient", [-95 if n == 6 else -100, -120, 40 + 2.5 * n]),
    )
    _refused(DicomSeriesError, tmp_path, "sideways")


def test_doubled_positions(tmp_path):
    paths = write_series(tmp_path, body())
    shutil.copy(paths[4], tmp_path / "copy.dcm")
    edit(tmp_path / "copy.dcm", SOPInstanceUID=pydicom.uid.generate_uid())  # not a copy by its own account
    _refused(DicomSeriesError, tmp_path, "same position", "50.0 mm", "copy.dcm", "0004.dcm")


def test_two_phases_in_one_series(tmp_path):
    same = {"uid": pydicom.uid.generate_uid(), "study": pydicom.uid.generate_uid()}
    write_series(tmp_path, body(), **same)
    write_series(tmp_path, body(), **same, name=lambda n: f"late{n}")
    error = _refused(DicomSeriesError, tmp_path, "same position", "12 such pairs")
    assert "phases" in error.hint


def test_mixed_sizes(tmp_path):
    same = {"uid": pydicom.uid.generate_uid(), "study": pydicom.uid.generate_uid()}
    write_series(tmp_path, body(), **same)
    write_series(tmp_path, body(3, 40, 50), **same, name=lambda n: f"b{n}", origin=(0, 0, 200))
    _refused(DicomSeriesError, tmp_path, "12 of 32 x 24", "3 of 50 x 40")


def test_mixed_orientations(tmp_path):
    same = {"uid": pydicom.uid.generate_uid(), "study": pydicom.uid.generate_uid()}
    write_series(tmp_path, body(), **same)
    write_series(tmp_path, body(), **same, name=lambda n: f"b{n}", orientation=(1, 0, 0, 0, 0, -1))
    _refused(DicomSeriesError, tmp_path, "orientations")


def test_mixed_pixel_spacing(tmp_path):
    paths = write_series(tmp_path, body())
    edit(paths[2], PixelSpacing=[0.9, 0.9])
    _refused(DicomSeriesError, tmp_path, "pixel spacings")


def test_images_without_a_position(tmp_path):
    paths = write_series(tmp_path, body())
    for path in paths:
        ds = pydicom.dcmread(path)
        del ds.ImagePositionPatient
        ds.save_as(path)
    _refused(DicomSeriesError, tmp_path, "position")


@pytest.mark.parametrize("modality", ["MR", "PT", "SEG"])
def test_other_modalities(tmp_path, modality):
    write_series(tmp_path, body(), modality=modality)
    _refused(NotACTError, tmp_path, "no CT", f"1 {modality}")
    assert not any(s.chosen for s in list_series(tmp_path))


@pytest.mark.parametrize("slices", [1, 7])
def test_too_few_slices(tmp_path, slices):
    paths = write_series(tmp_path, body(slices))
    _refused(NotACTError, tmp_path, f"only {slices} slice")
    _refused(NotACTError, paths[0], f"only {slices} slice")


def test_colour(tmp_path):
    def colour(n, ds):
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
        ds.PixelData = bytes(24 * 32 * 3)

    write_series(tmp_path, body(), change=colour)
    _refused(NotACTError, tmp_path, "colour")


def test_values_that_are_not_hu(tmp_path):
    write_series(tmp_path, body() + 1000, rescale=lambda n: (1.0, 0.0))
    _refused(NotACTError, tmp_path, "HU + 1024", "rescale intercept")
    assert read_volume(tmp_path, assume_ct=True).voxels.min() > -100


def test_absurd_spacing(tmp_path):
    write_series(tmp_path, body(), spacing=(0.8, 0.8, 60.0))
    _refused(GeometryError, tmp_path, "60 mm")


def test_a_truncated_file(tmp_path):
    paths = write_series(tmp_path, body())
    data = paths[5].read_bytes()
    paths[5].write_bytes(data[: len(data) - 700])
    _refused(UnreadableFileError, tmp_path, "0005.dcm")


def test_a_file_with_a_damaged_header_leaves_a_gap(tmp_path):
    paths = write_series(tmp_path, body())
    paths[5].write_bytes(bytes(128) + b"DICM" + b"\xff" * 900)
    _refused(DicomSeriesError, tmp_path, "lacks 1 slice")


def test_folders_without_dicom(tmp_path):
    _refused(UnreadableFileError, tmp_path, "no DICOM")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.dcm").touch()
    _refused(UnreadableFileError, tmp_path, "no DICOM")
    with pytest.raises(UnreadableFileError):
        list_series(tmp_path)
    with pytest.raises(UnreadableFileError, match="does not exist"):
        list_series(tmp_path / "missing")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    import PancreasSegLib.io.dicom_files as dicom_files

    def walk(folder, onerror=None, **options):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return iter(())

    monkeypatch.setattr(dicom_files.os, "walk", walk)
    _refused(UnreadableFileError, tmp_path, "cannot be read")
