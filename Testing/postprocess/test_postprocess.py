"""Pieces, holes, confidence and figures of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.postprocess import expected_dice, filled_holes, label_statistics, plausible_pieces
from PancreasSegLib.volume import Geometry, Volume

GRID = Geometry((80, 40, 30), (1.0, 1.0, 2.0))


def blocks(*places: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros(GRID.shape_zyx, bool)
    for place in places:
        mask[place] = True
    return mask


MAIN = (slice(5, 20), slice(10, 30), slice(5, 25))  # 12 mL
TAIL = (slice(8, 14), slice(12, 22), slice(32, 42))  # 1.2 mL, 8 mm away
FAR = (slice(8, 14), slice(12, 22), slice(65, 75))  # 1.2 mL, 40 mm away
HALF = (slice(5, 15), slice(10, 30), slice(60, 75))  # 6 mL, 35 mm away
SPECK = (slice(5, 7), slice(10, 14), slice(28, 32))  # 0.06 mL, near


def test_a_small_piece_near_the_main_one_stays_if_it_is_sure():
    mask = blocks(MAIN, TAIL)
    probability = np.where(mask, 0.95, 0.0)
    np.testing.assert_array_equal(plausible_pieces(mask, GRID, probability), mask)
    probability[TAIL] = 0.55
    np.testing.assert_array_equal(plausible_pieces(mask, GRID, probability), blocks(MAIN))


def test_a_small_piece_far_away_goes_and_a_large_one_stays():
    np.testing.assert_array_equal(plausible_pieces(blocks(MAIN, FAR), GRID), blocks(MAIN))
    np.testing.assert_array_equal(plausible_pieces(blocks(MAIN, HALF), GRID), blocks(MAIN, HALF))


def test_a_large_piece_at_the_other_end_of_the_body_goes():
    geometry = Geometry((80, 40, 30), (2.5, 1.0, 2.0))  # HALF is now 88 mm away
    np.testing.assert_array_equal(plausible_pieces(blocks(MAIN, HALF), geometry), blocks(MAIN))


def test_the_main_piece_is_the_heaviest_not_the_largest():
    small, far = blocks(HALF), blocks((slice(5, 20), slice(10, 30), slice(0, 10)))
    probability = np.where(small, 0.99, np.where(far, 0.55, 0.0))
    assert small.sum() == far.sum()
    kept = plausible_pieces(small | far, GRID, probability, large_near_mm=20.0)
    np.testing.assert_array_equal(kept, small)


def test_a_piece_is_reached_over_another():
    chain = blocks(
        MAIN, (slice(8, 14), slice(12, 22), slice(40, 48)), (slice(8, 14), slice(12, 22), slice(66, 74))
    )
    np.testing.assert_array_equal(plausible_pieces(chain, GRID), chain)


def test_specks_go_but_a_lone_one_stays():
    np.testing.assert_array_equal(plausible_pieces(blocks(MAIN, SPECK), GRID), blocks(MAIN))
    np.testing.assert_array_equal(plausible_pieces(blocks(SPECK), GRID), blocks(SPECK))
    assert not plausible_pieces(blocks(), GRID).any()


@given(st.integers(0, 1000), st.floats(0.05, 0.4))
def test_pieces_are_kept_or_dropped_whole_and_the_largest_is_kept(seed, density):
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random((12, 16, 20)), 1.2) > 0.5 + 0.2 * (0.4 - density)
    geometry = Geometry((20, 16, 12), (3.0, 3.0, 5.0))
    kept = plausible_pieces(mask, geometry)
    assert not (kept & ~mask).any()
    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    for n in range(1, count + 1):
        part = kept[pieces == n]
        assert part.all() or not part.any()
    if count:
        assert kept.sum() >= sizes.max()  # of equal certainty, the heaviest is the largest


def test_small_holes_are_filled_and_cysts_stay():
    mask = blocks(MAIN)
    mask[10:12, 15:18, 10:13] = False  # 0.036 mL
    np.testing.assert_array_equal(filled_holes(mask, GRID), blocks(MAIN))
    mask[8:18, 13:27, 8:22] = False  # 3.9 mL
    np.testing.assert_array_equal(filled_holes(mask, GRID), mask)
    assert not filled_holes(blocks(), GRID).any()


def test_an_open_bay_is_no_hole():
    mask = blocks(MAIN)
    mask[10, 15, 5:12] = False
    np.testing.assert_array_equal(filled_holes(mask, GRID), mask)


@given(st.integers(0, 10_000))
def test_expected_dice_is_the_mean_dice_over_truths_drawn_from_the_probability(seed):
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.4, 0.6, (10, 20, 20))
    mask = probability >= 0.5
    truths = rng.random((20, *probability.shape)) < probability
    values = [2 * (mask & t).sum() / (mask.sum() + t.sum()) for t in truths]
    assert expected_dice(mask, probability) == pytest.approx(np.mean(values), abs=0.01)


def test_expected_dice_at_its_ends():
    mask = blocks(MAIN)
    assert expected_dice(mask, mask.astype(np.float16)) == 1.0
    assert expected_dice(blocks(), np.full(GRID.shape_zyx, 0.2)) == 0.0
    assert expected_dice(mask, np.zeros(GRID.shape_zyx)) == 0.0


def test_statistics_of_a_block():
    rng = np.random.default_rng(1)
    ct = Volume(rng.integers(0, 100, GRID.shape_zyx).astype(np.int16), GRID)
    mask = blocks(MAIN)
    found = label_statistics(mask, ct)
    assert found["volume_ml"] == pytest.approx(12.0)
    assert found["mean_hu"] == pytest.approx(ct.voxels[mask].mean())
    assert found["sd_hu"] == pytest.approx(ct.voxels[mask].std())
    np.testing.assert_allclose(found["extent_mm"], (20, 20, 30))
    np.testing.assert_allclose(found["centre_lps"], (14.5, 19.5, 24))


def test_extent_and_centre_are_the_patients_whatever_the_axes():
    matrix = np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]])  # i to Anterior, j to Superior, k to Left
    geometry = Geometry((20, 30, 40), (1.0, 2.0, 3.0), (5.0, 6.0, 7.0), tuple(matrix.ravel()))
    mask = np.zeros(geometry.shape_zyx, bool)
    mask[10:14, 5:8, 2:12] = True
    found = label_statistics(mask, Volume(np.zeros(geometry.shape_zyx, np.int16), geometry))
    np.testing.assert_allclose(found["extent_mm"], (4 * 3, 10 * 1, 3 * 2))
    np.testing.assert_allclose(found["centre_lps"], geometry.index_to_lps((6.5, 6.0, 11.5)))


def test_an_empty_label_has_no_figures():
    found = label_statistics(blocks(), Volume(np.zeros(GRID.shape_zyx, np.int16), GRID))
    assert found == {"volume_ml": 0.0, "mean_hu": None, "sd_hu": None, "extent_mm": None, "centre_lps": None}


def test_nan_voxels_do_not_spoil_the_mean():
    ct = Volume(np.full(GRID.shape_zyx, 40.0, np.float32), GRID)
    ct.voxels[6, 12, 8] = np.nan
    assert label_statistics(blocks(MAIN), ct)["mean_hu"] == 40.0
