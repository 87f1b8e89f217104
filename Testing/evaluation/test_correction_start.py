"""Masks and probabilities that are given as files."""

import json

import numpy as np
import pytest
from corrections import GRID, small_start

from PancreasSegLib.data import read_dataset
from PancreasSegLib.errors import DatasetError, NotACTError
from PancreasSegLib.evaluation.correction_start import read_start
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume

FLIPPED = Geometry(
    (16, 48, 40), (3.0, 1.5, 1.5), tuple(GRID.index_to_lps((47, 0, 0))), (0, -1, 0, 0, 0, 1, 1, 0, 0)
)
"""The voxels of GRID with slices first, and right to left."""


@pytest.fixture
def folder(tmp_path):
    """A dataset of one case with label 3 for the organ, and a folder for masks."""
    start = small_start()
    label = np.where(start.reference, 3, 0).astype(np.uint8)
    label[0, 0, 0] = 1
    write_volume(tmp_path / "data/imagesTr/a.nii.gz", start.ct)
    write_mask(tmp_path / "data/labelsTr/a.nii.gz", label, GRID)
    content = {
        "name": "small",
        "labels": {"background": 0, "liver": 1, "pancreas": 3},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
    }
    (tmp_path / "data/dataset.json").write_text(json.dumps(content))
    (tmp_path / "masks").mkdir()
    return tmp_path


def only_case(folder):
    return read_dataset(folder / "data").cases[0]


def test_mask_and_probability_are_found_in_any_format(folder):
    start = small_start()
    write_mask(folder / "masks/a.nrrd", start.mask.astype(np.uint8) * 7, GRID)
    crop = Box((4, 3, 2), (40, 37, 14))
    half = Volume(np.where(start.mask, 0.75, 0.25).astype(np.float16)[crop.slices_zyx], crop.geometry(GRID))
    write_volume(folder / "masks/a_probability.mha", half)
    read = read_start(only_case(folder), 3, folder / "masks")
    assert (read.mask == start.mask).all()
    assert (read.reference == start.reference).all()
    assert read.probability.geometry.matches(half.geometry)
    assert (read.probability.voxels == half.voxels).all()


def test_without_a_probability_the_mask_alone_is_taken(folder):
    write_mask(folder / "masks/a.nii.gz", small_start().mask.astype(np.uint8), GRID)
    assert read_start(only_case(folder), 3, folder / "masks").probability is None


def test_a_probability_may_have_its_axes_in_another_order(folder):
    """As the model's own, which lies in the patient's axes whatever the CT's are."""
    start = small_start()
    write_mask(folder / "masks/a.nii.gz", start.mask.astype(np.uint8), GRID)
    axes = AxisMap.to_canonical(FLIPPED)
    assert axes.target.matches(GRID)
    turned = Volume(axes.invert(start.probability.voxels), FLIPPED)
    write_volume(folder / "masks/a_probability.nii.gz", turned)
    assert read_start(only_case(folder), 3, folder / "masks").probability.geometry.matches(FLIPPED)


def test_an_oblique_probability_is_refused(folder):
    write_mask(folder / "masks/a.nii.gz", small_start().mask.astype(np.uint8), GRID)
    c, s = np.cos(0.3), np.sin(0.3)
    oblique = Geometry(GRID.size_ijk, GRID.spacing_mm, GRID.origin_lps, (c, -s, 0, s, c, 0, 0, 0, 1))
    write_volume(folder / "masks/a_probability.nii.gz", Volume(small_start().probability.voxels, oblique))
    with pytest.raises(DatasetError, match="not parallel"):
        read_start(only_case(folder), 3, folder / "masks")


def test_a_missing_mask_and_one_of_another_grid_are_named(folder):
    with pytest.raises(DatasetError, match=r"no mask of a in .*masks.*--cases"):
        read_start(only_case(folder), 3, folder / "masks")
    shifted = Geometry(GRID.size_ijk, GRID.spacing_mm, (0.0, 0.0, 0.0))
    write_mask(folder / "masks/a.nii.gz", small_start().mask.astype(np.uint8), shifted)
    with pytest.raises(DatasetError, match=r"a\.nii\.gz does not lie on the grid"):
        read_start(only_case(folder), 3, folder / "masks")


def test_a_probability_is_no_mask(folder):
    write_volume(folder / "masks/a.nii.gz", small_start().probability)
    with pytest.raises(NotACTError, match="not a mask"):
        read_start(only_case(folder), 3, folder / "masks")
