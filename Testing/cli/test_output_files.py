"""The files of one run: checked before, all or none after, sensible names."""

from __future__ import annotations

from pathlib import Path

import pytest

from PancreasSegLib.cli.output_files import OutputFiles, beside, scan_name
from PancreasSegLib.errors import OutputError


def full(folder: Path) -> OutputFiles:
    return OutputFiles(folder / "m.nii.gz", folder / "r.json", folder / "p.png", folder / "prob.nii.gz")


def fill(files: OutputFiles, text: str) -> None:
    for path in files.paths.values():
        path.write_text(text)


def test_all_files_appear_together(tmp_path):
    files = full(tmp_path / "new" / "folder")
    with files.staged() as staged:
        fill(staged, "x")
        assert not any(path.exists() for path in files.paths.values())
        assert [path.suffix for path in staged.paths.values()] == [".gz", ".json", ".png", ".gz"]
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {
        "m.nii.gz",
        "r.json",
        "p.png",
        "prob.nii.gz",
    }


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path, error):
    files = full(tmp_path)
    files.mask.write_text("old")
    with pytest.raises((error, OutputError)), files.staged() as staged:
        fill(staged, "new")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["m.nii.gz"]
    assert files.mask.read_text() == "old"


def test_a_file_that_was_not_written_is_a_failure_of_all(tmp_path):
    files = OutputFiles(tmp_path / "m.nii.gz", report=tmp_path / "r.json")
    with pytest.raises(OutputError), files.staged() as staged:
        staged.mask.write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"mask": "m.txt"}, "m.txt"),
        ({"mask": "m"}, "known extension"),
        ({"report": "r.yaml"}, "r.yaml"),
        ({"picture": "p.docx"}, "p.docx"),
        ({"probability": "p.seg.nrrd"}, "p.seg.nrrd"),
        ({"probability": "m.nii.gz"}, "the same file"),
        ({"mask": "ct.nii.gz"}, "is the input itself"),
        ({"picture": "file/p.png"}, "a part of its folder is a file"),
    ],
)
def test_what_could_not_be_written_is_refused_before_the_run(tmp_path, changes, part):
    source = tmp_path / "ct.nii.gz"
    source.write_text("x")
    (tmp_path / "file").write_text("x")
    names = {"mask": tmp_path / "m.nii.gz"} | {option: tmp_path / name for option, name in changes.items()}
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=part):
        OutputFiles(**names).check(source)
    assert sorted(tmp_path.rglob("*")) == before


def test_check_makes_nothing(tmp_path):
    full(tmp_path / "new").check(tmp_path / "ct.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_names(tmp_path, monkeypatch):
    folder = tmp_path / "CT.portal"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert scan_name(Path()) == "CT.portal"
    assert scan_name(Path("Пациент 1.seg.nrrd")) == "Пациент 1"
    assert scan_name(Path("1.2.840.dcm")) == "1.2.840"
    assert scan_name(Path(".nii.gz")) == ".nii.gz"
    assert beside(Path("a/b.seg.nrrd"), ".json") == Path("a/b.json")
