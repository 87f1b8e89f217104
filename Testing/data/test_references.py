"""What is learnt from and measured on: the checks of every case, and references of other programs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import source_trees as trees

from PancreasSegLib.data import read_dataset
from PancreasSegLib.data.adapters import survey
from PancreasSegLib.data.composed_case import compose
from PancreasSegLib.data.dataset import Case
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.data.preparation import prepare_dataset
from PancreasSegLib.data.reference import read_case
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.io.seg_nrrd import segmentation_fields
from PancreasSegLib.volume import Box, Volume

LABELS = {"background": 0, "pancreas": 1, "tumour": 2}


def _case(folder, mask=None, *, shift=0, ending=".nii.gz") -> Case:
    ct, _ = trees.little_abdomen(3)
    write_volume(folder / "ct.nii.gz", Volume(ct.voxels + np.int16(shift), ct.geometry))
    if mask is not None:
        write_mask(folder / f"label{ending}", mask, ct.geometry)
    return Case("a", folder / "ct.nii.gz", folder / f"label{ending}")


def _mask(*values: int) -> np.ndarray:
    mask = np.zeros(trees.little_abdomen(3)[0].geometry.shape_zyx, np.uint8)
    for value in values:
        mask[2 + value, 5:9, 5:9] = value
    return mask


def test_a_sound_case(tmp_path):
    ct, reference = read_case(_case(tmp_path, _mask(1, 2)), LABELS)
    assert np.array_equal(reference.voxels, _mask(1, 2))
    assert ct.geometry == reference.geometry


def test_a_value_without_a_name_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="holds 3, a value that no label"):
        read_case(_case(tmp_path, _mask(1, 3)), LABELS)


def test_voxels_to_be_ignored_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="holds 2, a value"):
        read_case(_case(tmp_path, _mask(1, 2)), {"background": 0, "pancreas": 1, "ignore": 2})


def test_hu_plus_1024_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"HU \+ 1024"):
        read_case(_case(tmp_path, _mask(1), shift=1024), LABELS)


def test_what_was_prepared_with_assume_ct_is_read(tmp_path):
    source = tmp_path / "source"
    _case(source / "images", shift=1024)
    (source / "images" / "ct.nii.gz").rename(source / "images" / "a.nii.gz")
    write_mask(source / "labels" / "a.nii.gz", _mask(1), trees.little_abdomen(3)[0].geometry)
    selection = LabelSelection.parse(["pancreas"])
    done = prepare_dataset(survey("folder", source), tmp_path / "out", selection, assume_ct=True)
    assert done.written == ("a",)
    (case,) = read_dataset(tmp_path / "out").cases
    assert read_case(case, {"pancreas": 1})[1].voxels.any()


# Segmentations of 3D Slicer


def _segmentation(path, names: dict[str, int], mask: np.ndarray, box: Box | None = None) -> None:
    """Write a segmentation, cut to a box as Slicer does."""
    sitk = pytest.importorskip("SimpleITK")
    geometry = trees.little_abdomen(3)[0].geometry
    box = box or Box.whole(geometry)
    part = np.ascontiguousarray(mask[box.slices_zyx])
    cut = box.geometry(geometry)
    image = sitk.GetImageFromArray(part)
    image.SetSpacing(cut.spacing_mm)
    image.SetOrigin(cut.origin_lps)
    image.SetDirection(cut.direction_lps)
    for key, text in segmentation_fields(part, cut, names).items():
        image.SetMetaData(key, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("cut", [False, True])
def test_segments_count_by_their_names(tmp_path, cut):
    case = _case(tmp_path, ending=".seg.nrrd")
    mask = _mask(1, 2, 3)
    names = {"liver": 1, "Tumor": 3, "Pancreas": 2}
    _segmentation(case.label, names, mask, Box((3, 4, 2), (12, 11, 8)) if cut else None)
    _, reference = read_case(case, LABELS)
    expected = np.zeros_like(mask)
    expected[mask == 2], expected[mask == 3] = 1, 2
    assert np.array_equal(reference.voxels, expected)


def test_a_liver_is_no_pancreas(tmp_path):
    case = _case(tmp_path, ending=".seg.nrrd")
    _segmentation(case.label, {"liver": 1}, _mask(1))
    with pytest.raises(DatasetError, match="the segment liver, and none is called pancreas"):
        read_case(case, LABELS)


def test_a_segment_without_a_name_stands_for_a_single_label(tmp_path):
    case = _case(tmp_path, ending=".seg.nrrd")
    _segmentation(case.label, {"Segment_1": 1}, _mask(1))
    assert np.array_equal(read_case(case, {"pancreas": 5})[1].voxels, 5 * _mask(1))
    with pytest.raises(DatasetError):
        read_case(case, LABELS)


@pytest.mark.parametrize("layout", ["two folders", "side by side"])
def test_a_folder_of_scans_and_segmentations(tmp_path, layout):
    images, labels = ("images", "labels") if layout == "two folders" else ("", "")
    write_volume(tmp_path / images / "p1.nii.gz", trees.little_abdomen(3)[0])
    _segmentation(tmp_path / labels / "p1.seg.nrrd", {"liver": 1, "pancreas": 2}, _mask(1, 2))
    found = survey("folder", tmp_path)
    selection = LabelSelection.parse(["pancreas"])
    assert np.array_equal(compose(found.cases[0], selection, selection.values).mask, _mask(1, 2) == 2)


# dataset.json of other hands


def _nnunet(root, content: dict, bom: bool = True) -> None:
    ct, _ = trees.little_abdomen(3)
    write_volume(root / "imagesTr" / "p_0000.nii.gz", ct)
    write_mask(root / "labelsTr" / "p.nii.gz", _mask(1, 2), ct.geometry)
    text = json.dumps({"channel_names": {"0": "CT"}, "file_ending": ".nii.gz", "numTraining": 1, **content})
    (root / "dataset.json").write_text(text, encoding="utf-8-sig" if bom else "utf-8")


REGIONS = {"background": 0, "pancreas": [1, 2], "tumour": [2]}


@pytest.mark.parametrize(
    "listed",
    [{}, {"dataset": {"p": {"images": [".\\imagesTr\\p_0000.nii.gz"], "label": ".\\labelsTr\\p.nii.gz"}}}],
    ids=["by name", "listed with backslashes"],
)
def test_nnunet_with_bom_and_regions(tmp_path, listed):
    _nnunet(tmp_path, {"labels": REGIONS, **listed})
    found = survey("nnunet", tmp_path)
    assert [case.name for case in found.cases] == ["p"]
    selection = LabelSelection.parse(["pancreas"])
    assert np.array_equal(compose(found.cases[0], selection, selection.values).mask > 0, _mask(1, 2) > 0)


def test_a_list_of_cases_with_bom_and_backslashes(tmp_path):
    entry = {"image": ".\\imagesTr\\p_0000.nii.gz", "label": "labelsTr\\p.nii.gz"}
    _nnunet(tmp_path, {"labels": {"0": "background", "1": "pancreas", "2": "tumour"}, "training": [entry]})
    (case,) = read_dataset(tmp_path).cases
    assert np.array_equal(read_case(case, LABELS)[1].voxels, _mask(1, 2))


@pytest.mark.parametrize("labels", [REGIONS, {"background": 0, "pancreas": 1}])
def test_what_only_nnunet_reads_is_said(tmp_path, labels):
    _nnunet(tmp_path, {"labels": labels})
    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path)
    assert "data prepare nnunet" in caught.value.hint
