"""Each format is read as its archive unpacks, with its traps; another folder is refused with a sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import source_trees as trees

from PancreasSegLib.data.adapters import SourceOptions, all_adapters, find_adapter, survey
from PancreasSegLib.data.composed_case import compose
from PancreasSegLib.data.label_selection import LabelSelection
from PancreasSegLib.errors import DatasetError, NotACTError, PancreasSegError
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

PANCREAS = LabelSelection.parse(["pancreas"])


def composed(found, selection=PANCREAS, index=0):
    return compose(found.cases[index], selection, selection.values)


def expected(seed: int, organ: str = "pancreas") -> np.ndarray:
    return trees.one_organ(trees.little_abdomen(seed)[1], organ)


# ---- NIH ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "jpeg-lossless"])
def test_nih_dicom_with_flipped_labels(tmp_path, compressed):
    found = survey("nih", trees.write_nih(tmp_path, (1, 2), compressed=compressed))
    assert [case.name for case in found.cases] == ["PANCREAS_0001", "PANCREAS_0002"]
    assert {(case.name, case.code) for case in found.left_out} == {
        ("PANCREAS_0025", "no-ct"),
        ("PANCREAS_0070", "no-ct"),
    }
    assert all("withdrew" in case.sentence for case in found.left_out)
    for index, number in enumerate((1, 2)):
        case = composed(found, index=index)
        assert np.array_equal(case.ct.voxels, trees.little_abdomen(number)[0].voxels)  # slices by their positions
        assert np.array_equal(case.mask, expected(number))
        assert case.facts["label_flip"] == "y"
        assert "soft tissue" in case.facts["label_flip_evidence"]
        assert not case.remarks


@pytest.mark.parametrize("flip", ["none", "y", "z", "yz", "x", "xy"])
def test_nih_finds_every_flip(tmp_path, flip):
    found = survey("nih", trees.write_nih(tmp_path, (4,), flip=flip))
    case = composed(found)
    assert case.facts["label_flip"] == flip
    assert np.array_equal(case.mask, expected(4))


def test_nih_converted_to_nifti(tmp_path):
    trees.write_nih(tmp_path / "dicom", (1,), flip="none")
    for number in (1, 5):
        ct, _ = trees.little_abdomen(number, trees.RAS)
        write_volume(tmp_path / "ct" / f"PANCREAS_{number:04d}.nii.gz", ct)
    found = survey(
        "nih",
        tmp_path / "ct",
        SourceOptions(label_folder=tmp_path / "dicom" / "TCIA_pancreas_labels-02-05-2017"),
    )
    assert [case.name for case in found.cases] == ["PANCREAS_0001"]
    assert {case.name: case.code for case in found.left_out} == {
        "PANCREAS_0005": "no-label",
        "PANCREAS_0070": "no-ct",
    }
    assert np.array_equal(composed(found).mask, expected(1))


def test_nih_says_when_the_flip_is_not_clear_and_obeys(tmp_path):
    trees.write_nih(tmp_path, (1,))
    label = tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0001.nii.gz"
    mask = np.zeros(trees.SHAPE, np.uint8)
    mask[6:9, 3:5, 20:26] = 1  # in fat, whichever way it is turned
    write_mask(label, mask, Geometry(trees.SHAPE[::-1], trees.SPACING))
    case = composed(survey("nih", tmp_path))
    assert [remark.code for remark in case.remarks] == ["flip-unclear"]
    forced = composed(survey("nih", tmp_path, SourceOptions(flip="y")))
    assert not forced.remarks
    assert np.array_equal(forced.mask, mask[:, ::-1])
    with pytest.raises(DatasetError, match="'q' is no flip"):
        survey("nih", tmp_path, SourceOptions(flip="q"))


def test_nih_labels_with_other_slices_are_refused(tmp_path):
    trees.write_nih(tmp_path, (1,))
    label = tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0001.nii.gz"
    write_mask(label, np.ones((12, 40, 48), np.uint8), Geometry((48, 40, 12), trees.SPACING))
    with pytest.raises(DatasetError, match="slices may be missing"):
        composed(survey("nih", tmp_path))


def test_nih_without_its_label_archive(tmp_path):
    trees.write_nih(tmp_path, (1,))
    shutil.rmtree(tmp_path / "TCIA_pancreas_labels-02-05-2017")
    (tmp_path / "TCIA_pancreas_labels-02-05-2017-1.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError) as problem:
        survey("nih", tmp_path)
    assert "label0001.nii.gz" in problem.value.message
    assert "Pancreas-CT/" in problem.value.message
    assert "Unpack TCIA_pancreas_labels-02-05-2017-1.zip first" in problem.value.hint


# ---- IRCADb -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("positions", [True, False], ids=["by position", "by number"])
def test_ircadb_structures_are_merged_by_name(tmp_path, positions):
    found = survey("ircadb", trees.write_ircadb(tmp_path, positions=positions))
    assert [case.name for case in found.cases] == ["3Dircadb1.1", "3Dircadb1.2"]
    assert found.structures == ("liver", "livertumor1", "livertumor2", "pancreas")
    wanted = LabelSelection.parse(["liver=liver+livertumor*", "pancreas"])
    wanted.check(found.structures, found.title)
    first = compose(found.cases[0], wanted, wanted.values)
    labels = trees.little_abdomen(1)[1]
    assert first.values == {"liver": 1, "pancreas": 2}
    # The tumour lies in both: the smaller of the two labels is on top.
    assert np.array_equal(first.mask == 1, np.isin(labels, (1, 3, 4)) & ~np.isin(labels, (2, 3)))
    assert np.array_equal(first.mask == 2, np.isin(labels, (2, 3)))
    second = compose(found.cases[1], wanted, wanted.values)
    assert second.values == {"liver": 1}  # not read for the pancreas, which is not the same as having none
    assert np.array_equal(second.mask, expected(2, "liver"))


def test_ircadb_that_is_not_unpacked(tmp_path):
    trees.write_ircadb(tmp_path, (1, 2))
    shutil.rmtree(tmp_path / "3Dircadb1.2" / "MASKS_DICOM")
    (tmp_path / "3Dircadb1.2" / "MASKS_DICOM.zip").write_bytes(b"PK")
    found = survey("ircadb", tmp_path)
    assert [(case.name, case.code) for case in found.left_out] == [("3Dircadb1.2", "not-unpacked")]
    shutil.rmtree(tmp_path / "3Dircadb1.1" / "MASKS_DICOM")
    with pytest.raises(DatasetError, match=r"no patient with both PATIENT_DICOM and MASKS_DICOM"):
        survey("ircadb", tmp_path)


def test_ircadb_with_a_missing_slice_of_a_mask(tmp_path):
    trees.write_ircadb(tmp_path, (1,))
    (tmp_path / "3Dircadb1.1" / "MASKS_DICOM" / "pancreas" / "image_3").unlink()
    with pytest.raises(DatasetError, match=r"15 images in .* do not fit the 16 slices"):
        composed(survey("ircadb", tmp_path))


# ---- the others ---------------------------------------------------------------------------------------------


def test_msd_ignores_mac_litter_and_knows_cancer_as_tumour(tmp_path):
    task = trees.write_msd(tmp_path)
    for root in (task, tmp_path):
        found = survey("msd", root)
        assert [case.name for case in found.cases] == ["pancreas_001", "pancreas_004"]
    assert found.structures == ("pancreas", "cancer")
    assert found.licence == "CC-BY-SA 4.0"
    merged = LabelSelection.parse(["pancreas=pancreas+tumour"])
    merged.check(found.structures, found.title)
    assert np.array_equal(composed(found, merged).mask, expected(0))
    both = LabelSelection.parse(["pancreas", "tumour=cancer"])
    assert np.array_equal(np.unique(composed(found, both).mask), [0, 1, 2])


def test_msd_refuses_mr_and_several_tasks(tmp_path):
    trees.write_msd(tmp_path / "a", modality="MRI")
    with pytest.raises(DatasetError, match="MRI, not CT"):
        survey("msd", tmp_path / "a")
    shutil.copytree(tmp_path / "a" / "Task07_Pancreas", tmp_path / "a" / "Task01_Other")
    with pytest.raises(DatasetError, match="several tasks: Task01_Other, Task07_Pancreas"):
        survey("msd", tmp_path / "a")


def test_msd_with_a_file_missing(tmp_path):
    task = trees.write_msd(tmp_path)
    (task / "labelsTr" / "pancreas_004.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"1 files .* missing.*pancreas_004"):
        survey("msd", task)


def test_flare22(tmp_path):
    found = survey("flare22", trees.write_flare22(tmp_path))
    assert [case.name for case in found.cases] == ["FLARE22_Tr_0001", "FLARE22_Tr_0002"]
    assert [(case.name, case.code) for case in found.left_out] == [("FLARE22_Tr_0003", "no-label")]
    assert len(found.structures) == 13
    assert np.array_equal(composed(found).mask, expected(1))


def test_btcv(tmp_path):
    found = survey("btcv", trees.write_btcv(tmp_path))
    assert [case.name for case in found.cases] == ["btcv_0001", "btcv_0002"]
    assert [(case.name, case.code) for case in found.left_out] == [("label0021", "no-ct")]
    assert np.array_equal(composed(found).mask, expected(1))


def test_amos22_leaves_mr_out(tmp_path):
    found = survey("amos22", trees.write_amos22(tmp_path))
    assert [case.name for case in found.cases] == ["amos_0001", "amos_0022", "amos_0410"]
    assert {case.name: case.code for case in found.left_out} == {
        "amos_0500": "mr",
        "amos_0591": "mr",
        "amos_0007": "no-label",
    }
    assert np.array_equal(composed(found).mask, expected(1))


def test_amos22_with_mr_alone_is_refused(tmp_path):
    trees.write_amos22(tmp_path)
    for name in ("amos_0001", "amos_0007", "amos_0022", "amos_0410"):
        for path in tmp_path.rglob(f"{name}.nii.gz"):
            path.unlink()
    with pytest.raises(DatasetError, match="no labelled CT, only MR"):
        survey("amos22", tmp_path)


def test_totalsegmentator_reads_only_what_is_wanted(tmp_path):
    trees.write_totalsegmentator(tmp_path)
    (tmp_path / "s0000" / "segmentations" / "spleen.nii.gz").write_bytes(b"damaged")
    found = survey("totalsegmentator", tmp_path)
    assert [case.name for case in found.cases] == ["s0000", "s0004"]
    assert [(case.name, case.code) for case in found.left_out] == [("s0009", "mr")]
    assert "kidney_left" in found.structures
    wanted = LabelSelection.parse(["pancreas", "kidneys=kidney*", "liver"])
    case = compose(found.cases[0], wanted, wanted.values)
    assert np.array_equal(case.mask == 1, expected(0) == 1)
    assert np.array_equal(case.mask == 3, expected(0, "liver") == 1)
    with pytest.raises(PancreasSegError):
        composed(found, LabelSelection.parse(["spleen"]))


def test_nnunet_with_regions(tmp_path):
    found = survey("nnunet", trees.write_nnunet(tmp_path))
    assert [case.name for case in found.cases] == ["abd_000", "abd_001"]
    assert found.structures == ("liver", "pancreas", "tumour", "spleen")
    assert np.array_equal(composed(found).mask, expected(0))
    everything = LabelSelection.all_of(found.structures)
    mask = composed(found, everything).mask
    labels = trees.little_abdomen(0)[1]
    assert np.array_equal(mask, labels)  # the tumour stays on the pancreas, which holds it


@pytest.mark.parametrize(
    ("channels", "labels", "what"),
    [
        ({"0": "MRI"}, None, "no CT channel"),
        ({"0": "CT", "1": "CT portal"}, None, "several CT channels"),
        (None, {"background": 0, "pancreas": 2, "ignore": 5}, "ignore label"),
        (None, {"background": 0, "pancreas": "two"}, "not understood"),
    ],
)
def test_nnunet_refusals(tmp_path, channels, labels, what):
    with pytest.raises(DatasetError, match=what):
        survey("nnunet", trees.write_nnunet(tmp_path, channels, labels))


def test_nnunet_takes_the_ct_of_several_channels(tmp_path):
    found = survey("nnunet", trees.write_nnunet(tmp_path, {"0": "PET", "1": "CT"}))
    assert found.cases[0].image.name == "abd_000_0001.nii.gz"


def test_folder_by_name_and_by_list(tmp_path):
    found = survey("folder", trees.write_folder(tmp_path / "a"))
    assert [case.name for case in found.cases] == ["first", "second"]
    assert np.array_equal(composed(found).mask, expected(0))
    for delimiter in ",;":
        found = survey("folder", trees.write_list(tmp_path / f"list{ord(delimiter)}", delimiter))
        assert [(case.name, case.patient) for case in found.cases] == [("A1", "A"), ("A2", "A")]
        assert np.array_equal(composed(found, index=1).mask, expected(1))


def test_folder_with_all_in_one_place_and_an_image_left_alone(tmp_path):
    trees.write_pair(tmp_path / "p1.nii.gz", tmp_path / "p1_seg.nii.gz", 0, organ="pancreas")
    write_volume(tmp_path / "p2.nii.gz", trees.little_abdomen(2)[0])
    found = survey("folder", tmp_path)
    assert [case.name for case in found.cases] == ["p1"]
    assert [(case.name, case.code) for case in found.left_out] == [("p2", "no-label")]


def test_folder_names_its_values(tmp_path):
    trees.write_pair(tmp_path / "images" / "p1.nii.gz", tmp_path / "labels" / "p1.nii.gz", 0)
    with pytest.raises(DatasetError, match="holds 2, 3, 4, values of no label"):
        composed(survey("folder", tmp_path))
    found = survey("folder", tmp_path, SourceOptions(values=trees.ORGANS))
    merged = LabelSelection.parse(["pancreas=pancreas+tumour"])
    assert np.array_equal(composed(found, merged).mask, expected(0))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("image,mask\na,b\n", "columns image, mask"),
        ("", "no rows"),
        ("image,label\nimages/first_ct.nii.gz,nowhere.nii.gz\n", "Line 2 .* missing"),
        (
            "image,label,case\nimages/first_ct.nii.gz,masks/first_mask.nii.gz,../x\n",
            "cannot be the name",
        ),
        (
            "image,label,case\n" + 2 * "images/first_ct.nii.gz,masks/first_mask.nii.gz,x\n",
            "'x' is there twice",
        ),
    ],
)
def test_lists_that_make_no_sense(tmp_path, text, what):
    path = trees.write_list(tmp_path)
    path.write_text(text)
    with pytest.raises(DatasetError, match=what):
        survey("folder", path)


# ---- any format ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(all_adapters()))
def test_a_wrong_tree_is_refused_with_what_was_expected_and_found(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "beach.jpg").write_bytes(b"x")
    (tmp_path / "photos" / "sub").mkdir()
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"x")
    for place, said in (
        ("empty", "it is empty"),
        ("photos", "it holds beach.jpg, sub/"),
        ("nowhere", "does not exist"),
        ("archive.tar", "is a file, not a folder"),
    ):
        with pytest.raises(DatasetError) as problem:
            survey(name, tmp_path / place)
        assert said in problem.value.message
        assert find_adapter(name).expects in problem.value.hint
    with pytest.raises(DatasetError, match="Unpack it"):
        survey(name, archive)


def test_unknown_formats_and_options_are_named(tmp_path):
    with pytest.raises(DatasetError, match="perhaps 'totalsegmentator'"):
        survey("totalsegmenter", tmp_path)
    with pytest.raises(DatasetError, match="msd has no use for flip"):
        survey("msd", tmp_path, SourceOptions(flip="y"))


def test_a_label_on_another_grid_is_refused_and_a_reordered_one_is_not(tmp_path):
    trees.write_folder(tmp_path)
    ct, labels = trees.little_abdomen(0)
    organ = trees.one_organ(labels, "pancreas")
    label = tmp_path / "masks" / "first_mask.nii.gz"
    flipped = Geometry(
        trees.SHAPE[::-1],
        trees.SPACING,
        tuple(ct.geometry.index_to_lps((47, 39, 0))),
        trees.RAS,
    )
    write_mask(label, organ[:, ::-1, ::-1], flipped)
    assert np.array_equal(composed(survey("folder", tmp_path)).mask, organ)
    for geometry in (
        Geometry(trees.SHAPE[::-1], trees.SPACING, (0.0, 0.0, 0.0)),
        Geometry(trees.SHAPE[::-1], (2.0, 2.0, 3.0), ct.geometry.origin_lps),
    ):
        write_mask(label, organ, geometry)
        with pytest.raises(DatasetError, match="does not lie on its CT: 48 x 40 x 16 voxels"):
            composed(survey("folder", tmp_path))


def test_an_mr_scan_is_refused(tmp_path):
    trees.write_folder(tmp_path)
    ct, _ = trees.little_abdomen(0)
    write_volume(tmp_path / "images" / "first_ct.nii.gz", Volume(np.abs(ct.voxels), ct.geometry))
    with pytest.raises(NotACTError):
        composed(survey("folder", tmp_path))
