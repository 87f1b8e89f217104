"""The scans of a folder, for a batch."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pydicom
import pytest
from dicom_writer import body, write_series

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.io import find_scans
from PancreasSegLib.io.formats import extension_of


def _names(folder) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_scans(folder)]


def test_images_but_not_outputs(tmp_path):
    for name in (
        "b.nii.gz", "a.NII", "c.nrrd", "d.mhd", "d.raw", "e.nhdr", "f.mha", "sub/g.nii.gz", "pancreas_case.nii.gz",
        "._b.nii.gz", "sub/.h.nii", ".cache/i.nii.gz", "b_pancreas.nii.gz", "c_pancreas_probability.nii.gz",
        "a_pancreas.seg.nrrd", "b.seg.nrrd", "x.txt", "y.json",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert _names(tmp_path) == [
        "a.NII", "b.nii.gz", "c.nrrd", "d.mhd", "e.nhdr", "f.mha", "pancreas_case.nii.gz", "sub/g.nii.gz",
    ]  # fmt: skip


def test_dicom_folders_and_zips(tmp_path):
    write_series(tmp_path / "p1", body(2), name=lambda n: f"IM{n}")
    write_series(tmp_path / "p2" / "deep" / "series", body(2))
    study = pydicom.uid.generate_uid()
    write_series(tmp_path / "p3" / "scout", body(1), study=study)
    paths = write_series(tmp_path / "p3" / "portal", body(3), study=study)
    write_series(tmp_path / "group" / "p4", body(2))
    write_series(tmp_path / "group" / "p5", body(2))
    with zipfile.ZipFile(tmp_path / "p6.zip", "w") as archive:
        archive.write(paths[0], "a.dcm")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    assert _names(tmp_path) == ["group/p4", "group/p5", "p1", "p2/deep/series", "p3", "p6.zip"]
    assert find_scans(tmp_path / "p1") == [tmp_path / "p1"]
    assert find_scans(tmp_path / "p3") == [tmp_path / "p3"]


def test_two_patients_with_a_series_each_beside_each_other(tmp_path):
    """A study that shares its folder with another is given by its series' folders."""
    study = pydicom.uid.generate_uid()
    write_series(tmp_path / "a", body(1), study=study)
    write_series(tmp_path / "b", body(1))
    write_series(tmp_path / "c", body(1), study=study)
    assert _names(tmp_path) == ["a", "b", "c"]


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.nii").touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "real").mkdir()
    assert _names(tmp_path) == ["a/x.nii"]


def test_nothing_and_no_folder(tmp_path):
    assert find_scans(tmp_path) == []
    with pytest.raises(UnreadableFileError, match="does not exist"):
        find_scans(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(UnreadableFileError, match="not a folder"):
        find_scans(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.b.NII.GZ", ".nii.gz"), ("x.seg.nrrd", ".seg.nrrd"), ("x.nrrd", ".nrrd"), ("IM01", ""), ("a.gz", ".gz")],
)
def test_extensions(name, extension):
    assert extension_of(f"/some.folder/{name}") == extension


def test_importing_costs_nothing():
    code = (
        "import sys, PancreasSegLib.io as io\n"
        "names = set(dir(io)) | set(io.__all__)\n"
        "heavy = {'SimpleITK', 'pydicom', 'highdicom', 'torch', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "for name in io.__all__: assert callable(getattr(io, name)), name\n"
        "assert not {'SimpleITK', 'pydicom', 'highdicom', 'torch'} & set(sys.modules)\n"
        "try: io.nothing\n"
        "except AttributeError: pass\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
