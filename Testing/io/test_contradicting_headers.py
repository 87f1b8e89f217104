"""Headers that state their grid twice, or not at all: one rule for every format, and a word about it."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from dicom_writer import body
from nifti_bytes import ROWS, nifti_bytes, write_nifti_bytes

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.io import find_scans, read_labels, read_volume, write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

nibabel = pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")

SHIFTED = np.column_stack([np.diag([-0.8, -0.7, 2.5]), [30.0, 20.0, -400.0]])
TURNED = np.column_stack([np.diag([0.8, -0.7, 2.5]), [0.0, 0.0, 0.0]])
LARGER = np.column_stack([np.diag([-1.2, -1.2, 2.5]), [0.0, 0.0, 0.0]])
SHEARED = ROWS @ np.array([[1, 0, 0.3, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
BY_QUARTER = (0.0, 0.0, 0.70710678, 5.0, 6.0, 7.0)

CASES = {
    # what the header says: the warnings
    "agree": ({"qform": 1, "sform": 1}, []),
    "q-form only": ({"qform": 1, "sform": 0}, []),
    "left-handed q-form": ({"qform": 1, "sform": 0, "qfac": -1.0, "quaternion": BY_QUARTER}, []),
    "s-form elsewhere": ({"qform": 1, "sform": 2, "rows": SHIFTED}, ["geometry-contradiction"]),
    "s-form of a template": ({"qform": 1, "sform": 4, "rows": SHIFTED}, ["geometry-contradiction"]),
    "s-form turned": ({"qform": 2, "sform": 2, "rows": TURNED}, ["geometry-contradiction"]),
    "pixdim too small": ({"qform": 0, "sform": 1, "rows": LARGER}, ["geometry-contradiction"]),
    "pixdim of 1": ({"qform": 1, "sform": 1, "spacing": (1.0, 1.0, 1.0)}, ["geometry-contradiction"]),
    "pixdim missing": ({"qform": 0, "sform": 1, "spacing": (0.0, 0.0, 0.0)}, ["geometry-contradiction"]),
    "pixdim negative": ({"qform": 1, "sform": 1, "spacing": (-0.8, 0.7, 2.5)}, ["negative-spacing"]),
    "negative, q-form": ({"qform": 1, "sform": 0, "spacing": (-0.8, 0.7, -2.5)}, ["negative-spacing"]),
    "header rounds": ({"qform": 1, "sform": 1, "spacing": (0.801, 0.7, 2.5)}, []),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("extension", ["nii", "nii.gz"])
def test_the_s_form_counts_as_for_nibabel(tmp_path, name, extension):
    said, codes = CASES[name]
    path = write_nifti_bytes(tmp_path / f"ct.{extension}", body(), **said)
    ct = read_volume(path)
    affine = nibabel.load(path).affine
    for index in np.ndindex(2, 2, 2):
        far = np.array(index) * [31, 23, 11]
        expected = np.diag([-1, -1, 1]) @ nibabel.affines.apply_affine(affine, far)
        assert np.allclose(ct.geometry.index_to_lps(far), expected, atol=1e-3)
    assert [warning["code"] for warning in ct.source["warnings"]] == codes


@pytest.mark.parametrize("name", CASES)
def test_the_mask_keeps_both_forms_and_their_codes(tmp_path, name):
    path = write_nifti_bytes(tmp_path / "ct.nii.gz", body(), **CASES[name][0])
    ct = read_volume(path)
    write_mask(tmp_path / "mask.nii.gz", (ct.voxels > 0).astype(np.uint8), ct.geometry, source=ct)
    mask, scan = nibabel.load(tmp_path / "mask.nii.gz"), nibabel.load(path)
    assert np.array_equal(np.asarray(mask.dataobj), np.asarray(scan.dataobj) > 0)
    assert np.array_equal(mask.affine, scan.affine)
    assert mask.header["qform_code"] == scan.header["qform_code"]
    assert mask.header["sform_code"] == scan.header["sform_code"]
    assert np.array_equal(mask.get_sform(), scan.get_sform())
    if scan.header["pixdim"][1:4].all():
        assert np.allclose(mask.get_qform(), scan.get_qform())
    assert np.array_equal(mask.header["pixdim"][1:4], np.abs(scan.header["pixdim"][1:4]))


def test_the_sentence_names_both_and_the_choice(tmp_path):
    ct = read_volume(write_nifti_bytes(tmp_path / "ct.nii", body(), qform=1, sform=2, rows=SHIFTED))
    assert "401.6 mm apart; the s-form was taken" in ct.source["warnings"][0]["sentence"]
    ct = read_volume(write_nifti_bytes(tmp_path / "ct.nii", body(), rows=LARGER))
    sentence = ct.source["warnings"][0]["sentence"]
    assert "0.8 x 0.7 x 2.5 mm in pixdim" in sentence
    assert "1.2 x 1.2 x 2.5 mm in the s-form" in sentence
    assert ct.geometry.voxel_volume_ml == pytest.approx(1.2 * 1.2 * 2.5 / 1000)


@pytest.mark.parametrize("broken", [0.0, np.nan, np.inf])
def test_an_s_form_that_is_no_grid_gives_way_to_the_q_form(tmp_path, broken):
    path = write_nifti_bytes(tmp_path / "ct.nii", body(), qform=1, sform=2, rows=np.full((3, 4), broken))
    ct = read_volume(path)
    assert ct.geometry.matrix == pytest.approx(np.eye(3), abs=1e-6)
    assert [warning["code"] for warning in ct.source["warnings"]] == ["geometry-contradiction"]
    write_mask(tmp_path / "m.nii", (ct.voxels > 0).astype(np.uint8), ct.geometry, source=ct)
    assert read_labels(tmp_path / "m.nii").source["warnings"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"qform": 0, "sform": 1, "rows": ROWS * 0},
        {
            "qform": 1,
            "sform": 1,
            "rows": ROWS @ np.array([[1, 0, 0.3, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        },
        {"qform": 1, "sform": 0, "spacing": (0.8, 0.7, 0.0)},
        {"qform": 1, "sform": 0, "spacing": (0.8, 0.7, np.nan)},
        {"qform": 0, "sform": 1, "units": 1},
    ],
)
def test_what_cannot_be_a_grid_is_refused(tmp_path, said):
    with pytest.raises(GeometryError):
        read_volume(write_nifti_bytes(tmp_path / "ct.nii", body(), **said))


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_nifti_2(tmp_path, name):
    image = nibabel.Nifti2Image(body().transpose(2, 1, 0), SHIFTED_AFFINE)
    image.to_filename(tmp_path / name)
    ct = read_volume(tmp_path / name)
    assert np.array_equal(ct.voxels, body())
    assert ct.geometry.origin_lps == pytest.approx((-30.0, -20.0, -400.0))


SHIFTED_AFFINE = np.vstack([SHIFTED, [0, 0, 0, 1]])


@pytest.mark.parametrize("named", ["ct.hdr", "ct.img"])
def test_a_pair_of_header_and_image(tmp_path, named):
    nibabel.Nifti1Pair(body().transpose(2, 1, 0), SHIFTED_AFFINE).to_filename(tmp_path / "ct.img")
    ct = read_volume(tmp_path / named)
    assert np.array_equal(ct.voxels, body())
    assert ct.geometry.origin_lps == pytest.approx((-30.0, -20.0, -400.0))
    assert ct.source["warnings"] == []
    assert find_scans(tmp_path) == [tmp_path / "ct.hdr"]


def test_analyze(tmp_path):
    image = nibabel.AnalyzeImage(body().transpose(2, 1, 0), np.diag([-0.8, 0.7, 2.5, 1]))
    image.to_filename(tmp_path / "ct.hdr")
    ct = read_volume(tmp_path / "ct.hdr")
    assert np.array_equal(ct.voxels, body())
    assert ct.geometry.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    assert [warning["code"] for warning in ct.source["warnings"]] == ["orientation-unknown"]


def test_a_gzip_whose_name_says_otherwise(tmp_path):
    (tmp_path / "ct.nii").write_bytes(gzip.compress(nifti_bytes(body())))
    (tmp_path / "plain.nii.gz").write_bytes(nifti_bytes(body()))
    for name in ("ct.nii", "plain.nii.gz"):
        assert np.array_equal(read_volume(tmp_path / name).voxels, body())


# Text headers


def _nrrd(path, *fields: str) -> None:
    lines = [
        "NRRD0004",
        "type: short",
        "dimension: 3",
        "sizes: 32 24 12",
        "encoding: raw",
        "endian: little",
        *fields,
    ]
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + body().astype("<i2").tobytes())


def _mha(path, *fields: str) -> None:
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False"]
    lines += ["CompressedData = False", "DimSize = 32 24 12", *fields, "ElementType = MET_SHORT"]
    path.write_bytes("\n".join([*lines, "ElementDataFile = LOCAL\n"]).encode() + body().astype("<i2").tobytes())


SPACE = "space: left-posterior-superior"
VECTORS = "space directions: (0.8,0,0) (0,0.7,0) (0,0,2.5)"
MATRIX, SPACING = "TransformMatrix = 1 0 0 0 1 0 0 0 1", "ElementSpacing = 0.8 0.7 2.5"
GOOD = Geometry((32, 24, 12), (0.8, 0.7, 2.5))


@pytest.mark.parametrize(
    ("write", "fields"),
    [
        (_nrrd, ()),
        (_nrrd, ("spacings: nan nan nan",)),
        (_nrrd, ("spacings: 0.8 0.7 nan",)),
        (_nrrd, (SPACE, "space directions: (0,0,0) (0,0.7,0) (0,0,2.5)")),
        (_nrrd, (SPACE, VECTORS, 'space units: "cm" "cm" "cm"')),
        (_mha, ()),
        (_mha, (MATRIX,)),
        (_mha, (MATRIX, "ElementSpacing = nan nan nan")),
        (_mha, (MATRIX, "ElementSpacing = 0.8 0.7 0")),
    ],
)
def test_a_spacing_that_is_missing_is_not_taken_for_1_mm(tmp_path, write, fields):
    path = tmp_path / ("ct.nrrd" if write is _nrrd else "ct.mha")
    write(path, *fields)
    with pytest.raises(GeometryError, match=r"spacing|orientation"):
        read_volume(path)


@pytest.mark.parametrize(
    ("write", "fields", "codes"),
    [
        (_nrrd, (SPACE, VECTORS), []),
        (_nrrd, (SPACE, VECTORS, 'space units: "mm" "mm" "mm"'), []),
        (_nrrd, ("spacings: 0.8 0.7 2.5",), ["orientation-unknown"]),
        (_mha, (MATRIX, SPACING), []),
        (_mha, (MATRIX, SPACING, "AnatomicalOrientation = RAI"), []),
        (_mha, (MATRIX, SPACING, "AnatomicalOrientation = ???"), []),
        (_mha, (MATRIX, SPACING, "AnatomicalOrientation = LPI"), ["geometry-contradiction"]),
        (_mha, (SPACING,), ["orientation-unknown"]),
    ],
)
def test_text_headers_that_can_be_read(tmp_path, write, fields, codes):
    path = tmp_path / ("ct.nrrd" if write is _nrrd else "ct.mha")
    write(path, *fields)
    ct = read_volume(path)
    assert ct.geometry.matches(GOOD)
    assert np.array_equal(ct.voxels, body())
    assert [warning["code"] for warning in ct.source["warnings"]] == codes


@pytest.mark.parametrize("extension", ["nrrd", "mha", "nii.gz"])
def test_what_we_and_itk_write_contradicts_nothing(tmp_path, extension):
    turned = Geometry((32, 24, 12), (0.8, 0.7, 2.5), (1.0, 2.0, 3.0), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    write_volume(tmp_path / f"ct.{extension}", Volume(body(), turned))
    ct = read_volume(tmp_path / f"ct.{extension}")
    assert ct.source["warnings"] == []
    assert ct.geometry.matches(turned)
    assert json.dumps(ct.source)
