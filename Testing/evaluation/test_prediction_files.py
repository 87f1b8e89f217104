"""Predictions of other programs: their names, values and grids, and what is refused with a sentence."""

import json

import numpy as np
import pytest
from score_cases import GRID, ORGANS, block, labels, write_dataset, write_predictions

from PancreasSegLib.data import read_dataset
from PancreasSegLib.errors import DatasetError, NotACTError, UnreadableFileError
from PancreasSegLib.evaluation.folder_source import FolderSource
from PancreasSegLib.evaluation.prediction_files import PredictionFiles, value_pairs
from PancreasSegLib.io import read_volume, write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume, labels_on_grid


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return read_dataset(write_dataset(tmp_path_factory.mktemp("boxes")))


def predict(source, case, wanted=ORGANS):
    return source.predict(case, read_volume(case.image, assume_ct=True), wanted)


@pytest.mark.parametrize(
    "form",
    [
        "{}.nii.gz",
        "{}.nrrd",
        "{}_seg.nii.gz",
        "{}_pred.mha",
        "{}/segmentation.nii.gz",
        "{}_0000.nii.gz",
        "{}.seg.nrrd",
    ],
)
def test_maps_of_all_labels_are_found_by_name(dataset, tmp_path, form):
    write_predictions(tmp_path, form=form)
    source = FolderSource("x", tmp_path, dataset.labels)
    chosen, sentences = source.chosen(dataset.cases, tuple(ORGANS))
    assert (len(chosen), sentences) == (3, [])
    masks = predict(source, dataset.cases[1]).masks
    assert all(np.array_equal(masks[organ], block(organ, 1)) for organ in ORGANS)


@pytest.mark.parametrize(
    "form", ["{case}_{organ}", "{case}/{organ}", "{case}/segmentations/{organ}", "{organ}/{case}"]
)
def test_masks_of_one_label_each_are_found_by_name(dataset, tmp_path, form):
    for organ in ORGANS:
        write_mask(tmp_path / f"{form.format(case='b', organ=organ)}.nii.gz", block(organ, 2), GRID)
    source = FolderSource("x", tmp_path, dataset.labels, missing="skip")
    chosen, sentences = source.chosen(dataset.cases, tuple(ORGANS))
    assert [case.name for case in chosen] == ["b"]
    assert "2 cases without a file are left out: a, c." in sentences[0]
    masks = predict(source, dataset.cases[1]).masks
    assert all(np.array_equal(masks[organ], block(organ, 2)) for organ in ORGANS)


def test_missing_files_are_named_or_counted_and_extra_ones_reported(dataset, tmp_path):
    write_predictions(tmp_path, names=("a", "stranger"))
    (tmp_path / "._a.nii.gz").write_bytes(b"of macOS")
    (tmp_path / "a_probability.nii.gz").write_bytes(b"not a mask")
    with pytest.raises(DatasetError, match=r"2 of 3 cases have no prediction .*: b, c\. .*--missing empty"):
        FolderSource("x", tmp_path, dataset.labels).chosen(dataset.cases, ("pancreas",))
    source = FolderSource("x", tmp_path, dataset.labels, missing="empty")
    chosen, sentences = source.chosen(dataset.cases, ("pancreas",))
    assert len(chosen) == 3
    assert any("1 files belong to no case and are not read: stranger.nii.gz" in text for text in sentences)
    absent = predict(source, dataset.cases[1])
    assert not absent.masks["pancreas"].any()
    assert absent.error


def test_files_of_cases_that_are_not_wanted_now_are_not_left_over(dataset, tmp_path):
    write_predictions(tmp_path)
    source = FolderSource("x", tmp_path, dataset.labels)
    assert source.chosen(dataset.cases[:1], ("pancreas",), dataset.cases) == ([dataset.cases[0]], [])
    assert source.chosen(dataset.cases[:1], ("pancreas",))[1]


