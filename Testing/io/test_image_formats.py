"""Image files: what was written comes back, in every format and orientation, in the smallest type."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_writer import body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nifti_bytes import write_nifti_bytes

from PancreasSegLib.errors import GeometryError, NotACTError
from PancreasSegLib.io import read_labels, read_volume, write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

sitk = pytest.importorskip("SimpleITK")

FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd")
GRID = Geometry((32, 24, 12), (0.8, 0.7, 2.5), (-100.5, -120.25, 40.0))


def _turned(order, signs, angle) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    about_x, about_z = np.eye(3), np.eye(3)
    about_x[1:, 1:] = [[c, -s], [s, c]]
    about_z[:2, :2] = [[c, -s], [s, c]]
    return about_x @ about_z @ (np.eye(3)[:, list(order)] * np.array(signs))


@pytest.mark.parametrize("extension", FORMATS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations([0, 1, 2]),
    signs=st.tuples(*[st.sampled_from([1, -1])] * 3),
    angle=st.sampled_from([0.0, 0.0, 0.2, -0.5]),
    spacing=st.tuples(*[st.floats(0.5, 7.0)] * 3),
    origin=st.tuples(*[st.floats(-900, 900)] * 3),
)
def test_a_mask_lies_where_it_was(tmp_path, extension, order, signs, angle, spacing, origin):
    geometry = Geometry((5, 4, 3), spacing, origin, tuple(_turned(order, signs, angle).ravel()))
    mask = np.zeros(geometry.shape_zyx, np.uint8)
    mask[1, 2:, 1:4] = 1
    mask[0, 0, 0] = 2
    path = tmp_path / f"mask{extension}"
    write_mask(path, mask, geometry, labels={"pancreas": 1, "lesion": 2})
    again = read_labels(path)
    assert again.voxels.dtype == np.uint8
    assert np.array_equal(again.voxels, mask)
    assert again.geometry.matches(geometry, 1e-3)
    # And ITK alone sees it there too.
    image = sitk.ReadImage(str(path))
    assert image.TransformIndexToPhysicalPoint((4, 3, 2)) == pytest.approx(
        geometry.index_to_lps((4, 3, 2)), abs=1e-3
    )


@pytest.mark.parametrize("extension", FORMATS[:4])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_whole_numbers_are_read_as_int16(tmp_path, extension, dtype):
    voxels = body()
    path = tmp_path / f"ct{extension}"
    write_volume(path, Volume(voxels.astype(dtype), GRID))
    ct = read_volume(path)
    assert ct.voxels.dtype == np.int16
    assert np.array_equal(ct.voxels, voxels)
    assert ct.geometry.matches(GRID, 1e-3)
    assert ct.source == {"path": str(path), "format": extension[1:], "warnings": []}


@pytest.mark.parametrize("extension", FORMATS[:4])
def test_fractions_are_read_as_float32(tmp_path, extension):
    voxels = body() + 0.25
    write_volume(tmp_path / f"ct{extension}", Volume(voxels, GRID))
    ct = read_volume(tmp_path / f"ct{extension}")
    assert ct.voxels.dtype == np.float32
    assert np.array_equal(ct.voxels, voxels.astype(np.float32))


def test_values_beyond_int16_are_float32(tmp_path):
    voxels = body().astype(np.int32)
    voxels[0, 0, 0] = 70000
    write_volume(tmp_path / "ct.nrrd", Volume(voxels, GRID))
    ct = read_volume(tmp_path / "ct.nrrd")
    assert ct.voxels.dtype == np.float32
    assert ct.voxels[0, 0, 0] == 70000


@pytest.mark.parametrize("name", ["ct.nhdr", "ct.mhd"])
def test_detached_headers(tmp_path, name):
    image = sitk.GetImageFromArray(body())
    sitk.WriteImage(image, str(tmp_path / name))
    assert np.array_equal(read_volume(tmp_path / name).voxels, body())


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.5, -1000.25), (2.0, 0.0)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_scaling_and_byte_order(tmp_path, slope, intercept, order):
    voxels = body().astype(np.float64)
    stored = np.round((voxels - intercept) / slope).astype(f"{order}i2")
    path = tmp_path / "ct.nii"
    write_nifti_bytes(path, stored, order, slope=slope, intercept=intercept)
    ct = read_volume(path)
    assert np.abs(ct.voxels - voxels).max() <= slope / 2
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert np.allclose(ct.voxels, image, atol=1e-3)


def test_a_file_of_the_same_name_uncompressed_is_another_file(tmp_path):
    """ITK 5.4 takes the voxels of x.nii when asked for x.nii.gz."""
    write_volume(tmp_path / "x.nii.gz", Volume(body(), GRID))
    write_volume(tmp_path / "x.nii", Volume(body() - 7, GRID))
    assert np.array_equal(read_volume(tmp_path / "x.nii.gz").voxels, body())
    assert np.array_equal(read_volume(tmp_path / "x.nii").voxels, body() - 7)


def test_a_trailing_axis_of_one_is_no_4d(tmp_path):
    image = sitk.JoinSeries([sitk.GetImageFromArray(body())])
    for name in ("ct.nii.gz", "ct.nrrd"):
        sitk.WriteImage(image, str(tmp_path / name))
        assert np.array_equal(read_volume(tmp_path / name).voxels, body())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, bool, np.uint8, np.int16])
@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_any_volume_can_be_written(tmp_path, dtype, extension):
    rng = np.random.default_rng(0)
    values = (rng.random(GRID.shape_zyx) * 100).astype(dtype)
    path = tmp_path / f"map{extension}"
    write_volume(path, Volume(values, GRID))
    again = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert np.array_equal(again, values.astype(again.dtype))


def test_labels_of_every_kind(tmp_path):
    values = np.zeros(GRID.shape_zyx, np.int32)
    for high, dtype in ((200, np.uint8), (3000, np.int16), (70000, np.int32)):
        values[3, 3, 3] = high
        write_volume(tmp_path / "labels.nrrd", Volume(values, GRID))
        again = read_labels(tmp_path / "labels.nrrd")
        assert again.voxels.dtype == dtype
        assert np.array_equal(again.voxels, values)
    write_volume(tmp_path / "soft.nii.gz", Volume(values.astype(np.float32) + 0.5, GRID))
    with pytest.raises(NotACTError, match="whole numbers"):
        read_labels(tmp_path / "soft.nii.gz")


# Geometry that is a little off, and that is too far off.


@pytest.mark.parametrize("shear", [2e-4, 2e-3, 5e-3, 1e-2])
@pytest.mark.parametrize("extension", ["nii.gz", "nrrd"])
def test_a_slight_shear_is_repaired(tmp_path, shear, extension):
    path = tmp_path / f"ct.{extension}"
    _write_sheared(path, shear)
    ct = read_volume(path)
    assert np.array_equal(ct.voxels, body())
    matrix = ct.geometry.matrix
    assert np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-6)
    assert np.abs(matrix - np.eye(3)).max() <= shear
    assert [w["code"] for w in ct.source["warnings"]] == (["geometry-repaired"] if shear >= 1e-3 else [])
    write_mask(tmp_path / "mask.nii.gz", (ct.voxels > 0).astype(np.uint8), ct.geometry)
    assert read_labels(tmp_path / "mask.nii.gz").geometry.matches(ct.geometry, 1e-3)


@pytest.mark.parametrize("extension", ["nii.gz", "nrrd", "mha"])
def test_a_sheared_grid_is_refused(tmp_path, extension):
    _write_sheared(tmp_path / f"ct.{extension}", 0.2)
    with pytest.raises(GeometryError, match="right angles"):
        read_volume(tmp_path / f"ct.{extension}")


def test_singular_and_missing_geometry(tmp_path):
    path = tmp_path / "ct.nii"
    write_nifti_bytes(path, body(), "<", rows=np.diag([0.8, 0.7, 0.0, 0.0])[:3])
    with pytest.raises(GeometryError):
        read_volume(path)
    write_nifti_bytes(path, body(), "<", spacing=(0.8, 0.7, 0.0), sform=0)
    with pytest.raises(GeometryError, match="missing"):
        read_volume(path)
    write_nifti_bytes(path, body(), "<", units=1)  # metres
    with pytest.raises(GeometryError, match="not that of a CT"):
        read_volume(path)


def test_an_orientation_that_is_not_given_is_noted(tmp_path):
    write_nifti_bytes(tmp_path / "ct.nii", body(), "<", sform=0)
    ct = read_volume(tmp_path / "ct.nii")
    assert [w["code"] for w in ct.source["warnings"]] == ["orientation-unknown"]


def _write_sheared(path, shear: float) -> None:
    """Write a CT whose k axis leans towards i by `shear`."""
    direction = np.eye(3)
    direction[:, 2] = [shear, 0, np.sqrt(1 - shear**2)]
    if path.name.endswith(".nii.gz"):
        rows = np.zeros((3, 4))
        rows[:, :3] = np.diag([-1, -1, 1]) @ direction * [0.8, 0.7, 2.5]
        write_nifti_bytes(path, body(), "<", rows=rows)
        return
    image = sitk.GetImageFromArray(body())
    image.SetSpacing((0.8, 0.7, 2.5))
    image.SetDirection(direction.ravel())
    sitk.WriteImage(image, str(path))
