"""``pancreasseg roi``: pure JSON, a readable table, masks on the CT's own grid."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from trunk import Trunk

from PancreasSegLib.cli.app import run
from PancreasSegLib.cli.terminal import verbosity
from PancreasSegLib.roi import TISSUE_LABELS


@pytest.fixture(autouse=True)
def speak(monkeypatch):
    monkeypatch.setattr(verbosity, "quiet", False)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A trunk on a left-handed grid with another axis order."""
    volume = Trunk(spacing=(4.0, 4.0, 6.0)).volume()
    image = sitk.GetImageFromArray(volume.voxels)
    image.SetSpacing(volume.geometry.spacing_mm)
    image.SetOrigin(volume.geometry.origin_lps)
    image = sitk.Flip(sitk.PermuteAxes(image, [1, 2, 0]), [True, False, False])
    path = tmp_path_factory.mktemp("scan") / "trunk.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


def test_json_alone_on_stdout_with_a_half_open_box_in_the_files_axes(scan, capsys):
    assert run(["roi", str(scan), "--json"]) == 0
    printed = capsys.readouterr()
    value = json.loads(printed.out)
    size = sitk.ReadImage(str(scan)).GetSize()
    assert all(0 <= low < up <= n for (low, up), n in zip(value["box_ijk"], size, strict=True))
    assert value["volume_fraction"] == pytest.approx(
        np.prod([up - low for low, up in value["box_ijk"]]) / np.prod(size)
    )
    assert value["landmarks"]["abdomen_in_view"] is True


def test_the_box_as_a_mask_on_the_cts_own_grid(scan, tmp_path, capsys):
    assert run(["roi", str(scan), "--json", "--output", str(tmp_path / "box.nii.gz")]) == 0
    value = json.loads(capsys.readouterr().out)
    ct, box = sitk.ReadImage(str(scan)), sitk.ReadImage(str(tmp_path / "box.nii.gz"))
    assert box.GetSize() == ct.GetSize()
    np.testing.assert_allclose(box.GetDirection(), ct.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(box.GetOrigin(), ct.GetOrigin(), atol=1e-4)
    (i0, i1), (j0, j1), (k0, k1) = value["box_ijk"]
    expected = np.zeros(ct.GetSize()[::-1], np.uint8)
    expected[k0:k1, j0:j1, i0:i1] = 1
    np.testing.assert_array_equal(sitk.GetArrayFromImage(box), expected)


def test_the_tissues_as_a_mask(scan, tmp_path):
    assert run(["roi", str(scan), "-o", str(tmp_path / "tissue.nrrd"), "--map", "tissue"]) == 0
    tissues = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "tissue.nrrd")))
    assert tissues.shape == sitk.GetArrayFromImage(sitk.ReadImage(str(scan))).shape
    assert set(np.unique(tissues)) >= {TISSUE_LABELS[n] for n in ("lung", "fat", "soft_tissue", "spine", "bone")}


def test_a_table_for_people_with_the_reasons_and_the_option_for_segment(scan, capsys):
    assert run(["roi", str(scan), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert run(["roi", str(scan)]) == 0
    printed = capsys.readouterr().out
    assert "--roi " + ",".join(f"{low}:{up}" for low, up in value["box_ijk"]) in printed
    assert all(reason in printed for reason in value["reasons"])


def test_no_body_is_status_3_and_nothing_written(tmp_path, capsys):
    air = tmp_path / "air.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((40, 64, 64), -1000, np.int16)), str(air))
    status = run(["roi", str(air), "--json", "-o", str(tmp_path / "box.nii.gz")])
    printed = capsys.readouterr()
    assert status in (2, 3)  # the reader may refuse it first
    assert printed.out == "" and printed.err.count("\n") == 1
    assert not (tmp_path / "box.nii.gz").exists()


def test_an_unknown_extension_is_refused_before_the_work(scan, tmp_path, capsys):
    assert run(["roi", str(scan), "-o", str(tmp_path / "box.txt")]) == 2
    assert ".txt" in capsys.readouterr().err
