"""``pancreasseg data``: corrected cases from files."""

from __future__ import annotations

import numpy as np
import pytest
from bright_model import make_abdomen

from PancreasSegLib.cli.app import run
from PancreasSegLib.data import count_cases, read_dataset, read_provenance
from PancreasSegLib.io import read_labels, read_volume, write_mask, write_volume


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    ct, mask = make_abdomen()
    write_volume(folder / "Doe_John.nii.gz", ct)
    write_mask(folder / "mask.nrrd", mask.astype(np.uint8), ct.geometry)
    write_mask(folder / "several.nii.gz", mask + (np.roll(mask, 5, axis=2) & ~mask) * np.uint8(3), ct.geometry)
    marks = np.zeros(mask.shape, np.uint8)
    marks[20, 35, 40:50] = 1
    write_mask(folder / "marks.nii.gz", marks, ct.geometry)
    write_mask(folder / "elsewhere.nii.gz", np.ones((9, 9, 9), np.uint8), small())
    return folder


def small():
    from PancreasSegLib.volume import Geometry

    return Geometry((9, 9, 9), (1.0, 1.0, 1.0))


def add(folder, files, mask="mask.nrrd", *options):
    return run(["data", "add", str(folder), str(files / "Doe_John.nii.gz"), str(files / mask), *options])


def test_a_case_is_added_and_listed(files, tmp_path, capsys):
    marks = ("--marks", str(files / "marks.nii.gz"))
    assert add(tmp_path, files, "mask.nrrd", "--reader", "A. B.", "--model", "default:2", *marks) == 0
    assert "Added case_" in capsys.readouterr().out
    case = read_dataset(tmp_path).cases[0]
    assert case.record.reader == "A. B."
    assert case.record.model == {"name": "default", "version": "2"}
    assert case.record.marks == {"include": 10, "exclude": 0}
    assert np.array_equal(read_volume(case.image).voxels, read_volume(files / "Doe_John.nii.gz").voxels)
    assert np.array_equal(read_labels(case.label).voxels, read_labels(files / "mask.nrrd").voxels)
    assert "Doe" not in (tmp_path / "provenance.json").read_text() + (tmp_path / "dataset.json").read_text()
    assert run(["data", "list", str(tmp_path)]) == 0
    out = capsys.readouterr()
    assert case.name in out.out
    assert "1 case to learn from" in out.err


def test_a_second_time_it_is_refused_or_replaced(files, tmp_path, capsys):
    assert add(tmp_path, files) == 0
    assert add(tmp_path, files) == 2
    assert "--replace" in capsys.readouterr().err
    assert add(tmp_path, files, "mask.nrrd", "--replace", "--rejected") == 0
    assert "Replaced" in capsys.readouterr().out
    assert count_cases(tmp_path) == (0, 1)


def test_one_of_several_labels_is_chosen(files, tmp_path, capsys):
    assert add(tmp_path, files, "several.nii.gz") == 2
    assert "--value" in capsys.readouterr().err
    assert not read_provenance(tmp_path)
    assert add(tmp_path, files, "several.nii.gz", "--value", "1") == 0
    found = read_labels(read_dataset(tmp_path).cases[0].label).voxels
    assert np.array_equal(found, read_labels(files / "mask.nrrd").voxels)


def test_a_mask_of_another_grid_and_a_folder_of_other_things_are_refused(files, tmp_path, capsys):
    assert add(tmp_path / "cases", files, "elsewhere.nii.gz") == 2
    assert "grid of the CT" in capsys.readouterr().err
    (tmp_path / "letter.txt").write_text("")
    assert add(tmp_path, files) == 2
    assert "not empty" in capsys.readouterr().err


def test_an_empty_folder_has_no_cases(tmp_path, capsys):
    assert run(["data", "list", str(tmp_path)]) == 0
    assert "0 cases to learn from" in capsys.readouterr().err
