"""Windows: they cover the image, fit, and blend to what one pass would give."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from PancreasSegLib.inference import windows as windows_module
from PancreasSegLib.inference.windows import blend_windows, plan_windows

SHAPES = st.tuples(*[st.integers(1, 12).map(lambda n: 8 * n)] * 3)
PATCHES = st.tuples(*[st.integers(2, 6).map(lambda n: 8 * n)] * 3)


@given(SHAPES, PATCHES, st.floats(0, 0.75), st.integers(0, 200_000))
def test_windows_cover_the_image_with_the_overlap(shape, patch, overlap, most):
    tiling = plan_windows(shape, patch, (8, 8, 8), overlap=overlap, most_voxels=most or math.inf)
    seen = np.zeros(shape, bool)
    for window in tiling:
        assert seen[window].shape == tiling.window_zyx  # none reaches outside
        seen[window] = True
    assert seen.all()
    assert all(w % 8 == 0 for w in tiling.window_zyx)
    for starts, window in zip(tiling.starts_zyx, tiling.window_zyx, strict=True):
        for a, b in itertools.pairwise(starts):
            assert a + window - b >= math.floor(overlap * window)


@given(SHAPES, PATCHES)
def test_a_smaller_budget_is_obeyed_down_to_two_multiples(shape, patch):
    tiling = plan_windows(shape, patch, (8, 8, 8), most_voxels=5000)
    smallest = math.prod(min(n, 16) for n in shape)
    assert tiling.window_voxels <= max(5000, smallest)


@given(SHAPES, st.integers(0, 10))
def test_a_pointwise_function_is_reproduced(shape, seed):
    image = np.random.default_rng(seed).random((1, *shape), dtype=np.float32)
    tiling = plan_windows(shape, (16, 16, 16), (8, 8, 8), whole_axis=1.0)
    windows = list(tiling)
    parts = (np.concatenate([image[0][w][None], 2 * image[0][w][None]]) for w in windows)
    result = blend_windows(tiling, windows, parts, 2)
    np.testing.assert_allclose(result, np.concatenate([image, 2 * image]), atol=1e-5)


def test_very_large_results_are_kept_in_half_precision(monkeypatch):
    monkeypatch.setattr(windows_module, "_HALF_ABOVE", 100)
    image = np.random.default_rng(0).random((1, 32, 32, 32), dtype=np.float32)
    tiling = plan_windows((32, 32, 32), (16, 16, 16), (8, 8, 8), whole_axis=1.0)
    windows = list(tiling)
    result = blend_windows(tiling, windows, (image[0][w][None].copy() for w in windows), 1)
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, image, atol=5e-3)


def test_where_no_window_was_run_the_result_is_zero():
    image = np.ones((1, 16, 16, 64), dtype=np.float32)
    tiling = plan_windows((16, 16, 64), (16, 16, 16), (8, 8, 8), overlap=0.0)
    windows = list(tiling)[:1]
    result = blend_windows(tiling, windows, [image[0][windows[0]][None].copy()], 1)
    assert tiling.count == 4
    assert (result[..., :16] == 1).all() and (result[..., 16:] == 0).all()
