"""The organ laid straight, and the page about one patient."""

from __future__ import annotations

import numpy as np
import pytest
from test_measure_organ import arch, grid, positions

from PancreasSegLib.cli.app import run
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.measure import MEASURES, measure_organ
from PancreasSegLib.measure.straightening import StraightFrame
from PancreasSegLib.volume import Volume


@pytest.fixture(scope="module")
def tube():
    geometry = grid()
    mask = arch(geometry)
    return Volume(np.where(mask, 50.0, -100.0), geometry), mask


def test_a_bent_tube_becomes_a_straight_one(tube):
    ct, mask = tube
    line = measure_organ(mask, ct).centreline
    frame = StraightFrame.along(line)
    middle = slice(20, -20)
    for toward in ("up", "front"):
        plane = frame.plane_along(Volume(mask.astype(np.uint8), ct.geometry), toward, order=0)
        assert plane.shape == (61, len(line.points_lps))
        assert np.abs(plane.sum(axis=0)[middle] - 18).max() <= 2  # the tube is 18 mm wide everywhere
    across = frame.plane_across(Volume(mask.astype(np.uint8), ct.geometry), 80, order=0)
    assert across.sum() == pytest.approx(np.pi * 81, rel=0.1)


def test_up_is_superior_and_front_is_anterior_in_the_middle(tube):
    ct, mask = tube
    frame = StraightFrame.along(measure_organ(mask, ct).centreline)
    middle = len(frame.up) // 2
    assert frame.up[middle] @ [0, 0, 1] > 0.95
    assert frame.front[middle] @ [0, -1, 0] > 0.95
    assert np.allclose((frame.up * frame.front).sum(axis=1), 0, atol=1e-6)


def test_the_page_is_one_file_with_every_measure(tube, tmp_path, capsys):
    ct, mask = tube
    at = positions(ct.geometry)
    hu = np.where(mask, 50.0, np.where(at[..., 1] ** 2 < 380, 20.0, -1000.0)).astype(np.int16)
    write_volume(tmp_path / "ct.nii.gz", Volume(hu, ct.geometry))
    write_mask(tmp_path / "mask.nii.gz", mask.astype(np.uint8), ct.geometry, labels={"pancreas": 1})
    page = tmp_path / "page.html"
    arguments = [str(tmp_path / "ct.nii.gz"), "--mask", str(tmp_path / "mask.nii.gz"), "-o", str(page)]
    assert run(["report", *arguments, "--title", "Case <7>"]) == 0
    html = page.read_text("utf-8")
    assert "Case &lt;7&gt;" in html and "<7>" not in html
    for name in ("head_ml", "convexity", "tail_thickness_mm"):
        assert f">{MEASURES[name].heading}<" in html
    assert html.count("data:image/jpeg") == 3 and "<svg" in html
    assert 'src="http' not in html and 'href="http' not in html
