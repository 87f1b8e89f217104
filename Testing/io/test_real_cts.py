"""The real CTs: read as ITK reads them, and masks written on their grids."""

from __future__ import annotations

import numpy as np
import pytest

from PancreasSegLib.io import find_scans, list_series, read_labels, read_volume, write_mask
from PancreasSegLib.volume import Box

pytestmark = pytest.mark.data

sitk = pytest.importorskip("SimpleITK")


def _box_mask(ct) -> np.ndarray:
    mask = np.zeros(ct.voxels.shape, np.uint8)
    mask[Box((40, 60, 10), (90, 140, 25)).slices_zyx] = 1
    return mask


@pytest.mark.parametrize("name", ["ct/hcc_048_portal.nii.gz", "abdomen/imagesTr/abdomen_0037.nii.gz"])
def test_nifti(shared_data, tmp_path, name):
    ct = read_volume(shared_data / name)
    image = sitk.ReadImage(str(shared_data / name))
    assert ct.voxels.dtype == np.int16
    assert np.array_equal(ct.voxels, sitk.GetArrayViewFromImage(image))
    assert ct.geometry.origin_lps == pytest.approx(image.GetOrigin())
    assert ct.geometry.direction_lps == pytest.approx(image.GetDirection())
    assert ct.source["warnings"] == []
    canonical, axes = ct.canonical()
    assert np.array_equal(axes.invert(canonical.voxels), ct.voxels)
    for extension in (".nii.gz", ".seg.nrrd"):
        write_mask(tmp_path / f"mask{extension}", _box_mask(ct), ct.geometry, source=ct)
        again = read_labels(tmp_path / f"mask{extension}")
        assert again.geometry.matches(ct.geometry, 1e-3)
        assert np.array_equal(again.voxels, _box_mask(ct))


def test_dicom(shared_data, tmp_path):
    folder = shared_data / "ct" / "crlm_1004_dicom"
    ct = read_volume(folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    assert ct.voxels.dtype == np.int16
    assert ct.geometry.size_ijk == (512, 512, 41)
    assert np.array_equal(ct.voxels, sitk.GetArrayViewFromImage(image))
    assert ct.geometry.origin_lps == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert ct.geometry.spacing_mm == pytest.approx(image.GetSpacing(), abs=1e-4)
    (series,) = list_series(folder)
    assert series.chosen
    assert series.slices == 41
    highdicom = pytest.importorskip("highdicom")
    write_mask(tmp_path / "mask.dcm", _box_mask(ct), ct.geometry, source=ct)
    frames = highdicom.seg.segread(tmp_path / "mask.dcm")
    assert frames.NumberOfFrames == 15
    assert int(frames.pixel_array.sum()) == int(_box_mask(ct).sum())


def test_every_case_is_a_ct(shared_data):
    images = sorted((shared_data / "abdomen" / "imagesTr").glob("*.nii.gz"))
    assert len(images) == 14
    for path in images[::5]:
        ct, mask = read_volume(path), read_labels(shared_data / "abdomen" / "labelsTr" / path.name)
        assert ct.voxels.dtype == np.int16
        assert mask.voxels.dtype == np.uint8
        assert ct.geometry.matches(mask.geometry)


def test_a_mask_is_no_ct(shared_data):
    from PancreasSegLib.errors import NotACTError

    with pytest.raises(NotACTError):
        read_volume(next((shared_data / "abdomen" / "labelsTr").glob("*.nii.gz")))


def test_a_folder_of_scans(shared_data):
    found = [path.name for path in find_scans(shared_data / "ct")]
    assert found == ["crlm_1004_dicom", "hcc_048_portal.nii.gz", "waw_1211_arterial.nii.gz"]
