"""The fast morphology against the general one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from PancreasSegLib.roi.body import filled_slices
from PancreasSegLib.roi.morphology import dilated, eroded, opened

CROSS = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)
SQUARE = np.ones((1, 3, 3), dtype=bool)
MASKS = arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)))


@pytest.mark.parametrize(("square", "kernel"), [(False, CROSS), (True, SQUARE)])
@given(mask=MASKS)
def test_equal_to_scipy(square, kernel, mask):
    eroded_by_scipy = ndimage.binary_erosion(mask, kernel, border_value=1)
    np.testing.assert_array_equal(eroded(mask, square=square), eroded_by_scipy)
    np.testing.assert_array_equal(dilated(mask, square=square), ndimage.binary_dilation(mask, kernel))
    expected = ndimage.binary_dilation(eroded_by_scipy, kernel)
    np.testing.assert_array_equal(opened(mask, square=square), expected)


@given(mask=MASKS)
def test_slices_are_filled_one_by_one(mask):
    expected = np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
    np.testing.assert_array_equal(filled_slices(mask), expected)


def test_a_lung_open_to_the_edge_of_the_field_is_inside():
    plane = np.zeros((1, 12, 10), dtype=bool)
    plane[0, 2:10, 6:9] = True
    plane[0, [2, 9], :7] = True  # a chest wall cut by the edge at x = 0
    assert not filled_slices(plane)[0, 5, 2]
    assert filled_slices(plane, cut=8)[0, 5, 2]
    assert not filled_slices(plane, cut=4)[0, 5, 2]
    assert not filled_slices(plane, cut=8)[0, 0, 2]
