"""The voxel grid: positions there and back, JSON, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_grids import grids, voxel_positions

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Geometry


@given(grids(), st.tuples(*[st.floats(-20, 20)] * 3))
def test_index_and_position_are_inverse(geometry, index):
    assert np.allclose(geometry.lps_to_index(geometry.index_to_lps(index)), index, atol=1e-6)


@given(grids())
def test_positions_agree_with_itk(geometry):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.Image(geometry.size_ijk, sitk.sitkUInt8)
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_lps)
    image.SetDirection(geometry.direction_lps)
    far = tuple(n - 1 for n in geometry.size_ijk)
    assert np.allclose(geometry.index_to_lps(far), image.TransformIndexToPhysicalPoint(far), atol=1e-6)
    assert np.allclose(voxel_positions(geometry)[-1, -1, -1], geometry.index_to_lps(far))


@given(grids())
def test_json_round_trip(geometry):
    again = Geometry.from_json(json.loads(json.dumps(geometry.to_json())))
    assert again == geometry
    assert again.matches(geometry, 0)


@given(grids())
def test_matches_notices_a_shift_of_a_voxel(geometry):
    shifted = Geometry(
        geometry.size_ijk, geometry.spacing_mm, tuple(geometry.index_to_lps((1, 0, 0))), geometry.direction_lps
    )
    assert not geometry.matches(shifted)


@pytest.mark.parametrize(
    ("size", "spacing", "origin", "direction"),
    [
        ((0, 4, 4), (1, 1, 1), (0, 0, 0), np.eye(3)),
        ((4, 4), (1, 1, 1), (0, 0, 0), np.eye(3)),
        ((4, 4, 4), (1, 0, 1), (0, 0, 0), np.eye(3)),
        ((4, 4, 4), (1, -1, 1), (0, 0, 0), np.eye(3)),
        ((4, 4, 4), (1, np.nan, 1), (0, 0, 0), np.eye(3)),
        ((4, 4, 4), (1, 1), (0, 0, 0), np.eye(3)),
        ((4, 4, 4), (1, 1, 1), (0, np.inf, 0), np.eye(3)),
        ((4, 4, 4), (1, 1, 1), (0, 0, 0), np.eye(3) * 2),
        ((4, 4, 4), (1, 1, 1), (0, 0, 0), np.zeros((3, 3))),
        ((4, 4, 4), (1, 1, 1), (0, 0, 0), np.eye(2)),
        ((4, 4, 4), (1, 1, 1), (0, 0, 0), [[1, 0, 0.2], [0, 1, 0], [0, 0, 1]]),
        ((4, 4, 4), (1, 1, 1), (0, 0, 0), np.full((3, 3), np.nan)),
    ],
)
def test_refuses_what_is_no_grid(size, spacing, origin, direction):
    with pytest.raises(GeometryError) as caught:
        Geometry(size, spacing, origin, tuple(np.ravel(direction)))
    assert str(caught.value).strip().endswith(".")


@pytest.mark.parametrize("value", [{}, {"size_ijk": [1, 2]}, {"size_ijk": "abc", "spacing_mm": 1}])
def test_refuses_incomplete_json(value):
    with pytest.raises(GeometryError):
        Geometry.from_json(value)


def test_voxel_volume_and_extent():
    geometry = Geometry((10, 20, 30), (0.5, 0.8, 2.5))
    assert geometry.voxel_volume_ml == pytest.approx(0.001)
    assert geometry.extent_mm == pytest.approx((5.0, 16.0, 75.0))
