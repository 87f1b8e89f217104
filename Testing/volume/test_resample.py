"""Resampling against SimpleITK, and what it must keep: constants, ramps, labels, the volume of a ball."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_grids import AXIS_ORDERS, grids, rotation, voxel_positions

from PancreasSegLib.errors import GeometryError
from PancreasSegLib.volume import Geometry, Volume, geometry_with_spacing, resample

sitk = pytest.importorskip("SimpleITK")


def _by_itk(voxels: np.ndarray, source: Geometry, target: Geometry, interpolator: int) -> np.ndarray:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(source.spacing_mm)
    image.SetOrigin(source.origin_lps)
    image.SetDirection(source.direction_lps)
    result = sitk.Resample(
        image,
        target.size_ijk,
        sitk.Transform(),
        interpolator,
        target.origin_lps,
        target.spacing_mm,
        target.direction_lps,
        -9999.0,
    )
    return sitk.GetArrayFromImage(result)


@st.composite
def parallel_grids(draw: st.DrawFn) -> tuple[Geometry, Geometry]:
    """Two grids with the same axes at different places and spacings."""
    source = draw(grids(max_size=9))
    spacing = draw(st.tuples(*[st.floats(0.4, 8.0)] * 3))
    size = draw(st.tuples(*[st.integers(1, 9)] * 3))
    first = draw(st.tuples(*[st.floats(-2.0, 4.0)] * 3))
    target = Geometry(size, spacing, tuple(source.index_to_lps(first)), source.direction_lps)
    return source, target


def _inside(source: Geometry, target: Geometry) -> np.ndarray:
    """Target voxels between the outermost source voxels, where no rule for edges matters."""
    index = source.lps_to_index(voxel_positions(target))
    return np.all((index >= 1e-4) & (index <= np.array(source.size_ijk) - 1 - 1e-4), axis=-1)


@given(parallel_grids(), st.integers(0, 2**31))
def test_linear_agrees_with_itk(pair, seed):
    source, target = pair
    voxels = np.random.default_rng(seed).normal(0, 300, source.shape_zyx).astype(np.float32)
    ours = resample(voxels, source, target, antialias=False)
    itk = _by_itk(voxels, source, target, sitk.sitkLinear)
    inside = _inside(source, target)
    assert ours.dtype == np.float32
    assert ours.shape == target.shape_zyx
    assert np.allclose(
        ours[inside], itk[inside], atol=0.5
    )  # of a range of +-1000: float32 weights and 1e-4 voxels


@given(parallel_grids(), st.integers(0, 2**31))
def test_nearest_agrees_with_itk(pair, seed):
    source, target = pair
    labels = np.random.default_rng(seed).integers(0, 9, source.shape_zyx).astype(np.uint8)
    ours = resample(labels, source, target, order=0)
    itk = _by_itk(labels, source, target, sitk.sitkNearestNeighbor)
    index = source.lps_to_index(voxel_positions(target))
    clear = _inside(source, target) & np.all(np.abs(index - np.floor(index) - 0.5) > 1e-3, axis=-1)
    assert ours.dtype == np.uint8
    assert np.array_equal(ours[clear], itk[clear])


@given(parallel_grids(), st.floats(-2000, 2000), st.booleans())
def test_a_constant_stays(pair, value, antialias):
    source, target = pair
    voxels = np.full(source.shape_zyx, value, np.float32)
    assert np.allclose(resample(voxels, source, target, antialias=antialias), value, rtol=1e-5, atol=1e-3)


@given(parallel_grids(), st.tuples(*[st.floats(-5, 5)] * 3), st.booleans())
def test_a_ramp_stays_away_from_the_edges(pair, slope, antialias):
    source, target = pair

    def ramp(geometry: Geometry) -> np.ndarray:
        return ((voxel_positions(geometry) - np.array(source.origin_lps)) @ np.array(slope)).astype(np.float32)

    result = resample(ramp(source), source, target, antialias=antialias)
    reach = np.maximum(1.0, np.array(target.spacing_mm) / np.array(source.spacing_mm)) if antialias else 1e-4
    index = source.lps_to_index(voxel_positions(target))
    clear = np.all((index >= reach) & (index <= np.array(source.size_ijk) - 1 - reach), axis=-1)
    if antialias:
        # The widened triangle is symmetric only where its taps are: a ramp is kept on average, not by voxel.
        tolerance = 0.15 * np.abs(np.array(slope) @ source.matrix * np.array(source.spacing_mm)).sum() + 1e-2
    else:
        tolerance = 2e-2
    assert np.allclose(result[clear], ramp(target)[clear], atol=tolerance)


@given(parallel_grids())
def test_edges_are_repeated_outside(pair):
    source, target = pair
    voxels = np.random.default_rng(0).normal(0, 100, source.shape_zyx).astype(np.float32)
    result = resample(voxels, source, target)
    assert result.min() >= voxels.min() - 1e-3
    assert result.max() <= voxels.max() + 1e-3


@given(grids(), st.tuples(*[st.floats(0.5, 7)] * 3))
def test_geometry_with_spacing_keeps_the_box(geometry, spacing):
    result = geometry_with_spacing(geometry, spacing)
    assert result.spacing_mm == pytest.approx(spacing)
    outer = geometry.index_to_lps((-0.5, -0.5, -0.5))
    assert np.allclose(result.index_to_lps((-0.5, -0.5, -0.5)), outer, atol=1e-4)
    far = np.array(geometry.size_ijk) - 0.5
    index = result.lps_to_index(geometry.index_to_lps(far)) - (np.array(result.size_ijk) - 0.5)
    assert (np.abs(index) <= np.maximum(0.5, 1.0 / np.array(result.size_ijk)) + 0.5).all()


def test_channels_are_resampled_alike():
    source = Geometry((6, 7, 8), (1, 1, 2))
    target = geometry_with_spacing(source, (2, 1.5, 1.0))
    voxels = np.random.default_rng(1).normal(size=(3, 8, 7, 6)).astype(np.float32)
    for order in (0, 1):
        both = resample(voxels, source, target, order=order)
        assert both.shape == (3, *target.shape_zyx)
        for channel in range(3):
            assert np.array_equal(both[channel], resample(voxels[channel], source, target, order=order))


def test_coarser_grids_average_noise():
    source = Geometry((60, 60, 60), (1, 1, 1))
    noise = np.random.default_rng(2).normal(0, 100, source.shape_zyx).astype(np.float32)
    target = geometry_with_spacing(source, (3, 3, 3))
    smooth = resample(noise, source, target)[1:-1, 1:-1, 1:-1]
    plain = resample(noise, source, target, antialias=False)[1:-1, 1:-1, 1:-1]
    assert smooth.std() < 0.35 * plain.std()
    assert abs(float(smooth.mean())) < 5


def test_refuses_axes_that_are_not_parallel():
    source = Geometry((6, 6, 6), (1, 1, 1))
    turned = Geometry((6, 6, 6), (1, 1, 1), direction_lps=tuple(rotation((0, 0, 0.1)).ravel()))
    swapped = Geometry((6, 6, 6), (1, 1, 1), direction_lps=tuple(AXIS_ORDERS[20].ravel()))
    for target in (turned, swapped):
        with pytest.raises(GeometryError, match="parallel"):
            resample(np.zeros((6, 6, 6)), source, target)


@settings(max_examples=12)
@given(
    st.sampled_from(AXIS_ORDERS),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    st.tuples(*[st.floats(0.6, 3.0)] * 3),
    st.tuples(*[st.floats(0.8, 2.5)] * 3),
)
def test_a_ball_keeps_its_volume_and_place(axes, angles, spacing, working_spacing):
    radius, centre = 17.0, np.array([12.0, -30.0, 250.0])
    direction = rotation(angles) @ axes
    size = tuple(int(np.ceil(52.0 / s)) for s in spacing)
    half = (np.array(size) - 1) / 2 * np.array(spacing)
    geometry = Geometry(size, spacing, tuple(centre - direction @ half), tuple(direction.ravel()))
    distance = np.linalg.norm(voxel_positions(geometry) - centre, axis=-1)
    ball = (distance <= radius).astype(np.float32)

    canonical, axis_map = Volume(ball, geometry).canonical()
    work = canonical.resampled(working_spacing)
    back = resample(work.voxels, work.geometry, canonical.geometry)
    mask = axis_map.invert(back >= 0.5)

    millilitres = mask.sum() * geometry.voxel_volume_ml
    assert millilitres == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.07)
    found = voxel_positions(geometry)[mask].mean(axis=0)
    assert np.linalg.norm(found - centre) < 0.3
    # In the working grid too the ball is where it was.
    weight = work.voxels / work.voxels.sum()
    assert np.linalg.norm((voxel_positions(work.geometry) * weight[..., None]).sum((0, 1, 2)) - centre) < 0.3
