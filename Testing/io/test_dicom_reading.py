"""DICOM series: order by position, rescale, choice among several, and a sentence for every broken one."""

from __future__ import annotations

import json
import shutil
import zipfile
from uuid import uuid4

import numpy as np
import pydicom
import pytest
from dicom_writer import body, write_enhanced, write_series

from PancreasSegLib.errors import DicomSeriesError, NotACTError, UnreadableFileError
from PancreasSegLib.io import list_series, read_volume

OBLIQUE = (0.9848077530122081, 0.0, -0.17364817766693033, 0.0, 1.0, 0.0)


def _refused(error, path, *words, **options):
    with pytest.raises(error) as caught:
        read_volume(path, **options)
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    for word in words:
        assert word in message, message
    return caught.value


def test_order_is_by_position_not_by_name_or_number(tmp_path):
    voxels = body()
    shuffled = np.random.default_rng(1).permutation(len(voxels))
    write_series(tmp_path, voxels, name=lambda n: f"{shuffled[n]:03d}.dcm")
    ct = read_volume(tmp_path)
    assert ct.voxels.dtype == np.int16
    assert np.array_equal(ct.voxels, voxels)
    assert ct.geometry.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    assert ct.geometry.origin_lps == pytest.approx((-100.0, -120.0, 40.0))
    assert ct.geometry.direction_lps == pytest.approx(np.eye(3).ravel())


def test_names_without_extension_in_subfolders(tmp_path):
    voxels = body()
    paths = write_series(tmp_path / "flat", voxels, name=lambda n: uuid4().hex)
    for n, path in enumerate(paths):
        target = tmp_path / "export" / f"disk{n % 3}" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    (tmp_path / "export" / "README.txt").write_text("not DICOM")
    (tmp_path / "export" / "._IM0001").write_bytes(bytes(128) + b"DICM")
    assert np.array_equal(read_volume(tmp_path / "export").voxels, voxels)


