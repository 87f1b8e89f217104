"""The network's input: clipped, resampled, normalised, air where there is no patient."""

from __future__ import annotations

import numpy as np
import pytest
from fake_model import make_abdomen, make_stage

from PancreasSegLib.inference.preparation import BodyOutline, network_input
from PancreasSegLib.inference.stage_grid import stage_grid
from PancreasSegLib.volume import Box, Geometry, Volume, resample

STAGE = make_stage("segmenter", spacing_mm=(2.0, 2.0, 4.0))
AIR = (-125.0 - 60.0) / 85.0


def test_input_is_the_whole_clipped_ct_resampled_and_normalised():
    rng = np.random.default_rng(0)
    ct = Volume(rng.integers(-1024, 1500, (40, 50, 60)).astype(np.int16), Geometry((60, 50, 40), (1.1, 1.3, 2.5)))
    grid = stage_grid(Box((20, 15, 12), (40, 35, 28)), ct.geometry, STAGE, whole_patch=False)
    expected = resample(np.clip(ct.voxels, -125, 275), ct.geometry, grid)
    found = network_input(ct, grid, STAGE)
    assert found.shape == (1, *grid.shape_zyx) and found.dtype == np.float32
    np.testing.assert_allclose(found[0] * 85 + 60, expected, atol=0.02)


def test_outside_the_scan_is_air():
    ct = Volume(np.full((20, 20, 20), 100, np.int16), Geometry((20, 20, 20), (2.0, 2.0, 4.0)))
    grid = Geometry((24, 24, 24), (2.0, 2.0, 4.0), (-4.0, -4.0, -8.0))
    found = network_input(ct, grid, STAGE)[0]
    inside = np.zeros(found.shape, bool)
    inside[2:22, 2:22, 2:22] = True
    np.testing.assert_allclose(found[inside], 40 / 85, atol=1e-5)
    np.testing.assert_allclose(found[~inside], AIR, atol=1e-5)


def test_a_table_is_air_and_the_body_is_not():
    ct, _ = make_abdomen(Geometry((100, 100, 40), (3.2, 3.2, 4.0)))
    ct.voxels[:, 92:94, 10:90] = 120  # a board below the patient
    body = BodyOutline.of(ct)
    grid = stage_grid(Box.whole(ct.geometry), ct.geometry, STAGE)
    free = network_input(ct, grid, STAGE)[0]
    cut = network_input(ct, grid, STAGE, body.on(grid))[0]
    y = np.arange(grid.size_ijk[1]) * 2.0
    board = (y > 92 * 3.2) & (y < 94 * 3.2)
    assert free[:, board].max() > 0.5
    np.testing.assert_allclose(cut[:, board], AIR, atol=1e-5)
    tissue = free > (-60 - 60) / 85
    tissue[:, y > 90 * 3.2] = False
    np.testing.assert_array_equal(cut[tissue], free[tissue])


def test_an_empty_scan_has_no_body():
    assert (
        BodyOutline.of(Volume(np.full((20, 20, 20), -1000, np.int16), Geometry((20, 20, 20), (3, 3, 3)))) is None
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_broken_voxels_are_air(bad):
    voxels = np.full((20, 20, 20), 50.0, np.float32)
    voxels[10, 10, 10] = bad
    ct = Volume(voxels, Geometry((20, 20, 20), (2.0, 2.0, 4.0)))
    found = network_input(ct, ct.geometry, STAGE)[0]
    assert np.isfinite(found).all()
    assert found[10, 10, 10] == pytest.approx(AIR, abs=1e-5)
