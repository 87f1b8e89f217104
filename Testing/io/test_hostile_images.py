"""Files that are not what they seem: one sentence each, no traceback, nothing on stderr."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from dicom_writer import body

from PancreasSegLib.errors import InvalidVoxelsError, NotACTError, PancreasSegError, UnreadableFileError
from PancreasSegLib.io import read_volume, write_volume
from PancreasSegLib.volume import Geometry, Volume

sitk = pytest.importorskip("SimpleITK")

GRID = Geometry((32, 24, 12), (0.8, 0.7, 2.5))
FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")


@pytest.fixture(autouse=True)
def nothing_on_stderr(capfd):
    yield
    assert capfd.readouterr().err == ""


def _refused(error, path, *words, **options):
    with pytest.raises(error) as caught:
        read_volume(path, **options)
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    assert path.name in message
    for word in words:
        assert word in message, message


def _saved(path, voxels, **options):
    write_volume(path, Volume(voxels, Geometry(voxels.shape[::-1], (0.8, 0.7, 2.5)), **options))
    return path


@pytest.mark.parametrize("extension", FORMATS)
def test_text(tmp_path, extension):
    path = tmp_path / f"ct{extension}"
    path.write_text("<html>404 not found</html>\n")
    _refused(UnreadableFileError, path, "text" if ".nii" in extension else "cannot be read")


@pytest.mark.parametrize("extension", [*FORMATS, ".nhdr", ".mhd", ".dcm", ".zip", ""])
def test_empty(tmp_path, extension):
    path = tmp_path / f"ct{extension}"
    path.touch()
    _refused(UnreadableFileError, path, "empty")


@pytest.mark.parametrize("extension", [*FORMATS, ".dcm", "/folder"])
def test_missing(tmp_path, extension):
    _refused(UnreadableFileError, tmp_path / f"ct{extension}", "does not exist")


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.97, -40])
def test_truncated(tmp_path, extension, kept):
    path = _saved(tmp_path / f"ct{extension}", body())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)] if kept > 0 else data[:kept])
    _refused(UnreadableFileError, path)


def test_gzip_without_its_last_byte(tmp_path):
    path = _saved(tmp_path / "ct.nii.gz", body())
    path.write_bytes(path.read_bytes()[:-1])
    _refused(UnreadableFileError, path, "truncated")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_in_gzip(tmp_path, place):
    path = _saved(tmp_path / "ct.nii.gz", body())
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0x10
    path.write_bytes(data)
    _refused(UnreadableFileError, path)


@pytest.mark.parametrize("extension", FORMATS)
def test_random_bytes(tmp_path, extension):
    path = tmp_path / f"ct{extension}"
    path.write_bytes(np.random.default_rng(3).bytes(5000))
    _refused(UnreadableFileError, path)


def test_gzip_of_something_else(tmp_path):
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(gzip.compress(b"hello world" * 100))
    _refused(UnreadableFileError, path, "not a NIfTI")


def test_a_header_that_claims_more_than_there_is(tmp_path):
    path = _saved(tmp_path / "ct.nii", body())
    data = bytearray(path.read_bytes())
    data[42:48] = np.array([1500, 1500, 900], "<i2").tobytes()
    path.write_bytes(data)
    _refused(UnreadableFileError, path, "truncated")
    data[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    path.write_bytes(data)
    _refused(NotACTError, path, "32000 x 32000 x 32000")


def test_an_unknown_format(tmp_path):
    path = tmp_path / "ct.xyz"
    path.write_bytes(b"whatever this is")
    _refused(UnreadableFileError, path, "known format")


def test_no_permission(tmp_path, monkeypatch):
    """Root may read anything, so the refusal of the system is made up here."""
    path = _saved(tmp_path / "ct.nii.gz", body())
    opened = type(path).open

    def refuse(self, *args, **options):
        if self.name == "ct.nii.gz":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **options)

    monkeypatch.setattr(type(path), "open", refuse)
    _refused(UnreadableFileError, path, "may not read")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
def test_no_permission_for_real(tmp_path):
    path = _saved(tmp_path / "ct.nii.gz", body())
    path.chmod(0)
    _refused(UnreadableFileError, path, "may not read")


def test_a_folder_named_like_a_file(tmp_path):
    path = tmp_path / "ct.nii.gz"
    path.mkdir()
    _refused(UnreadableFileError, path, "no DICOM")


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_2d_4d_and_colour(tmp_path, extension):
    path = tmp_path / f"ct{extension}"
    plane = sitk.GetImageFromArray(body()[0])
    sitk.WriteImage(plane, str(path))
    _refused(NotACTError, path, "2D")
    volume = sitk.GetImageFromArray(body())
    sitk.WriteImage(sitk.JoinSeries([volume, volume, volume]), str(path))
    _refused(NotACTError, path, "4D", "32 x 24 x 12 x 3")
    colour = sitk.Cast(volume > 0, sitk.sitkUInt8)
    sitk.WriteImage(sitk.Compose(colour, colour, colour), str(path))
    _refused(NotACTError, path, "5D" if extension == ".nii.gz" else "colour or vector")


@pytest.mark.parametrize("slices", [1, 2, 7])
def test_too_few_slices(tmp_path, slices):
    path = _saved(tmp_path / "ct.nii.gz", body(slices))
    _refused(NotACTError, path, f"only {slices} slice{'s' if slices > 1 else ''};")


def _mr(rng):
    return np.abs(rng.normal(300, 200, (12, 24, 32))).astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("mr", _mr),
        ("mr-signed", lambda rng: _mr(rng).astype(np.int16) - 30),
        ("picture", lambda rng: rng.integers(0, 256, (12, 24, 32)).astype(np.uint8)),
        ("mask", lambda rng: (rng.random((12, 24, 32)) > 0.7).astype(np.uint8)),
        ("normalised", lambda rng: rng.normal(0, 1, (12, 24, 32)).astype(np.float32)),
        ("probability", lambda rng: rng.random((12, 24, 32)).astype(np.float32)),
        ("constant", lambda rng: np.full((12, 24, 32), -1000, np.int16)),
        ("raw-detector", lambda rng: body().astype(np.int32) + 1024),
        ("phase", lambda rng: rng.integers(-4096, 4096, (12, 24, 32)).astype(np.int16)),
    ],
)
def test_values_that_are_not_hu(tmp_path, name, make):
    path = _saved(tmp_path / f"{name}.nii.gz", make(np.random.default_rng(4)))
    _refused(NotACTError, path)
    assert read_volume(path, assume_ct=True).geometry.size_ijk == (32, 24, 12)


@pytest.mark.parametrize(
    ("low", "high"), [(-125, 275), (-100, 240), (-200, 300), (-1000, 1000), (-1024, 3071), (-160, 240)]
)
def test_clipped_cts_are_accepted(tmp_path, low, high):
    path = _saved(tmp_path / "ct.nii.gz", np.clip(body(), low, high))
    assert read_volume(path).voxels.min() == max(low, body().min())


def test_a_ct_cropped_inside_the_body_is_accepted(tmp_path):
    voxels = np.random.default_rng(6).normal(40, 25, (12, 24, 32))
    voxels[:, :4] = np.random.default_rng(7).normal(-100, 20, (12, 4, 32))
    path = _saved(tmp_path / "ct.nii.gz", np.round(voxels).astype(np.int16))
    assert read_volume(path).voxels.dtype == np.int16


def test_a_ct_in_much_padding_is_accepted(tmp_path):
    voxels = np.full((40, 80, 80), -3024, np.int16)
    voxels[10:22, 20:44, 20:52] = body()
    assert read_volume(_saved(tmp_path / "ct.nii.gz", voxels)).voxels.min() == -3024


@pytest.mark.parametrize("extension", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_few_invalid_voxels_become_air(tmp_path, extension, value, caplog):
    voxels = body().astype(np.float32)
    voxels[:, :2] = voxels[:, -2:] = voxels[..., :1] = voxels[..., -1:] = value  # padding outside the body
    voxels[5, 10, 10] = value  # one inside
    ct = read_volume(_saved(tmp_path / f"ct{extension}", voxels))
    assert ct.voxels.dtype == np.int16
    assert (ct.voxels[~np.isfinite(voxels)] == -1024).all()
    assert ct.voxels[5, 10, 10] == -1024
    valid = np.isfinite(voxels)
    assert np.array_equal(ct.voxels[valid], voxels[valid])
    (warning,) = ct.source["warnings"]
    assert warning["code"] == "invalid-voxels"
    assert str((~valid).sum()) in warning["sentence"]
    assert warning["sentence"] in caplog.text


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("hole", [np.s_[6], np.s_[:, 8:12, 8:12], np.s_[:, :, 15], np.s_[:]], ids=str)
def test_many_invalid_voxels_in_the_body_are_refused(tmp_path, extension, hole):
    voxels = body().astype(np.float32)
    voxels[hole] = np.nan
    _refused(InvalidVoxelsError, _saved(tmp_path / f"ct{extension}", voxels), "NaN")


@pytest.mark.parametrize(
    "name",
    [
        "Bauchspeicheldrüse Öl.nii.gz",
        "膵臓 スキャン.nrrd",
        "поджелудочная.mha",
        "🫁 ' \" $(x) %s.nii",
        "a" * 240 + ".nii.gz",
        "b" * 250 + ".nii",
    ],
)
def test_names_of_every_kind(tmp_path, name):
    folder = tmp_path / "Ordner mit Ümläuten" / ("lang" * 30)
    ct = read_volume(_saved(folder / name, body()))
    assert np.array_equal(ct.voxels, body())
    assert [p.name for p in folder.iterdir()] == [name]


def test_every_refusal_is_one_of_ours(tmp_path):
    """Files made by cutting and flipping bytes never raise anything but our errors, or they are read right."""
    rng = np.random.default_rng(8)
    for extension in FORMATS:
        sound = _saved(tmp_path / f"ct{extension}", body()).read_bytes()
        for n in range(40):
            data = bytearray(sound)
            for place in rng.integers(0, min(len(data), 400), 3):
                data[place] = rng.integers(0, 256)
            path = tmp_path / f"broken{n}{extension}"
            path.write_bytes(data[: int(rng.integers(1, len(data) * 2))])
            try:
                read_volume(path)
            except PancreasSegError as error:
                assert error.message.endswith(".")


def test_reading_in_threads_leaves_stderr_in_its_place(tmp_path):
    paths = [_saved(tmp_path / f"ct{n}{extension}", body()) for n in range(6) for extension in FORMATS]
    before = os.fstat(2)
    with ThreadPoolExecutor(8) as pool:
        volumes = list(pool.map(read_volume, paths))
    assert (os.fstat(2).st_dev, os.fstat(2).st_ino) == (before.st_dev, before.st_ino)
    assert all(np.array_equal(ct.voxels, body()) for ct in volumes)