def test_files_without_preamble(tmp_path):
    voxels = body()
    for path in write_series(tmp_path, voxels):
        ds = pydicom.dcmread(path)
        bare = pydicom.Dataset(ds)
        pydicom.dcmwrite(path, bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[:2] == b"\x08\x00"
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_oblique_series(tmp_path):
    voxels = body()
    write_series(tmp_path, voxels, orientation=OBLIQUE)
    ct = read_volume(tmp_path)
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    assert np.allclose(ct.geometry.matrix, np.stack([OBLIQUE[:3], OBLIQUE[3:], normal], axis=1), atol=1e-6)
    far = np.array([31, 23, 11])
    expected = np.array([-100.0, -120.0, 40.0]) + 31 * 0.8 * np.array(OBLIQUE[:3])
    expected += 23 * 0.7 * np.array(OBLIQUE[3:]) + 11 * 2.5 * normal
    assert np.allclose(ct.geometry.index_to_lps(far), expected, atol=1e-3)


def test_agrees_with_itk(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    write_series(tmp_path, body(), orientation=OBLIQUE)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, sitk.GetArrayFromImage(image))
    assert ct.geometry.origin_lps == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert ct.geometry.direction_lps == pytest.approx(image.GetDirection(), abs=1e-6)
    assert ct.geometry.spacing_mm == pytest.approx(image.GetSpacing(), abs=1e-4)


def test_rescale_of_each_slice(tmp_path):
    voxels = body()
    write_series(tmp_path, voxels, rescale=lambda n: (1.0, -1024.0 - 10 * n))
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_fractional_rescale_becomes_float32(tmp_path):
    voxels = body()
    write_series(tmp_path, voxels, rescale=lambda n: (0.25 + 0.01 * n, -1000.5))
    ct = read_volume(tmp_path)
    assert ct.voxels.dtype == np.float32
    assert np.abs(ct.voxels - voxels).max() < 0.25


def test_padding_below_int16_is_cut_off(tmp_path):
    voxels = body()

    def pad(n, ds):
        stored = np.frombuffer(ds.PixelData, "<i2").copy()
        stored[:5] = -32768
        ds.PixelData = stored.tobytes()

    write_series(tmp_path, voxels, change=pad)
    ct = read_volume(tmp_path)
    assert ct.voxels.dtype == np.int16
    assert ct.voxels[0, 0, 0] == -32768
    assert np.array_equal(ct.voxels[:, 1:], voxels[:, 1:])


@pytest.mark.parametrize("bits", [12, 16])
def test_unsigned_pixels(tmp_path, bits):
    voxels = body()

    def unsigned(n, ds):
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 0, bits, bits - 1

    write_series(tmp_path, voxels, change=unsigned)
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_signed_12_bits_with_the_sign_inside(tmp_path):
    """Negative numbers in 12 of 16 bits, whose upper four bits are not filled with the sign."""
    voxels = body()

    def narrow(n, ds):
        stored = np.frombuffer(ds.PixelData, "<i2")
        ds.PixelData = (stored & 0x0FFF).astype("<i2").tobytes()
        ds.BitsStored, ds.HighBit = 12, 11

    write_series(tmp_path, voxels, rescale=lambda n: (1.0, 0.0), change=narrow)
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_run_length_compression(tmp_path):
    voxels = body()
    for path in write_series(tmp_path, voxels):
        ds = pydicom.dcmread(path)
        ds.compress(pydicom.uid.RLELossless)
        ds.save_as(path)
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


@pytest.mark.parametrize("compressor", ["JPEG2000", "JPEG"])
def test_jpeg_compression(tmp_path, compressor):
    sitk = pytest.importorskip("SimpleITK")
    voxels = body()
    for path in write_series(tmp_path, voxels):
        ds = pydicom.dcmread(path)
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(path))
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
        image = sitk.ReadImage(str(path))
        for key in image.GetMetaDataKeys():
            image.SetMetaData(key, image.GetMetaData(key))
        image = sitk.Cast(image, sitk.sitkInt16)
        for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "Modality", "ImagePositionPatient"):
            value = ds[keyword].value
            text = "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)
            tag = ds[keyword].tag
            image.SetMetaData(f"{tag.group:04x}|{tag.element:04x}", text)
        image.SetMetaData("0020|0037", "\\".join(map(str, ds.ImageOrientationPatient)))
        image.SetMetaData("0028|1052", "-1024")
        image.SetMetaData("0028|1053", "1")
        writer.Execute(image)
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_a_file_stands_for_its_series(tmp_path):
    voxels = body()
    paths = write_series(tmp_path, voxels)
    write_series(tmp_path, body(20) + 5, name=lambda n: f"other{n}", number=4)
    assert np.array_equal(read_volume(paths[3]).voxels, voxels)


def test_most_slices_are_chosen_but_not_scouts_or_reformats(tmp_path):
    voxels = body(12)
    write_series(tmp_path / "b", voxels, number=2, description="portal")
    write_series(tmp_path / "a", body(9), number=1, description="arterial")
    write_series(
        tmp_path / "c",
        body(16),
        number=900,
        description="coronal",
        change=lambda n, ds: setattr(ds, "ImageType", ["DERIVED", "SECONDARY", "MPR"]),
    )
    write_series(
        tmp_path / "d",
        body(18),
        number=901,
        description="scouts",
        change=lambda n, ds: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    )
    write_series(tmp_path / "e", body(20), number=5, modality="MR", description="T1")
    ct = read_volume(tmp_path)
    assert np.array_equal(ct.voxels, voxels)
    assert ct.source["series_number"] == 2
    listed = list_series(tmp_path)
    assert [(s.number, s.modality, s.slices, s.chosen) for s in listed] == [
        (1, "CT", 9, False),
        (2, "CT", 12, True),
        (5, "MR", 20, False),
        (900, "CT", 16, False),
        (901, "CT", 18, False),
    ]
    assert listed[1].description == "portal"
    assert listed[1].size == (32, 24)