def test_nothing_at_all_is_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="no folder"):
        PredictionFiles(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no image"):
        PredictionFiles(tmp_path)
    write_predictions(tmp_path, names=("other",))
    with pytest.raises(DatasetError, match=r"None of the 3 cases .* would be called a\.nii\.gz"):
        FolderSource("x", tmp_path, dataset.labels, missing="skip").chosen(dataset.cases, ("pancreas",))


def test_two_files_for_one_case_are_refused(dataset, tmp_path):
    write_predictions(tmp_path)
    write_predictions(tmp_path, form="{}_seg.nii.gz")
    with pytest.raises(DatasetError, match=r"Several files .* prediction of a: a\.nii\.gz, a_seg\.nii\.gz"):
        FolderSource("x", tmp_path, dataset.labels).chosen(dataset.cases, ("pancreas",))


def test_a_mask_of_one_organ_needs_no_value(dataset, tmp_path):
    for name in "abc":
        write_mask(tmp_path / f"{name}.nii.gz", block("pancreas").astype(np.uint8), GRID)
    source = FolderSource("x", tmp_path, dataset.labels)
    for case in dataset.cases:
        assert np.array_equal(predict(source, case, {"pancreas": 2}).masks["pancreas"], block("pancreas"))


def test_a_map_without_the_organ_is_no_mask_of_it(dataset, tmp_path):
    write_predictions(tmp_path, names=("a",))
    liver_alone = labels(values={"liver": 1})
    write_mask(tmp_path / "b.nii.gz", liver_alone, GRID)
    source = FolderSource("x", tmp_path, dataset.labels)
    predict(source, dataset.cases[0], {"pancreas": 2})
    with pytest.raises(DatasetError, match=r"some several, such as b\.nii\.gz\. .* --value pancreas=2"):
        predict(source, dataset.cases[1], {"pancreas": 2})
    said = FolderSource("x", tmp_path, dataset.labels, values={"pancreas": 2})
    assert not predict(said, dataset.cases[1], {"pancreas": 2}).masks["pancreas"].any()


def test_other_values_are_refused_unless_they_are_explained(dataset, tmp_path):
    write_predictions(tmp_path, values={"liver": 6, "pancreas": 11})
    with pytest.raises(DatasetError, match=r"holds the values 6, 11, which are not those of the dataset.*--value"):
        predict(FolderSource("x", tmp_path, dataset.labels), dataset.cases[0], {"pancreas": 2})
    told = FolderSource("x", tmp_path, dataset.labels, values={"Pancreas": 11})
    assert told.labels(dataset.labels) == ("pancreas",)
    assert np.array_equal(predict(told, dataset.cases[0], {"pancreas": 2}).masks["pancreas"], block("pancreas"))
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 6, "pancreas": 11}}))
    by_file = FolderSource("x", tmp_path, dataset.labels)
    assert by_file.labels(dataset.labels) == ("liver", "pancreas")
    assert np.array_equal(predict(by_file, dataset.cases[1]).masks["liver"], block("liver", 1))


def test_another_grid_is_resampled_or_refused(dataset, tmp_path):
    whole = Volume(labels(), GRID)
    finer = Geometry((52, 44, 34), (0.5, 0.5, 1.0), (-13.0, -11.0, 4.0))
    write_mask(tmp_path / "a.nii.gz", labels_on_grid(whole, finer), finer)
    flipped = Geometry((24, 20, 16), (1, 1, 2), (11.0, -10.0, 5.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))
    write_mask(tmp_path / "b.nii.gz", labels()[:, :, ::-1], flipped)
    far = Geometry((24, 20, 16), (1, 1, 2), (700.0, 0.0, 0.0))
    write_mask(tmp_path / "c.nii.gz", labels(), far)
    source = FolderSource("x", tmp_path, dataset.labels)
    for case in dataset.cases[:2]:
        found = predict(source, case)
        assert np.array_equal(found.masks["pancreas"], block("pancreas"))
        assert "another grid" in found.notes[0]
    with pytest.raises(DatasetError, match="no voxel in common"):
        predict(source, dataset.cases[2])
    with pytest.raises(DatasetError, match=r"does not lie on the grid .*--strict-grid"):
        predict(FolderSource("x", tmp_path, dataset.labels, strict_grid=True), dataset.cases[0])


