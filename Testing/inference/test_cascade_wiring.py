"""What the cascade does between its parts: each test falls when the thing that it is named after is taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_model import HU, calls, make_abdomen, make_segmenter, make_stage
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.inference import CascadeSettings
from PancreasSegLib.inference.tracker import Tracker
from PancreasSegLib.inference.windows import blend_windows, plan_windows
from PancreasSegLib.volume import Box, Geometry, Volume

GRID = Geometry((128, 102, 64), (2.5, 2.5, 3.0))
MIDDLE = (66, 53, 31)  # voxel (i, j, k) in the middle of the pancreas


@pytest.fixture(scope="module")
def abdomen():
    return make_abdomen(GRID)


def painted(ct: Volume, hu: float, box: Box) -> Volume:
    voxels = ct.voxels.copy()
    voxels[box.slices_zyx] = hu
    return Volume(voxels, ct.geometry)


def around(middle: tuple[int, int, int], half: int) -> Box:
    return Box(tuple(n - half for n in middle), tuple(n + half + 1 for n in middle))


def test_a_stray_piece_in_the_crop_is_not_in_the_mask(abdomen):
    ct, truth = abdomen
    i, j, k = MIDDLE
    stray = Box((i, j + 13, k), (i + 3, j + 15, k + 2))  # behind, a fifth of a millilitre
    assert not truth[around((i, j + 13, k), 3).slices_zyx].any()
    result = make_segmenter().segment(painted(ct, HU["pancreas"], stray))
    assert result.mask.any() and not result.mask[stray.slices_zyx].any()
    crop = result.probability["pancreas"]  # in which it was seen
    index = np.round(crop.geometry.lps_to_index(ct.geometry.index_to_lps((i + 1, j + 13.5, k + 0.5)))).astype(int)
    assert crop.voxels[tuple(index[::-1])] > 0.5


def test_a_hole_in_the_organ_is_filled(abdomen):
    ct, truth = abdomen
    hole = around(MIDDLE, 1)
    assert truth[around(MIDDLE, 2).slices_zyx].all()
    result = make_segmenter().segment(painted(ct, 0.0, hole))
    assert result.mask[hole.slices_zyx].all()


def margins_mm(result, truth: np.ndarray) -> np.ndarray:
    """How far the crop reaches beyond the organ, by axis and side, in mm."""
    crop, box = result.probability["pancreas"].geometry, Box.of_mask(truth)
    first = np.sort(
        [GRID.lps_to_index(crop.index_to_lps(i)) for i in ((0, 0, 0), np.array(crop.size_ijk) - 1)], axis=0
    )
    spare = np.array([np.array(box.lower_ijk) - first[0], first[1] - (np.array(box.upper_ijk) - 1)])
    return spare * GRID.spacing_mm


@pytest.mark.parametrize(("doubtful_ml", "least_mm"), [(0.0, 16.0), (1e6, 28.0)], ids=["sure", "in doubt"])
def test_the_crop_leaves_room_around_the_organ_and_more_in_doubt(abdomen, doubtful_ml, least_mm):
    ct, truth = abdomen
    settings = replace(CascadeSettings(), doubtful_ml=doubtful_ml, extra_scales=())
    stages = make_stage("localiser"), make_stage("segmenter", patch_ijk=(16, 16, 8), multiple_ijk=(2, 2, 2))
    result = make_segmenter(stages, settings=settings).segment(ct)
    assert least_mm < margins_mm(result, truth).min() < least_mm + 12


def test_windows_blend_from_one_to_the_next():
    tiling = plan_windows((16, 16, 64), (16, 16, 40), (8, 8, 8), overlap=0.3, whole_axis=1.0)
    windows = list(tiling)
    assert len(windows) == 2
    parts = [np.full((1, *tiling.window_zyx), value, np.float32) for value in (0.0, 1.0)]
    line = blend_windows(tiling, windows, parts, 1)[0, 8, 8]
    both = line[windows[1][2].start : windows[0][2].stop]
    assert both[0] < 0.1 and both[-1] > 0.9  # each where it is nearer to its own middle
    assert (np.diff(both) > 0).all()


def test_the_localiser_looks_beyond_the_proposal(abdomen):
    seen = []
    for margin in (0.0, 60.0):
        segmenter = make_segmenter(settings=replace(CascadeSettings(), proposal_margin_mm=margin))
        segmenter.segment(abdomen[0])
        seen.append(sum(np.prod(shape) for shape in calls(segmenter, "localiser")))
    assert seen[1] > 1.2 * seen[0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 20), st.floats(0, 20)), min_size=2, max_size=8))
def test_progress_never_falls_however_the_work_turns_out(passes):
    events = []
    tracker = Tracker({"a": 1.0, "b": 2.0, "c": 1.0}, events.append)
    for name, expected, later in passes:
        with tracker.stage(name, "", expected, later):
            tracker._last = -1.0  # nothing is left out for its being too soon
            tracker.done(0.5)
    tracker.finish()
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] == 1