def test_a_reformat_is_read_when_there_is_nothing_else(tmp_path):
    voxels = body()
    write_series(tmp_path, voxels, change=lambda n, ds: setattr(ds, "ImageType", ["DERIVED", "SECONDARY"]))
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_scouts_inside_the_series_are_left_out(tmp_path):
    voxels = body()
    uid = pydicom.uid.generate_uid()
    write_series(tmp_path, voxels, uid=uid)
    write_series(
        tmp_path,
        body(2, 40, 50),
        uid=uid,
        name=lambda n: f"scout{n}",
        orientation=(0, 1, 0, 0, 0, -1),
        change=lambda n, ds: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    )
    assert np.array_equal(read_volume(tmp_path).voxels, voxels)


def test_a_series_by_uid_number_or_description(tmp_path):
    first, second = body(9), body(12)
    uid = pydicom.uid.generate_uid()
    write_series(tmp_path / "a", first, uid=uid, number=1, description="Arterial 5.0")
    write_series(tmp_path / "b", second, number=12, description="Portal 5.0")
    for name in (uid, "1", "arterial"):
        assert np.array_equal(read_volume(tmp_path, series=name).voxels, first)
    assert np.array_equal(read_volume(tmp_path, series="Portal 5").voxels, second)
    error = _refused(DicomSeriesError, tmp_path, "'venous'", series="venous")
    assert "Arterial 5.0" in error.hint
    write_series(tmp_path / "c", first, number=13, description="Portal 1.0")
    assert "2 series" in _refused(DicomSeriesError, tmp_path, series="portal").message


def test_a_named_series_that_is_no_ct(tmp_path):
    write_series(tmp_path, body(), modality="MR", number=4)
    _refused(NotACTError, tmp_path, "MR", series="4")


def test_zip(tmp_path):
    voxels = body()
    paths = write_series(tmp_path / "series", voxels)
    archive = tmp_path / "scan.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for n, path in enumerate(paths):
            out.write(path, f"../../evil/{n}" if n % 2 else f"DICOM/IM{n}")
        out.writestr("__MACOSX/DICOM/._IM0", bytes(200))
        out.writestr("report.pdf", b"%PDF")
    ct = read_volume(archive)
    assert np.array_equal(ct.voxels, voxels)
    assert ct.source["format"] == "dicom-zip"
    assert ct.source["files"][0] == "DICOM/IM0"
    assert not (tmp_path.parent.parent / "evil").exists()
    assert [s.slices for s in list_series(archive)] == [12]


def test_zip_that_is_none_or_holds_none(tmp_path):
    empty, broken, cut = tmp_path / "empty.zip", tmp_path / "broken.zip", tmp_path / "cut.zip"
    with zipfile.ZipFile(empty, "w") as out:
        out.writestr("readme.txt", "hello")
    _refused(UnreadableFileError, empty, "no DICOM")
    broken.write_bytes(b"PK\x03\x04" + bytes(300))
    _refused(UnreadableFileError, broken)
    paths = write_series(tmp_path / "series", body())
    with zipfile.ZipFile(cut, "w", zipfile.ZIP_DEFLATED) as out:
        for path in paths:
            out.write(path, path.name)
    data = bytearray(cut.read_bytes())
    data[400:480] = bytes(80)
    cut.write_bytes(data)
    _refused(UnreadableFileError, cut, "damaged")


@pytest.mark.parametrize("order", [None, [3, 1, 0, 2, 5, 4, 11, 10, 9, 8, 7, 6]])
def test_enhanced_multiframe(tmp_path, order):
    voxels = body()
    path = write_enhanced(tmp_path / "enhanced.dcm", voxels, order)
    for source in (path, tmp_path):
        ct = read_volume(source)
        assert np.array_equal(ct.voxels, voxels)
        assert ct.geometry.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
        assert ct.geometry.origin_lps == pytest.approx((-100.0, -120.0, 40.0))
    assert ct.source["frames"] == list(np.argsort(order if order else range(12)))


def test_the_source_holds_no_patient(tmp_path):
    paths = write_series(tmp_path, body())
    ct = read_volume(tmp_path)
    text = json.dumps(ct.source)
    assert "Secret" not in text
    assert "4711" not in text
    assert "1970" not in text
    assert ct.source["files"] == [str(p) for p in paths]
    assert ct.source["series_uid"] == pydicom.dcmread(paths[0]).SeriesInstanceUID
    assert ct.source["warnings"] == []