def test_hostile_files_are_refused(dataset, tmp_path):
    write_predictions(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(b"no image at all")
    write_volume(tmp_path / "b.nii.gz", Volume(np.full(GRID.shape_zyx, 0.3, np.float32), GRID))
    source = FolderSource("x", tmp_path, dataset.labels)
    with pytest.raises(UnreadableFileError):
        predict(source, dataset.cases[0])
    with pytest.raises(NotACTError, match="not a mask"):
        predict(source, dataset.cases[1])
    (tmp_path / "dataset.json").write_text("[1, 2")
    with pytest.raises(DatasetError, match="does not say"):
        FolderSource("x", tmp_path, dataset.labels)
    for text in ("pancreas", "pancreas=", "=3", "pancreas=-1", "pancreas=x"):
        with pytest.raises(DatasetError, match="--value pancreas=1"):
            value_pairs([text])


def test_the_confidence_of_our_own_reports_is_taken(dataset, tmp_path):
    write_predictions(tmp_path)
    organs = {"pancreas": {"confidence_expected_dice": 0.81}, "liver": {"confidence_expected_dice": None}}
    (tmp_path / "a.json").write_text(json.dumps({"organs": organs}))
    (tmp_path / "b.json").write_text("{}")
    source = FolderSource("x", tmp_path, dataset.labels)
    assert predict(source, dataset.cases[0]).confidence == {"pancreas": 0.81}
    assert predict(source, dataset.cases[1]).confidence == {}


# Masks of one thing, and segments that have names


@pytest.mark.parametrize("value", [1, 255])
def test_masks_of_one_thing_are_not_scored_as_several(dataset, tmp_path, value):
    for number, name in enumerate(("a", "b", "c")):
        write_mask(tmp_path / f"{name}.nii.gz", (labels(shift=number) > 0).astype(np.uint8) * value, GRID)
    with pytest.raises(DatasetError, match="masks of one thing, and 2 labels are compared") as caught:
        predict(FolderSource("x", tmp_path, dataset.labels), dataset.cases[0])
    assert "--label" in caught.value.hint


def test_a_map_in_which_one_label_was_found_is_none_of_these(dataset, tmp_path):
    first = next(iter(ORGANS))
    write_mask(tmp_path / "a.nii.gz", block(first, 0).astype(np.uint8), GRID)
    for name in ("b", "c"):
        write_mask(tmp_path / f"{name}.nii.gz", labels(), GRID)
    masks = predict(FolderSource("x", tmp_path, dataset.labels), dataset.cases[0]).masks
    assert np.array_equal(masks[first], block(first, 0))


def test_segments_are_told_by_their_names(dataset, tmp_path):
    mask = block("pancreas", 0).astype(np.uint8)
    write_mask(tmp_path / "a.seg.nrrd", mask, GRID, labels={"liver": 1})
    source = FolderSource("x", tmp_path, dataset.labels, missing="skip")
    with pytest.raises(DatasetError, match="holds the segment liver"):
        predict(source, dataset.cases[0], {"pancreas": ORGANS["pancreas"]})
    write_mask(tmp_path / "a.seg.nrrd", mask * 5, GRID, labels={"liver": 1, "Pancreas": 5})
    source = FolderSource("x", tmp_path, dataset.labels, missing="skip")
    found = predict(source, dataset.cases[0], {"pancreas": ORGANS["pancreas"]})
    assert np.array_equal(found.masks["pancreas"], block("pancreas", 0))
